"""Whether synthetic speech of terms helps on real recordings that hold them.

    python benchmarks/spoken_terms.py TRAIN DEV --out FOLDER [--steps 300] [--takes 1] [--every 3]

The keywords of DEV are the glossary. They are spoken in the built-in carrier sentences, written as
the texts of DEV are: in lower case without punctuation, if those are. No sentence of DEV is used.
`tiny.en` is trained twice with its encoder frozen, on every third row of TRAIN with as many visits
to synthetic rows and on those of TRAIN alone, and scored on DEV. What is there is not made again.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from whisper_ft.prepare.spoken_texts import ENGLISH_CARRIERS


def read_rows(manifest: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]


def write_texts(dev: Path, folder: Path) -> None:
    """Write terms.txt, the keywords of a manifest, and carriers.txt in the style of its texts."""
    rows = read_rows(dev)
    terms = sorted({term for row in rows for term in row.get("keywords", ())})
    (folder / "terms.txt").write_text("\n".join(terms) + "\n", encoding="utf-8")
    carriers = list(ENGLISH_CARRIERS)
    if all(row["text"] == row["text"].lower() for row in rows):
        carriers = [re.sub(r"[^a-z{} ']", "", carrier.lower()) for carrier in carriers]
    (folder / "carriers.txt").write_text("\n".join(carriers) + "\n", encoding="utf-8")


def write_part(train: Path, every: int, part: Path) -> None:
    """Write every n-th row of a manifest, with absolute paths."""
    rows = read_rows(train)[::every]
    lines = [json.dumps(row | {"audio": str(train.parent / row["audio"])}) for row in rows]
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(*command: str | Path) -> None:
    words = [str(word) for word in command]
    print("$ whisper-ft", *words, flush=True)
    subprocess.run([sys.executable, "-m", "whisper_ft", *words], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path, help="manifest of real speech to train on")
    parser.add_argument("dev", type=Path, help="manifest of real speech with keywords")
    parser.add_argument("--out", type=Path, required=True, help="folder for all that is made")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--takes", type=int, default=1, help="of each term")
    parser.add_argument("--every", type=int, default=3, help="take every n-th row of TRAIN")
    parser.add_argument("--rows", type=int, help="score so many rows of DEV (default: all)")
    parser.add_argument("--flags", default="", help="more flags of train, for both runs")
    args = parser.parse_args()
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    terms, carriers, real = out / "terms.txt", out / "carriers.txt", out / "real.jsonl"
    spoken = out / "spoken/manifest.jsonl"
    if not spoken.exists():
        write_texts(args.dev, out)
        # --terms: a word such as "a. m." must not make the list one of sentences
        prepare = ("prepare", "speak", terms, "--terms", terms, "--carriers", carriers)
        run(*prepare, "--takes", str(args.takes), "--out", spoken.parent)
    write_part(args.train.resolve(), args.every, real)
    evaluate("tiny.en", "stock", args, out)
    for name, manifests in (("spoken", [real, spoken]), ("real", [real])):
        best = out / f"run-{name}" / "best.pt"
        if not best.exists():
            weights = ("--train-weights", *(["1"] * len(manifests)), "--epochs", "100")
            run(
                *("train", "--model", "tiny.en", "--train", *manifests, *weights),
                *("--max-steps", str(args.steps), "--seed", "0", "--freeze-encoder"),
                *("--feature-cache", out / "features", "--out", best.parent),
                *shlex.split(args.flags),
            )
        evaluate(best, name, args, out)
    samples = [out / f"{name}.samples.jsonl" for name in ("stock", "real", "spoken")]
    for first, second in ((0, 2), (0, 1), (1, 2)):
        run("compare", samples[first], samples[second], "--score", "b_wer")
    run("table", *(out / f"{name}.json" for name in ("stock", "real", "spoken")))


def evaluate(model: str | Path, name: str, args: argparse.Namespace, out: Path) -> None:
    """Score a model on DEV, unless that is done."""
    scores = out / f"{name}.json"
    if not scores.exists():
        rows = ("--rows", str(args.rows)) if args.rows else ()
        files = ("--json", scores, "--samples", out / f"{name}.samples.jsonl")
        run("evaluate", model, args.dev, *rows, "--name", name, *files)


if __name__ == "__main__":
    main()
