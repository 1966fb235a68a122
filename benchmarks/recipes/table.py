"""The table of recipes: word errors under right, no and wrong prompts, against stock's.

    python benchmarks/recipes/table.py recipes/scores/tiny.en-300

A decoding loop counts as one wrong row: its words are all wrong, and repetitions do not add to
them. Intervals are 95 % bootstraps over rows, of the difference to stock on the same rows. A row's
counts are summed over the seeds of a recipe. Languages that write no spaces have no such scores.
"""

import json
import math
import sys
from collections import defaultdict
from pathlib import Path

from whisper_ft.evaluation.bootstrap import paired_interval
from whisper_ft.evaluation.derailment import looped_words
from whisper_ft.evaluation.metrics import Count
from whisper_ft.evaluation.samples import CONDITIONS, Sample
from whisper_ft.evaluation.scored_text import ScoredText

KINDS = ("wer", "b_wer", "u_wer")


def counts(sample, condition):
    """Return the counts of KINDS for one output; those of a loop are the row's words."""
    text = ScoredText(sample, condition, cased=False)
    biased, other = text.biased
    if looped_words(*text.words).part:
        biased, other = Count(biased.total, biased.total), Count(other.total, other.total)
    return {"wer": biased.plus(other), "b_wer": biased, "u_wer": other}


def read_counts(path):
    """Return {condition: [counts of each row]} of one file of scores; {} for a row not decoded."""
    samples = [Sample.from_json(line) for line in json.loads(path.read_text())["samples"]]
    return {
        condition: [counts(s, condition) if s.outputs[condition] else {} for s in samples]
        for condition in CONDITIONS
    }


def row_counts(runs, condition, kind):
    """Return each row's counts, summed over the runs: a row is one unit of an interval."""
    return [
        Count.sum(row.get(kind, Count()) for row in rows)
        for rows in zip(*(run[condition] for run in runs), strict=True)
    ]


def rate(runs, condition, kind):
    """Return an error rate in per cent, NaN where nothing was counted."""
    value = Count.sum(row_counts(runs, condition, kind)).rate
    return math.nan if value is None else 100 * value


def change(stock, runs, condition, kind):
    """Return the change from stock with its interval, in points."""
    before = row_counts([stock] * len(runs), condition, kind)
    interval = paired_interval(before, row_counts(runs, condition, kind))
    value = rate(runs, condition, kind) - rate([stock], condition, kind)
    if interval is None:
        return f"{value:+.1f}"
    return f"{value:+.1f} [{100 * interval[0]:+.1f}, {100 * interval[1]:+.1f}]"


def line(name, stock, runs):
    cells = [
        " / ".join(f"{rate(runs, condition, kind):.1f}" for condition in CONDITIONS)
        for kind in KINDS
    ]
    cells.append(change(stock, runs, "right", "b_wer"))
    cells.append(change(stock, runs, "none", "b_wer"))
    return f"| {name} ({len(runs)}) | " + " | ".join(cells) + " |"


def markdown_table(folder):
    """Return the table of a folder of scores, a line for each recipe and share of its weights."""
    stock = read_counts(folder / "stock.json")
    runs = defaultdict(list)
    for path in sorted(folder.glob("*.*.*.json")):
        name, share, _ = path.name.removesuffix(".json").rsplit(".", 2)
        runs[f"{name}, {share} %"].append(read_counts(path))
    head = "| recipe, share of its weights (seeds) | WER right / none / wrong | B-WER | U-WER "
    head += "| B-WER right, against stock | B-WER none, against stock |"
    lines = [head, "|---|---|---|---|---|---|", line("stock", stock, [stock])]
    return "\n".join(lines + [line(name, stock, some) for name, some in runs.items()])


if __name__ == "__main__":
    print(markdown_table(Path(sys.argv[1])))
