"""Error rates of tuned models on real speech, divided by stock's, with paired intervals.

    python benchmarks/real_speech_ratios.py benchmarks/results/real_speech/*.json

Reads what `real_speech.py` wrote and prints a table for the notes: each checkpoint's errors divided
by stock's under the same prompt. Checkpoints that differ in their seed alone ("300 steps, seed 0"
and "300 steps, seed 1") are taken together. Rows are drawn together for stock and all seeds, 95 %
bootstrap intervals.
"""

import json
import sys
from pathlib import Path

import numpy as np
from real_speech import CONDITIONS, KINDS


def rates(rows, places):
    """Return errors divided by words of rows of counts [..., R, 4]: [...]."""
    totals = rows.sum(axis=-2)
    return totals[..., places[::2]].sum(-1) / totals[..., places[1::2]].sum(-1)


def pool(runs):
    """Return the counts [R][4] of rows, added up over runs; None where a run lacks a row."""
    return [
        [sum(n) for n in zip(*row, strict=True)] if all(row) else None
        for row in zip(*runs, strict=True)
    ]


def ratio(stock, tuned, places, n_samples=2000):
    """Return (ratio, low, high) of the rates of the rows that both have."""
    pairs = [(a, b) for a, b in zip(stock, tuned, strict=True) if a and b]
    both = np.array(pairs).swapaxes(0, 1)  # [2, R, 4]
    drawn = np.random.default_rng(0).integers(len(pairs), size=(n_samples, len(pairs)))
    before, after = (rates(rows[drawn], places) for rows in both)
    low, high = np.percentile(after / before, [2.5, 97.5])
    return rates(both[1], places) / rates(both[0], places), low, high


def main():
    kinds = [(kind, list(places)) for kind, places in KINDS.items()]
    print(
        "| model | | " + " | ".join(f"{kind} {' / '.join(CONDITIONS)}" for kind, _ in kinds) + " |"
    )
    print("|---|---|" + "---|" * len(kinds))
    for path in map(Path, sys.argv[1:]):
        content = json.loads(path.read_text("utf-8"))
        stock, *others = content["checkpoints"].items()
        seeds = {}
        for name, counts in others:
            seeds.setdefault(name.split(", seed ")[0], []).append(counts)
        for name, runs in seeds.items():
            tuned = {c: pool([counts[c] for counts in runs]) for c in CONDITIONS}
            cells = []
            for _, places in kinds:
                values = (ratio(stock[1][c], tuned[c], places) for c in CONDITIONS)
                cells.append(
                    " / ".join(f"{r:.2f} [{low:.2f}, {high:.2f}]" for r, low, high in values)
                )
            print("| " + " | ".join([content["model"], name, *cells]) + " |")


if __name__ == "__main__":
    main()
