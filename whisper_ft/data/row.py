"""A row of a manifest, and what can be wrong with one."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from whisper_ft.text.tokens import Segment

WORD_PUNCTUATION = "'’-"  # occurs inside words, so a text without punctuation may contain it
MAX_SECONDS = 30.0  # of audio in one window of Whisper
ONE_SEGMENT_SECONDS = 5.0  # a row that is shorter hardly ever has more than one segment
CUT_SLACK = 0.1  # seconds; a segment that ends later than this after the audio is cut


def is_within(time: float, seconds: float) -> bool:
    """Return whether a time lies in `seconds` of audio, up to CUT_SLACK, in whole milliseconds."""
    return round(time - seconds, 3) <= CUT_SLACK


class Style(NamedTuple):
    """How a text is written."""

    case: str  # "lower", "upper" or "mixed"
    punctuated: bool


class Writing(NamedTuple):
    """The language and style of a text."""

    language: str
    style: Style


@dataclass(frozen=True)
class Row:
    """One utterance. Messages name it by `place`, which is `file:line` of its manifest."""

    audio: Path
    text: str  # "" is silence
    prompt: str = ""
    keywords: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
    start: float = 0.0  # seconds in the file
    end: float | None = None  # seconds in the file; None is its end
    channel: int | None = None  # from 0; None mixes all
    duration: float | None = None  # seconds, as the manifest claims or as checked
    language: str = "en"
    task: str = "transcribe"
    recording: str = ""
    speaker: str = ""
    place: str = ""
    follows: bool = True  # False for the first row, and where the row before was left out
    stamp: int | None = None  # of the audio file when it was checked; None: not checked
    parts: tuple[Row, ...] = ()  # rows whose audio is joined into this row's

    @property
    def style(self) -> Style:
        """How its text is written."""
        return text_style(self.text)

    @property
    def written_language(self) -> str:
        """The language of its text."""
        return written_language(self.language, self.task)

    @property
    def writing(self) -> Writing:
        """The language and style of its text."""
        return Writing(self.written_language, self.style)

    def continues(self, earlier: Row) -> bool:
        """Return whether its text follows that of `earlier`, the row before it, directly."""
        first, last = (self.parts or (self,))[0], (earlier.parts or (earlier,))[-1]
        if not first.follows or not first.recording:
            return False
        same = ("recording", "channel", "language", "task")
        if any(getattr(first, name) != getattr(last, name) for name in same):
            return False
        if first.audio == last.audio:
            return first.start >= last.speech_end - CUT_SLACK
        # speakers may have recordings of the same name, as 1.wav in many corpora
        return first.speaker == last.speaker

    @property
    def speech_end(self) -> float:
        """Seconds in the file at which its last whole segment ends; its start if unknown."""
        segments = self.resolved_segments(self.duration) if self.duration is not None else ()
        ends = [segment.end for segment in segments if segment.end is not None]
        return self.start + (ends[-1] if ends else 0.0)

    @property
    def knows_segments(self) -> bool:
        """Whether it is known where its segments end: they are given, or the row is short.

        In packed rows it must be known of every part.
        """
        if self.parts:
            return all(part.knows_segments for part in self.parts if part.text.strip())
        is_short = self.duration is not None and self.duration < ONE_SEGMENT_SECONDS
        return bool(self.segments) or is_short

    def resolved_segments(self, seconds: float) -> tuple[Segment, ...]:
        """Return its segments for `seconds` of audio; a row without any is one segment.

        A segment that runs over the end of the audio loses its end and its text, because only a
        part of it can be heard.
        """
        if not self.segments:
            return (Segment(0.0, seconds, self.text),)
        return tuple(
            segment
            if segment.end is not None and is_within(segment.end, seconds)
            else Segment(segment.start, None, "")
            for segment in self.segments
        )


def written_language(language: str, task: str) -> str:
    """Return the language of a text: English for a translation."""
    return "en" if task == "translate" else language


def text_style(text: str) -> Style:
    """Return how a text is written."""
    case = "lower" if text == text.lower() else "upper" if text == text.upper() else "mixed"
    return Style(case, _punctuation().search(text) is not None)


@cache
def _punctuation() -> re.Pattern[str]:
    """Match one character of Unicode's punctuation, except WORD_PUNCTUATION."""
    characters = map(chr, range(0x20000))  # a test checks that there is none after these
    found = [c for c in characters if unicodedata.category(c).startswith("P")]
    return re.compile(f"[{re.escape(''.join(c for c in found if c not in WORD_PUNCTUATION))}]")


@dataclass(frozen=True)
class Problem:
    """Something wrong at a place; `what` gives the value and the remedy."""

    place: str
    what: str

    def __str__(self) -> str:
        return _printable(f"{self.place}: {self.what}")


def _printable(text: str) -> str:
    """Return a text as one line, with control characters escaped."""
    return "".join(
        repr(c)[1:-1] if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text
    )
