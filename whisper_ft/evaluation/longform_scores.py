"""Score what `transcribe()` writes for whole recordings and for silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whisper_ft.evaluation.bootstrap import intervals
from whisper_ft.evaluation.metrics import Count, boundary_errors, time_words, word_errors
from whisper_ft.evaluation.scored_text import split_words
from whisper_ft.evaluation.scoring import ScoreValue
from whisper_ft.text.counts import format_count
from whisper_ft.text.tokens import Segment


@dataclass(frozen=True)
class LongformSample:
    """A recording, or silence, and what `transcribe()` wrote for it."""

    place: str  # file:line of its first row
    language: str
    task: str
    seconds: float
    reference: str
    output: str
    segments: tuple[Segment, ...]  # of the reference
    output_segments: tuple[Segment, ...]
    no_speech_prob: float | None = None  # of the first window, for silence only
    avg_logprob: float | None = None

    def split(self, text: str) -> list[str]:
        """Return normalized words, or characters for a language written without spaces."""
        return split_words(text, self.language, self.task)

    def n_errors(self) -> Count:
        """Count word errors, or character errors for a language written without spaces."""
        reference, output = self.split(self.reference), self.split(self.output)
        return word_errors(" ".join(reference), " ".join(output))

    def boundaries(self) -> tuple[Count, Count]:
        """Return (seconds of error; boundaries compared, of the reference's)."""
        reference = time_words(self.segments, self.split)
        return boundary_errors(reference, time_words(self.output_segments, self.split))

    def to_json(self) -> dict[str, Any]:
        """Return the sample as JSON; the two numbers of silence for silence only."""
        data = vars(self) | {
            name: [segment._asdict() for segment in getattr(self, name)]
            for name in ("segments", "output_segments")
        }
        return {name: value for name, value in data.items() if value is not None}


@dataclass(frozen=True)
class LongformScores:
    """Scores of a checkpoint, pooled over all recordings and all silence."""

    n_recordings: int
    hours: float  # of the recordings, without silence
    wer: ScoreValue  # by character for languages written without spaces
    boundary_error: ScoreValue  # seconds; see `score_longform`
    boundary_recall: ScoreValue
    n_silent: int
    empty: ScoreValue  # silent rows whose output is empty
    no_speech_prob: ScoreValue  # mean of the silent rows' first windows
    avg_logprob: ScoreValue

    def to_json(self) -> dict[str, Any]:
        """Return the scores as JSON."""
        return {
            name: value.to_json() if isinstance(value, ScoreValue) else value
            for name, value in vars(self).items()
        }


def score_longform(samples: Sequence[LongformSample]) -> LongformScores:
    """Pool counts over all recordings, and over all silent rows.

    `wer` is after whisper's normaliser, its interval over recordings. `boundary_error` is how far,
    in seconds, output segments start and end from the reference's, before and after the same words;
    `boundary_recall` is the share of the reference's starts and ends that were so compared.
    """
    spoken = [sample for sample in samples if sample.reference.strip()]
    silent = [sample for sample in samples if not sample.reference.strip()]
    errors = [sample.n_errors() for sample in spoken]
    boundaries = [sample.boundaries() for sample in spoken]
    n_empty = sum(not sample.output for sample in silent)
    return LongformScores(
        n_recordings=len(spoken),
        hours=sum(sample.seconds for sample in spoken) / 3600,
        wer=ScoreValue(*Count.sum(errors), intervals([[count] for count in errors])[0]),
        boundary_error=ScoreValue(*Count.sum(seconds for seconds, _ in boundaries)),
        boundary_recall=ScoreValue(*Count.sum(compared for _, compared in boundaries)),
        n_silent=len(silent),
        empty=ScoreValue(n_empty, len(silent)),
        no_speech_prob=ScoreValue(sum(t.no_speech_prob or 0.0 for t in silent), len(silent)),
        avg_logprob=ScoreValue(sum(t.avg_logprob or 0.0 for t in silent), len(silent)),
    )


def format_longform(scores: LongformScores) -> str:
    """Return the scores in a few lines for a terminal."""
    lines = []
    if scores.n_recordings:
        count = format_count(scores.n_recordings, "recording")
        line = f"{count}, {scores.hours:.2f} h: WER {_percent(scores.wer)}"
        if scores.wer.interval is not None:
            low, high = (100 * bound for bound in scores.wer.interval)
            line += f" [{low:.1f}, {high:.1f}]"
        if (error := scores.boundary_error.rate) is not None:
            line += (
                f", mean error of segment boundaries {error:.2f} s "
                f"(over {_percent(scores.boundary_recall, 0)} of the reference's boundaries)"
            )
        lines.append(line)
    if scores.n_silent:
        lines.append(
            f"{format_count(scores.n_silent, 'silent row')}: {_percent(scores.empty)} stay empty, "
            f"mean no_speech_prob {scores.no_speech_prob.rate:.2f}, "
            f"mean avg_logprob {scores.avg_logprob.rate:.2f}"
        )
    return "\n".join(lines)


def _percent(value: ScoreValue, n_digits: int = 1) -> str:
    return "-" if value.rate is None else f"{value.rate:.{n_digits}%}"
