"""Which row is visited when: an order that can be entered anywhere, cut into batches."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class ExampleIndex(NamedTuple):
    """One turn of one row, which decides, with the seed, the prompt that is drawn."""

    turn: int  # the epoch, where no manifest has a weight above 1
    row: int  # its index


@dataclass(frozen=True)
class Sampler:
    """The order of all visits: a function of the seed alone, entered at any position.

    In an epoch every row of group g is visited weights[g] times, on average: as many whole
    passes as fit, and a random part of one for the rest.
    """

    groups: tuple[Sequence[int], ...]  # indices of rows, each in one group
    weights: tuple[float, ...]
    seed: int

    @property
    def shares(self) -> list[int]:
        """Visits of each group in an epoch."""
        return [
            max(1, round(len(group) * weight))
            for group, weight in zip(self.groups, self.weights, strict=True)
        ]

    @property
    def epoch_length(self) -> int:
        return sum(self.shares)

    def epoch(self, epoch: int) -> list[ExampleIndex]:
        """An epoch's visits, shuffled."""
        rng = random.Random(f"order {self.seed} {epoch}")
        visits: list[ExampleIndex] = []
        shares = self.shares
        passes = max(
            -(-share // len(group)) for group, share in zip(self.groups, shares, strict=True)
        )
        for group, share in zip(self.groups, shares, strict=True):
            for i in range(0, share, len(group)):
                chosen = rng.sample(range(len(group)), min(len(group), share - i))
                turn = epoch * passes + i // len(group)
                visits += [ExampleIndex(turn, group[index]) for index in chosen]
        rng.shuffle(visits)
        return visits

    def between(self, start: int, end: int) -> Iterator[ExampleIndex]:
        """The visits from position `start` up to `end`, counted from the run's first."""
        length = self.epoch_length
        for epoch in range(start // length, -(-end // length)):
            first = epoch * length
            yield from self.epoch(epoch)[max(0, start - first) : end - first]


def by_language(
    manifests: Sequence[Sequence[str]], weights: Sequence[float], temperature: float
) -> tuple[tuple[Sequence[int], ...], tuple[float, ...]]:
    """(groups, weights) of rows, given each manifest's rows' languages and its weight.

    A language's share of a manifest's visits is its share of the rows to the power 1/temperature,
    normalised (Conneau et al. 2019): at 1 as they come, the higher, the more even. The number of
    visits stays.
    """
    groups: list[Sequence[int]] = []
    spread: list[float] = []
    offset = 0
    for languages, weight in zip(manifests, weights, strict=True):
        everything = range(offset, offset + len(languages))
        offset += len(languages)
        counts = Counter(languages)
        if temperature == 1 or len(counts) == 1:
            groups.append(everything)
            spread.append(weight)
            continue
        raised = {code: (n / len(languages)) ** (1 / temperature) for code, n in counts.items()}
        for code, n in counts.items():
            share = raised[code] / sum(raised.values())
            rows = zip(everything, languages, strict=True)
            groups.append([i for i, language in rows if language == code])
            spread.append(weight * share * len(languages) / n)
    return tuple(groups), tuple(spread)


def batches_of(
    order: Sampler, start: int, end: int, batch_size: int, step_size: int
) -> Iterator[list[ExampleIndex]]:
    """Visits in batches that never cross an optimiser step's end; the last may be smaller."""
    step: list[ExampleIndex] = []
    for position, visit in enumerate(order.between(start, end), start=start + 1):
        step.append(visit)
        if len(step) == step_size or position == end:
            yield from (step[i : i + batch_size] for i in range(0, len(step), batch_size))
            step = []
