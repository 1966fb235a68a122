"""Check one row against its audio file and a model's vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from whisper.tokenizer import Tokenizer

from whisper_ft.data.audio import n_mel_frames
from whisper_ft.data.audio_info import AudioInfo
from whisper_ft.data.row import CUT_SLACK, MAX_SECONDS, Row
from whisper_ft.models.loading import Vocabulary
from whisper_ft.text.terms import term_count
from whisper_ft.text.tokens import Segment, build_example
from whisper_ft.validation.warnings import join_texts, row_warnings

TASKS = ("transcribe", "translate")


class RowFindings(NamedTuple):
    """The problems of a row, which cannot be used with any, and its warnings."""

    problems: list[str]
    warnings: list[str]


def check_row(row: Row, info: AudioInfo | str, vocabulary: Vocabulary | None) -> RowFindings:
    """Check a row; `info` is what is known of its audio file, or the reason why it cannot be read.

    Without a vocabulary, language and tokens are not checked and there are no warnings.
    """
    problems = _audio_problems(row, info) + _keyword_problems(row)
    if vocabulary is not None:
        problems += _language_problems(row, vocabulary)
    if problems or isinstance(info, str) or vocabulary is None:
        return RowFindings(problems, [])
    tokenizer = vocabulary.tokenizer(language=row.language, task=row.task)
    segments = row.resolved_segments(row_seconds(row, info))
    problems = _token_problems(row, segments, tokenizer, vocabulary.n_text_ctx)
    warnings = [*_track_warnings(row, info), *row_warnings(row, segments, tokenizer)]
    return RowFindings(problems, warnings)


def _track_warnings(row: Row, info: AudioInfo) -> Iterator[str]:
    n_tracks = info.track.n_tracks if info.track else 1
    if n_tracks > 1:
        yield (
            f"audio: {row.audio}: {n_tracks} tracks of audio: the default one is read, or else the "
            "one with most channels"
        )


def row_seconds(row: Row, info: AudioInfo) -> float:
    """Return the duration of a row's stretch of its file."""
    end = info.duration if row.end is None else min(row.end, info.duration)
    return end - row.start


def _audio_problems(row: Row, info: AudioInfo | str) -> list[str]:
    if isinstance(info, str):
        reason, _, remedy = info.partition(": ")  # the remedy may end with a command
        return [f"audio: {row.audio}: {reason}: remove the row, or {remedy}"]
    if row.start >= info.duration:
        return [f"start: {row.start}: {row.audio} ends at {info.duration:.3f} s: correct it"]
    if row.end is not None and row.end > info.duration + CUT_SLACK:
        return [f"end: {row.end}: {row.audio} ends at {info.duration:.3f} s: correct it"]
    seconds = row_seconds(row, info)
    if n_mel_frames(seconds) < 1:
        return [
            f"audio: {row.audio}: {seconds} s: too short, less than 0.01 s: correct or remove the "
            "row"
        ]
    problems = []
    if n_mel_frames(seconds) > n_mel_frames(MAX_SECONDS):
        problems.append(
            f"audio: {row.audio}: {seconds:.2f} s: Whisper takes at most {MAX_SECONDS:.0f} s: "
            "split the row with start and end"
        )
    if row.channel is not None and row.channel >= info.n_channels:
        problems.append(
            f"channel: {row.channel}: {row.audio} has no such channel: give 0 to "
            f"{info.n_channels - 1}"
        )
    if row.duration is not None and abs(row.duration - seconds) > CUT_SLACK:
        problems.append(
            f"duration: {row.duration}: the audio lasts {seconds:.3f} s: check that it is the "
            "right file, and correct or remove the field"
        )
    return problems + _segment_problems(row, seconds)


def _segment_problems(row: Row, seconds: float) -> list[str]:
    """Allow a row to end within its last segment, whose text is then not learned."""
    segments = row.resolved_segments(seconds)
    cut_segments = [segment for segment in segments if segment.end is None]
    if not cut_segments:
        return []
    audio_end = f"the audio ends at {seconds:.3f} s"
    if len(cut_segments) > 1 or cut_segments[0].start >= seconds:
        return [
            f"segments: one starts at {segments[-1].start} s, {audio_end}: count seconds from the "
            "start of the row"
        ]
    if not any(segment.text.strip() for segment in segments):
        return [
            f"segments: the only one with text ends at {row.segments[-1].end} s, {audio_end}: "
            "extend the row to the end of the segment"
        ]
    if join_texts(segments) != " ".join(row.text.split()):
        return [
            f"segments: the last ends at {row.segments[-1].end} s, {audio_end}: remove its words "
            "from the text, or extend the row to the end of the segment"
        ]
    return []


def _keyword_problems(row: Row) -> list[str]:
    return [
        f"keywords: {term!r}: not in the text: spell it as in the text or remove it"
        for term in row.keywords
        if not term_count(term, row.text, cased=False)
    ]


def _language_problems(row: Row, vocabulary: Vocabulary) -> list[str]:
    problem = vocabulary.language_problem(row.language)
    problems = [f"language: {problem}"] if problem else []
    if row.task not in TASKS:
        problems.append(f"task: {row.task!r}: give transcribe or translate")
    elif not vocabulary.multilingual and row.task == "translate":
        problems.append("task: 'translate': the model is English-only: use a model without .en")
    return problems


def _token_problems(
    row: Row, segments: tuple[Segment, ...], tokenizer: Tokenizer, n_text_ctx: int
) -> list[str]:
    """Check that a row fits in its longest form: with timestamps, whatever training draws."""
    try:
        build_example(
            tokenizer, row.text, segments=segments, timestamps=True, n_text_ctx=n_text_ctx
        )
    except ValueError as error:
        return [f"text: {row.text[:60]!r}...: {error}"]
    return []
