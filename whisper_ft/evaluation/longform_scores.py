"""Score what `transcribe()` writes for whole recordings and for silence, by initial prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whisper_ft.config.commands import LONGFORM_CONDITIONS
from whisper_ft.evaluation.bootstrap import intervals
from whisper_ft.evaluation.derailment import MIN_STRETCH, n_loops, skips
from whisper_ft.evaluation.metrics import Count
from whisper_ft.evaluation.samples import Sample, cased_corpora, checked, recording_groups
from whisper_ft.evaluation.scored_text import ScoredText
from whisper_ft.evaluation.scoring import SCORES, ConditionScores, Score, ScoreValue


@dataclass(frozen=True)
class LongformSample(Sample):
    """A recording, or silence, and what `transcribe()` wrote for it.

    `prompts` and `outputs` have an entry for each of `LONGFORM_CONDITIONS`.
    """

    no_speech_prob: float | None = None  # of the first window without a prompt, for silence only
    avg_logprob: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the sample as JSON; the two numbers of silence for silence only."""
        return {name: value for name, value in super().to_json().items() if value is not None}


def loop_count(text: ScoredText) -> int:
    """Return the number of loops of an output that its reference lacks."""
    return n_loops(*text.words, _min_stretch(text))


def skipped_stretches(text: ScoredText) -> list[range]:
    """Return the long stretches of the reference's words that an output leaves out."""
    return skips(*text.words, _min_stretch(text))


def _min_stretch(text: ScoredText) -> int:
    return 2 * MIN_STRETCH if text.unspaced else MIN_STRETCH  # characters, or words


def _count_skipped(text: ScoredText) -> Count:
    n_skipped = sum(len(stretch) for stretch in skipped_stretches(text))
    return Count(n_skipped, len(text.words[0]))


def _count_segments(text: ScoredText) -> Count:
    """Count segments with text; 60 times their number, of seconds, are segments a minute."""
    n_segments = sum(bool(segment.text.strip()) for segment in text.output.segments)
    return Count(60 * n_segments, round(text.sample.seconds))


LONGFORM_SCORES = {
    **{
        name: SCORES[name]
        for name in (
            "wer",
            "b_wer",
            "u_wer",
            "keyword_recall",
            "keyword_precision",
            "mended",
            "spoiled",
            "prompt_leak",
            "repetition",
        )
    },
    "loops": Score(
        "loops in a recording",
        lambda text: Count(loop_count(text), 1),
        is_percentage=False,
    ),
    "skipped": Score("words in long stretches that were left out", _count_skipped),
    "skips": Score(
        "long stretches left out of a recording",
        lambda text: Count(len(skipped_stretches(text)), 1),
        is_percentage=False,
    ),
    "segments_per_minute": Score("segments written", _count_segments, is_percentage=False),
    "boundary_error": Score(
        "mean error of segment boundaries, in seconds",
        lambda text: text.timestamps[0],
        is_percentage=False,
    ),
    "boundary_recall": Score(
        "reference segment boundaries found in the output",
        lambda text: text.timestamps[1],
        higher_is_better=True,
    ),
}


@dataclass(frozen=True)
class LongformScores:
    """Scores of a checkpoint, pooled over all recordings and all silence.

    `scores["right_carried"]["wer"]` is a `ScoreValue`.
    """

    n_recordings: int
    hours: float  # of the recordings, without silence
    n_silent: int
    no_speech_prob: ScoreValue  # mean of the silent rows' first windows, without a prompt
    avg_logprob: ScoreValue
    by_condition: Mapping[str, ConditionScores]  # of the conditions that were decoded

    def __getitem__(self, condition: str) -> ConditionScores:
        return self.by_condition[condition]

    def to_json(self) -> dict[str, Any]:
        """Return the scores as JSON."""
        by_condition = {name: scores.to_json() for name, scores in self.by_condition.items()}
        return vars(self) | {
            "no_speech_prob": self.no_speech_prob.to_json(),
            "avg_logprob": self.avg_logprob.to_json(),
            "by_condition": by_condition,
        }

    @classmethod
    def from_json(cls, data: Any) -> LongformScores:
        """Read scores. Raises AttributeError, KeyError or TypeError for other data."""
        by_condition = {
            condition: ConditionScores(
                checked(scores["n_rows"], int),
                {name: ScoreValue.from_json(scores[name]) for name in (*LONGFORM_SCORES, "empty")},
            )
            for condition, scores in data["by_condition"].items()
        }
        return cls(
            n_recordings=checked(data["n_recordings"], int),
            hours=checked(data["hours"], int, float),
            n_silent=checked(data["n_silent"], int),
            no_speech_prob=ScoreValue.from_json(data["no_speech_prob"]),
            avg_logprob=ScoreValue.from_json(data["avg_logprob"]),
            by_condition=by_condition,
        )


def score_longform(samples: Sequence[LongformSample]) -> LongformScores:
    """Pool counts over all recordings by condition, and over all silent rows.

    Intervals are 95 % bootstraps over recordings. `empty` is the share of silent rows whose output
    is empty; all other scores are of recordings with speech. `boundary_error` is how far, in
    seconds, output segments start and end from the reference's, before and after the same words;
    `boundary_recall` is the share of the reference's starts and ends that were so compared.
    """
    spoken = [sample for sample in samples if sample.reference.strip()]
    silent = [sample for sample in samples if not sample.reference.strip()]
    by_condition = {}
    for condition in LONGFORM_CONDITIONS:
        if any(sample.outputs[condition] is not None for sample in samples):
            by_condition[condition] = _score_condition(spoken, silent, condition)
    return LongformScores(
        n_recordings=len(spoken),
        hours=sum(sample.seconds for sample in spoken) / 3600,
        n_silent=len(silent),
        no_speech_prob=ScoreValue(sum(s.no_speech_prob or 0.0 for s in silent), len(silent)),
        avg_logprob=ScoreValue(sum(s.avg_logprob or 0.0 for s in silent), len(silent)),
        by_condition=by_condition,
    )


def _score_condition(
    spoken: Sequence[LongformSample], silent: Sequence[LongformSample], condition: str
) -> ConditionScores:
    cased = cased_corpora(spoken)
    decoded = [sample for sample in spoken if sample.outputs[condition] is not None]
    texts = [ScoredText(sample, condition, sample.corpus in cased) for sample in decoded]
    table = [[kind.count(text) for kind in LONGFORM_SCORES.values()] for text in texts]
    ranges = intervals(table, recording_groups(decoded)) if table else [None] * len(LONGFORM_SCORES)
    values = {
        name: ScoreValue(*Count.sum(counts[column] for counts in table), ranges[column])
        for column, name in enumerate(LONGFORM_SCORES)
    }
    outputs = [output for s in silent if (output := s.outputs[condition]) is not None]
    values["empty"] = ScoreValue(sum(not output.text for output in outputs), len(outputs))
    return ConditionScores(len(decoded), values)
