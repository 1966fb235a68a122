"""Write the table of drills from pytest's results: `make drills`."""

import argparse
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from whisper_ft.evaluation.tables import insert_table

FAILED = ("failure", "error", "skipped")
MARK = "<!-- drills -->"


def table(results: Path) -> str:
    """A line for each fault: how often it was tried, and how often something was lost."""
    tried, lost = Counter(), Counter()
    for case in ElementTree.parse(results).iter("testcase"):
        for name in (p.get("value") for p in case.iter("property") if p.get("name") == "fault"):
            tried[name] += 1
            lost[name] += any(case.find(kind) is not None for kind in FAILED)
    lines = [f"| {name} | {n} | {lost[name]} |" for name, n in sorted(tried.items())]
    total = f"| all | {tried.total()} | {lost.total()} |"
    return "\n".join(["| fault | times tried | lost |", "|---|---:|---:|", *lines, total])


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("results", type=Path, help="what pytest --junitxml wrote")
parser.add_argument("--into", type=Path, help="document whose table is replaced")
args = parser.parse_args()
print(table(args.results))
if args.into:
    text = insert_table(args.into.read_text(encoding="utf-8"), table(args.results), MARK)
    args.into.write_text(text, encoding="utf-8")
