"""Rows as a corpus's metadata has them, and their conversion to rows of a manifest."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from whisper_ft.data.row import MAX_SECONDS
from whisper_ft.prepare.corpus_files import Skipped, Told
from whisper_ft.prepare.manifest_writer import ManifestRow
from whisper_ft.runtime.files import find_other_spelling
from whisper_ft.text.damage import PLACEHOLDERS
from whisper_ft.text.tokens import Segment


@dataclass(frozen=True)
class CorpusRow:
    """A row as a corpus has it: the manifest's fields, with values of any type where it is Any."""

    place: str  # file:line
    audio: Path
    text: Any
    prompt: Any = None
    keywords: Any = None
    segments: Sequence[Segment] = ()
    start: Any = None
    end: Any = None
    channel: Any = None
    duration: Any = None
    language: Any = None
    task: Any = None
    recording: Any = None
    speaker: Any = None


SUSPICIOUS_SECONDS = 300.0  # of a row, ten times what it may last: milliseconds?
EMPTY_VALUES = ("", *PLACEHOLDERS)  # as tables write a missing one

CorpusRows: TypeAlias = Iterator["CorpusRow | Skipped | Told"]


@dataclass(frozen=True)
class FormatOptions:
    """Settings that some formats need."""

    columns: dict[str, str] = field(default_factory=dict)  # manifest's field: corpus's column
    delimiter: str = ""  # of a table; "": by the file's suffix or its first line
    copy_to: Path | None = None  # folder for audio that is stored inside the corpus


def to_manifest_row(
    row: CorpusRow, *, language: str = "", empty_is_silence: bool = False, lowercase: bool = False
) -> ManifestRow | Skipped:
    """Convert the values to the manifest's types.

    `language` is that of rows without one. A row whose values are unusable, which is longer than
    30 s or whose audio file does not exist is skipped with the reason.
    """
    if row.text is None:
        return Skipped(row.place, "text: missing: add a transcript")
    if not isinstance(row.text, str):
        return Skipped(row.place, f"text: {row.text!r}: no transcript: add one")
    if not (row.text.strip() or empty_is_silence):
        return Skipped(
            row.place,
            f"text: {row.text!r}: no transcript: give --empty-is-silence if it means silence",
        )
    from whisper_ft.text.languages import language_code  # imports torch: after --help

    numbers = _parse_numbers(row)
    if isinstance(numbers, Skipped):
        return numbers
    seconds = numbers.length
    if seconds is not None and seconds <= 0.0:
        return Skipped(row.place, f"{seconds:.2f} s: too short: correct its start, end or duration")
    if seconds is not None and seconds > MAX_SECONDS:
        remedy = "split it"
        if seconds >= SUSPICIOUS_SECONDS:
            remedy += ", or divide its times by 1000 if they are milliseconds"
        return Skipped(row.place, f"{seconds:.2f} s: a row may last {MAX_SECONDS:.0f} s: {remedy}")
    audio = row.audio if is_file(row.audio) else _other_spelling(row.audio)
    if audio is None:
        return Skipped(row.place, f"{row.audio}: no such file")
    return ManifestRow(
        audio=audio,
        text=(row.text.lower() if lowercase else row.text).strip(),
        prompt=None if _is_empty(row.prompt) else row.prompt,
        keywords=None if _is_empty(row.keywords) else row.keywords,
        segments=row.segments,
        start=numbers.start,
        end=numbers.end,
        channel=numbers.channel,
        duration=numbers.duration,
        language=language if _is_empty(row.language) else language_code(str(row.language)),
        task=row.task,
        recording=None if _is_empty(row.recording) else str(row.recording),
        speaker=None if _is_empty(row.speaker) else str(row.speaker),
    )


@dataclass(frozen=True)
class _Numbers:
    """The numbers of a row; times are seconds."""

    start: float | None
    end: float | None
    duration: float | None
    channel: int | None

    @property
    def length(self) -> float | None:
        """The seconds of the row, None if its numbers do not give them."""
        return self.duration if self.end is None else self.end - (self.start or 0.0)


def _parse_numbers(row: CorpusRow) -> _Numbers | Skipped:
    times: dict[str, float | None] = {}
    for name in ("start", "end", "duration"):
        value = getattr(row, name)
        try:
            times[name] = None if _is_empty(value) else _parse_seconds(value)
        except (ValueError, TypeError, OverflowError):
            return Skipped(row.place, f"{name}: {value!r}: not a number of seconds")
    try:
        channel = None if _is_empty(row.channel) else _parse_channel(row.channel)
    except (ValueError, TypeError, OverflowError):
        return Skipped(row.place, f"channel: {row.channel!r}: not a number")
    start, end, duration = times["start"], times["end"], times["duration"]
    if start is not None and end is None and duration is not None:
        end = round(start + duration, 4)
    return _Numbers(start, end, duration, channel)


def _parse_channel(value: Any) -> int:
    number = float(value)  # pandas writes 1.0 if a row has none
    if not number.is_integer():
        raise ValueError(value)
    return int(number)


def _is_empty(value: Any) -> bool:
    return value is None or value != value or str(value) in EMPTY_VALUES


def _parse_seconds(value: Any) -> float:
    rounded = round(float(value), 4)
    if not math.isfinite(rounded) or rounded < 0:
        raise ValueError(value)
    return rounded


def _other_spelling(path: Path) -> Path | None:
    parts = str(path)
    if parts.isascii() and "\\" not in parts:
        return None
    found = find_other_spelling(Path(path.anchor or "."), str(path.relative_to(path.anchor)))
    return None if found is None else Path(path.anchor) / found


def is_file(path: Path) -> bool:
    """Return whether a path is a file; False for one that no file can have."""
    try:
        return os.path.isfile(path)
    except ValueError:  # such as half of an emoji, which no file name contains
        return False
