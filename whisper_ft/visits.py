"""Which row is visited when: an order that can be entered anywhere, cut into batches."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Visit(NamedTuple):
    """One turn of one row, which decides, with the seed, the prompt that is drawn."""

    turn: int  # the epoch, where no manifest has a weight above 1
    row: int  # its index


@dataclass(frozen=True)
class VisitOrder:
    """The order of all visits: a function of the seed alone, entered at any position.

    In an epoch every row of manifest m is visited weights[m] times, on average: as many whole
    passes as fit, and a random part of one for the rest.
    """

    lengths: tuple[int, ...]  # rows of each manifest, which stand one after the other
    weights: tuple[float, ...]
    seed: int

    @property
    def epoch_length(self) -> int:
        return sum(
            self._share(n, weight) for n, weight in zip(self.lengths, self.weights, strict=True)
        )

    @staticmethod
    def _share(n_rows: int, weight: float) -> int:
        return max(1, round(n_rows * weight))

    def epoch(self, epoch: int) -> list[Visit]:
        """An epoch's visits, shuffled."""
        rng = random.Random(f"order {self.seed} {epoch}")
        visits: list[Visit] = []
        passes = max(
            -(-self._share(n, w) // n) for n, w in zip(self.lengths, self.weights, strict=True)
        )
        offset = 0
        for n_rows, weight in zip(self.lengths, self.weights, strict=True):
            share = self._share(n_rows, weight)
            for i in range(0, share, n_rows):
                chosen = rng.sample(range(n_rows), min(n_rows, share - i))
                turn = epoch * passes + i // n_rows
                visits += [Visit(turn, offset + index) for index in chosen]
            offset += n_rows
        rng.shuffle(visits)
        return visits

    def between(self, start: int, end: int) -> Iterator[Visit]:
        """The visits from position `start` up to `end`, counted from the run's first."""
        length = self.epoch_length
        for epoch in range(start // length, -(-end // length)):
            first = epoch * length
            yield from self.epoch(epoch)[max(0, start - first) : end - first]


def batches_of(
    order: VisitOrder, start: int, end: int, batch_size: int, step_size: int
) -> Iterator[list[Visit]]:
    """Visits in batches that never cross an optimiser step's end; the last may be smaller."""
    step: list[Visit] = []
    for position, visit in enumerate(order.between(start, end), start=start + 1):
        step.append(visit)
        if len(step) == step_size or position == end:
            yield from (step[i : i + batch_size] for i in range(0, len(step), batch_size))
            step = []
