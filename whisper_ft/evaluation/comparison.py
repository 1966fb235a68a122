"""Compare two evaluations of the same rows, or two prompts within one, with paired intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from whisper_ft.evaluation.bootstrap import Interval, paired_interval
from whisper_ft.evaluation.metrics import Count
from whisper_ft.evaluation.samples import (
    CONDITIONS,
    Sample,
    by_part,
    cased_corpora,
    recording_groups,
)
from whisper_ft.evaluation.scoring import SCORES, row_count

MIN_UNITS = 10  # rows, or recordings, for a verdict


class Side(NamedTuple):
    """One side of a comparison: samples under one condition."""

    samples: Sequence[Sample]
    condition: str
    name: str = ""


@dataclass(frozen=True)
class Change:
    """How one score changes, on the rows that both sides decoded."""

    label: str  # a condition, a language, a corpus or another manifest
    n_rows: int
    before: float | None  # rates; None when nothing was counted
    after: float | None
    interval: Interval | None  # 95 %, of after - before
    n_units: int  # rows, or recordings, that the interval resamples
    verdict: str  # "better", "worse", or "" when the interval holds 0 or there are few units

    def to_json(self) -> dict[str, Any]:
        """Return the change as JSON."""
        return dict(vars(self))


def compare_prompts(samples: Sequence[Sample], name: str) -> list[Change]:
    """Compare a score without a prompt with the same under the right and the wrong prompt."""
    return [
        compare_sides(
            f"no prompt -> {condition}", Side(samples, "none"), Side(samples, condition), name
        )
        for condition in ("right", "wrong")
    ]


def compare_evaluations(
    before: Sequence[Sample], after: Sequence[Sample], name: str
) -> list[Change]:
    """Compare a score of two evaluations: under each condition, then by part without a prompt.

    Raises ValueError when their rows are not the same, or their keywords were found otherwise.
    """
    check_keyword_sources(before, after)
    rows_before, rows_after = (
        [(s.place, s.reference, s.prompts) for s in samples] for samples in (before, after)
    )
    if rows_before != rows_after:
        raise ValueError(
            "the two evaluations are not of the same rows and prompts: evaluate both on the same "
            "manifests, with the same --seed"
        )
    changes = [compare_sides(c, Side(before, c), Side(after, c), name) for c in CONDITIONS]
    parts_after = by_part(after)
    for part, samples in by_part(before).items():
        sides = Side(samples, "none"), Side(parts_after[part], "none")
        changes.append(compare_sides(part, *sides, name))
    return changes


def check_keyword_sources(before: Sequence[Sample], after: Sequence[Sample]) -> None:
    """Raise ValueError unless the keywords of two evaluations were found in the same way."""
    sources = [" / ".join(sorted({s.keyword_source for s in some})) for some in (before, after)]
    if sources[0] != sources[1]:
        raise ValueError(
            f"the keywords of the two evaluations were not found in the same way: {sources[0]} "
            f"before, {sources[1]} after: evaluate both with the same --keywords and --glossary, "
            "and with the same version of wordfreq or without it both times"
        )


def compare_sides(label: str, before: Side, after: Side, name: str) -> Change:
    """Compare one score's rates on the rows that both sides decoded.

    Raises ValueError when a row comes twice.
    """
    if len({sample.place for sample in before.samples}) < len(before.samples):
        raise ValueError("a row comes twice: give the samples of one evaluation")
    pairs = [
        (a, b)
        for a, b in zip(before.samples, after.samples, strict=True)
        if a.outputs[before.condition] is not None and b.outputs[after.condition] is not None
    ]
    cased = cased_corpora(before.samples)
    counts_before = [row_count(a, before.condition, name, cased) for a, _ in pairs]
    counts_after = [row_count(b, after.condition, name, cased) for _, b in pairs]
    groups = recording_groups([a for a, _ in pairs])
    interval = paired_interval(counts_before, counts_after, groups)
    n_units = len(set(groups)) or len(pairs)
    return Change(
        label=label,
        n_rows=len(pairs),
        before=Count.sum(counts_before).rate,
        after=Count.sum(counts_after).rate,
        interval=interval,
        n_units=n_units,
        verdict=_verdict(name, interval, n_units),
    )


def most_different(before: Side, after: Side, n: int) -> list[str]:
    """Return the `n` rows whose word errors differ most between two named sides, as lines."""
    differing = []
    for a, b in zip(before.samples, after.samples, strict=True):
        output_before, output_after = a.outputs[before.condition], b.outputs[after.condition]
        if output_before is None or output_after is None:
            continue
        n_before = row_count(a, before.condition, "wer", set()).part
        n_after = row_count(b, after.condition, "wer", set()).part
        if n_before != n_after:
            lines = [
                f"{a.short_place}: {n_before} -> {n_after} word errors",
                f"  reference: {a.reference}",
                f"  {before.name}: {output_before.text}",
                f"  {after.name}: {output_after.text}",
            ]
            differing.append((abs(n_after - n_before), lines))
    differing.sort(key=lambda entry: -entry[0])
    return [line for _, lines in differing[:n] for line in lines]


def _verdict(name: str, interval: Interval | None, n_units: int) -> str:
    """Return "better" or "worse" when the whole interval is on one side of 0, else "".

    With few units there is no verdict, because bootstraps of few are too narrow: where nothing
    differs, intervals of 5 recordings exclude 0 in 13 % of cases and those of 12 in 9 %, instead
    of 5 %.
    """
    if interval is None or interval[0] <= 0 <= interval[1] or n_units < MIN_UNITS:
        return ""
    return "better" if (interval[0] > 0) == SCORES[name].higher_is_better else "worse"
