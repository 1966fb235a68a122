"""The scores of samples, by condition: what is counted, pooled rates and their intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whisper_ft.evaluation.bootstrap import Interval, intervals
from whisper_ft.evaluation.derailment import looped_words
from whisper_ft.evaluation.metrics import Count, character_errors
from whisper_ft.evaluation.samples import (
    CONDITIONS,
    Sample,
    cased_corpora,
    checked,
    recording_groups,
)
from whisper_ft.evaluation.scored_text import ScoredText


@dataclass(frozen=True)
class Score:
    """One way to count an output."""

    meaning: str
    count: Callable[[ScoredText], Count]
    higher_is_better: bool = False
    is_percentage: bool = True


SCORES = {
    "wer": Score("word errors, after whisper's normaliser", lambda t: t.errors(*t.normalized)),
    "marked_wer": Score(
        "word errors, vowel signs and other marks kept", lambda t: t.errors(*t.marked)
    ),
    "raw_wer": Score("word errors on raw text", lambda t: t.errors(t.reference, t.output.text)),
    "cer": Score(
        "character errors, after whisper's normaliser", lambda t: character_errors(*t.normalized)
    ),
    "b_wer": Score("word errors on the words of keywords", lambda t: t.biased[0]),
    "u_wer": Score("word errors on all other words", lambda t: t.biased[1]),
    "keyword_recall": Score(
        "spoken keywords that are written exactly",
        ScoredText.count_keyword_recall,
        higher_is_better=True,
    ),
    "keyword_precision": Score(
        "written terms of the prompts that were spoken",
        ScoredText.count_keyword_precision,
        higher_is_better=True,
    ),
    "mended": Score(
        "words wrong without a prompt that the prompt mends",
        lambda t: t.obedience[0],
        higher_is_better=True,
    ),
    "spoiled": Score(
        "words right without a prompt that the prompt spoils", lambda t: t.obedience[1]
    ),
    "prompt_leak": Score("output words copied from the prompt", ScoredText.count_prompt_leak),
    "repetition": Score("output words repeated in loops", lambda t: looped_words(*t.words)),
    "empty": Score("rows with speech whose output is empty", ScoredText.count_empty),
    "hallucinated": Score("silent rows whose output holds words", ScoredText.count_hallucinated),
    "timestamp_error": Score(
        "mean error of segment times, in seconds", lambda t: t.timestamps[0], is_percentage=False
    ),
    "timestamp_recall": Score(
        "reference segment times found in the output",
        lambda t: t.timestamps[1],
        higher_is_better=True,
    ),
    "loss": Score(
        "cross-entropy of the reference, in nats per token",
        lambda t: t.output.loss,
        is_percentage=False,
    ),
}


@dataclass(frozen=True)
class ScoreValue:
    """A pooled count and the 95 % bootstrap interval of its rate."""

    part: float = 0
    total: int = 0
    interval: Interval | None = None

    @property
    def rate(self) -> float | None:
        """part / total; None when nothing was counted."""
        return Count(self.part, self.total).rate

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON, with its rate."""
        interval = None if self.interval is None else list(self.interval)
        return {"part": self.part, "total": self.total, "rate": self.rate, "interval": interval}

    @classmethod
    def from_json(cls, data: Any) -> ScoreValue:
        """Read a value. Raises KeyError or TypeError for other data."""
        part, total, interval = data["part"], data["total"], data["interval"]
        if interval is not None:
            interval = tuple(checked(bound, int, float) for bound in interval)
            if len(interval) != 2:
                raise TypeError(f"an interval of {len(interval)} bounds")
        return cls(checked(part, int, float), checked(total, int), interval)


@dataclass(frozen=True)
class ConditionScores:
    """All scores under one condition; `scores["wer"]` is a `ScoreValue`."""

    n_rows: int  # rows decoded
    values: Mapping[str, ScoreValue]

    def __getitem__(self, name: str) -> ScoreValue:
        return self.values[name]

    def to_json(self) -> dict[str, Any]:
        """Return the scores as JSON."""
        values = {name: value.to_json() for name, value in self.values.items()}
        return {"n_rows": self.n_rows, **values}

    @classmethod
    def from_json(cls, data: Any) -> ConditionScores:
        """Read scores; one that is missing was not counted.

        Raises KeyError or TypeError for other data.
        """
        n_rows = checked(data["n_rows"], int)
        names = [name for name in SCORES if name in data]
        return cls(
            n_rows,
            dict.fromkeys(SCORES, ScoreValue())
            | {name: ScoreValue.from_json(data[name]) for name in names},
        )


@dataclass(frozen=True)
class Scores:
    """The scores of samples; `scores["right"]["wer"]` is a `ScoreValue`."""

    by_condition: Mapping[str, ConditionScores]

    def __getitem__(self, condition: str) -> ConditionScores:
        return self.by_condition[condition]

    def to_json(self) -> dict[str, Any]:
        """Return the scores as JSON."""
        return {condition: scores.to_json() for condition, scores in self.by_condition.items()}

    @classmethod
    def from_json(cls, data: Any) -> Scores:
        """Read scores. Raises KeyError or TypeError for other data."""
        return cls({c: ConditionScores.from_json(data[c]) for c in CONDITIONS})


def score(samples: Sequence[Sample]) -> Scores:
    """Score samples by condition.

    Keywords and prompt words are compared on raw text, with case where the references of a corpus
    mix it. Intervals are 95 % bootstraps over rows, or over recordings where every row has one and
    there are several. Languages written without spaces are scored by character, as in the
    Whisper paper. A score of which nothing was counted has no rate.
    """
    cased = cased_corpora(samples)
    by_condition = {}
    for condition in CONDITIONS:
        decoded = [sample for sample in samples if sample.outputs[condition] is not None]
        texts = [ScoredText(sample, condition, sample.corpus in cased) for sample in decoded]
        table = [[kind.count(text) for kind in SCORES.values()] for text in texts]
        ranges = intervals(table, recording_groups(decoded)) if table else [None] * len(SCORES)
        values = {}
        for column, name in enumerate(SCORES):
            pooled = Count.sum(counts[column] for counts in table)
            values[name] = ScoreValue(*pooled, ranges[column])
        by_condition[condition] = ConditionScores(len(decoded), values)
    return Scores(by_condition)


def row_count(sample: Sample, condition: str, name: str, cased: set[str]) -> Count:
    """Return one score's count of one sample; `cased` are the corpora where case counts."""
    return SCORES[name].count(ScoredText(sample, condition, sample.corpus in cased))
