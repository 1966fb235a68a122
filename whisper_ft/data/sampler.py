"""The order of training examples: a function of the seed that can start at any position."""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


class ExampleIndex(NamedTuple):
    """An example: one pass over one row. With the seed it decides everything that is drawn."""

    pass_number: int  # the epoch, if no manifest has a weight above 1
    row: int  # its index


@dataclass(frozen=True)
class Sampler:
    """The order of all examples of a run: a function of the seed, from any position.

    In an epoch every row of groups[i] occurs weights[i] times on average: as many whole passes as
    fit, and a random part of a pass for the rest.
    """

    groups: tuple[Sequence[int], ...]  # indices of rows, each in one group
    weights: tuple[float, ...]
    seed: int

    @property
    def n_examples(self) -> list[int]:
        """The number of examples of each group in an epoch."""
        return [
            max(1, round(len(group) * weight))
            for group, weight in zip(self.groups, self.weights, strict=True)
        ]

    @property
    def epoch_length(self) -> int:
        """The number of examples in an epoch."""
        return sum(self.n_examples)

    def epoch(self, number: int) -> list[ExampleIndex]:
        """Return the examples of an epoch, shuffled."""
        return [self._decode(code) for code in self._codes(number)]

    def between(self, start: int, end: int) -> Iterator[ExampleIndex]:
        """Yield the examples from position `start` up to `end`, counted from the run's first."""
        length = self.epoch_length
        for number in range(start // length, -(-end // length)):
            first = number * length
            yield from map(self._decode, self._codes(number)[max(0, start - first) : end - first])

    def _codes(self, number: int) -> array[int]:
        """Return the examples of an epoch, shuffled, as numbers: see `_decode`.

        A tuple of each example would take 100 MB for a million rows.
        """
        rng = random.Random(f"order {self.seed} {number}")
        codes = array("q")
        sizes = list(zip(self.groups, self.n_examples, strict=True))
        n_passes = max(-(-n // len(group)) for group, n in sizes)
        for group, n in sizes:
            for first in range(0, n, len(group)):
                chosen = rng.sample(range(len(group)), min(len(group), n - first))
                pass_number = number * n_passes + first // len(group)
                codes.extend(pass_number * self._n_rows + group[index] for index in chosen)
        rng.shuffle(codes)
        return codes

    def _decode(self, code: int) -> ExampleIndex:
        return ExampleIndex(*divmod(code, self._n_rows))

    @cached_property
    def _n_rows(self) -> int:
        return 1 + max(map(max, self.groups))


def language_groups(
    manifests: Sequence[Sequence[str]], weights: Sequence[float], temperature: float
) -> tuple[tuple[Sequence[int], ...], tuple[float, ...]]:
    """Return (groups, weights) of a `Sampler`, which balance the languages of each manifest.

    `manifests` holds the language of every row of each manifest, `weights` a weight per manifest.
    A language's share of a manifest's examples is its share of the rows to the power
    1/temperature, normalized (Conneau et al. 2019): 1 is proportional to the data, a high
    temperature is nearly uniform. The number of examples does not change.
    """
    groups: list[Sequence[int]] = []
    group_weights: list[float] = []
    offset = 0
    for languages, weight in zip(manifests, weights, strict=True):
        indices = range(offset, offset + len(languages))
        offset += len(languages)
        counts = Counter(languages)
        if temperature == 1 or len(counts) == 1:
            groups.append(indices)
            group_weights.append(weight)
            continue
        raised = {code: (n / len(languages)) ** (1 / temperature) for code, n in counts.items()}
        for code, n in counts.items():
            share = raised[code] / sum(raised.values())
            rows = zip(indices, languages, strict=True)
            groups.append([i for i, language in rows if language == code])
            group_weights.append(weight * share * len(languages) / n)
    return tuple(groups), tuple(group_weights)


def batch_indices(
    sampler: Sampler, start: int, end: int, batch_size: int, step_size: int
) -> Iterator[list[ExampleIndex]]:
    """Yield batches of examples; none crosses the end of a step of `step_size` examples.

    The last batch of a step may be smaller than `batch_size`.
    """
    step: list[ExampleIndex] = []
    for position, example in enumerate(sampler.between(start, end), start=start + 1):
        step.append(example)
        if len(step) == step_size or position == end:
            yield from (step[i : i + batch_size] for i in range(0, len(step), batch_size))
            step = []
