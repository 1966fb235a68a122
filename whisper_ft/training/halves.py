"""Two halves of evaluation rows: one chooses, the other scores the choice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from whisper_ft.data.row import Row

MIN_ROWS = 8  # of both halves: fewer cannot choose anything


def halve(rows: Sequence[Row], seed: int) -> tuple[tuple[int, ...], tuple[int, ...], str]:
    """Return the numbers of two halves of the rows, and what is halved: "recording" or "row".

    Rows of one recording stay together, unless a half would then have fewer than half of MIN_ROWS.
    """
    recordings = [row.recording or f"row {number}" for number, row in enumerate(rows)]
    first, second = _halve_groups(recordings, seed)
    if any(row.recording for row in rows) and 2 * min(len(first), len(second)) >= MIN_ROWS:
        return first, second, "recording"
    return *_halve_groups([str(number) for number in range(len(rows))], seed), "row"


def _halve_groups(groups: Sequence[str], seed: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the indices of two halves of about the same size that share no group."""
    sizes = Counter(groups)
    names = list(sizes)
    random.Random(f"halves {seed}").shuffle(names)
    first: set[str] = set()
    n_first = n_second = 0
    for name in sorted(names, key=lambda name: -sizes[name]):  # the largest first; a stable sort
        if n_first <= n_second:
            first.add(name)
            n_first += sizes[name]
        else:
            n_second += sizes[name]
    return (
        tuple(i for i, group in enumerate(groups) if group in first),
        tuple(i for i, group in enumerate(groups) if group not in first),
    )
