"""A manifest's row: a line of JSON in, a typed row or its problems out."""

from __future__ import annotations

import difflib
import json
import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from whisper_ft.text.tokens import Segment

CASES = (("lower", str.lower), ("upper", str.upper))
WITHIN_WORDS = "'’-"  # punctuation that a text without any may have
MAX_SECONDS = 30.0  # what Whisper hears at once
MAX_LINE = 1_000_000  # bytes; the words of half a minute, and all beside them, take a few thousand
MAX_KEYWORDS = 1000  # of a row; its prompt has room for a hundred
MAX_UNKNOWN = 50  # fields of a row that are compared with the known ones
CUT_SLACK = 0.1  # seconds by which times may miss the audio's end; past them a segment is cut


def is_within(time: float, seconds: float) -> bool:
    """Whether a time lies in so many seconds of audio, but for the slack, in whole milliseconds."""
    return round(time - seconds, 3) <= CUT_SLACK


@dataclass(frozen=True)
class Row:
    """One utterance. `place` is `file:line` of its manifest, by which every message names it."""

    audio: Path
    text: str  # "" is silence
    prompt: str = ""
    keywords: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
    start: float = 0.0  # seconds in the file
    end: float | None = None  # seconds in the file; None is its end
    channel: int | None = None  # from 0; None mixes all
    duration: float | None = None  # seconds, as the manifest claims
    language: str = "en"
    task: str = "transcribe"
    recording: str = ""
    speaker: str = ""
    place: str = ""
    follows: bool = True  # False for a manifest's first row, and where the one before was left out
    stamp: int | None = None  # of the audio file when it was checked; None: it was not
    parts: tuple[Row, ...] = ()  # rows whose audio, one after the other, is this one's

    @cached_property
    def style(self) -> tuple[str, bool]:
        """How its text is written: ("lower", "upper" or "mixed" case, whether punctuated)."""
        case = next((name for name, f in CASES if self.text == f(self.text)), "mixed")
        return case, any(
            unicodedata.category(c).startswith("P") and c not in WITHIN_WORDS for c in self.text
        )

    def continues(self, earlier: Row) -> bool:
        """Whether its text was said right after that of the row before it in the manifest."""
        first, last = (self.parts or (self,))[0], (earlier.parts or (earlier,))[-1]
        if not first.follows or not first.recording:
            return False
        same = ("recording", "channel", "language", "task")
        if any(getattr(first, name) != getattr(last, name) for name in same):
            return False
        if first.audio == last.audio:
            return first.start >= last.spoken_until - CUT_SLACK
        # names of recordings may repeat from speaker to speaker, as 1.wav does in many corpora
        return first.speaker == last.speaker

    @property
    def written_language(self) -> str:
        """The language of its text: English for a translation."""
        return "en" if self.task == "translate" else self.language

    @property
    def spoken_until(self) -> float:
        """Seconds in the file at which its last whole segment ends; its start where unknown."""
        segments = self.resolved_segments(self.duration) if self.duration is not None else ()
        ends = [segment.end for segment in segments if segment.end is not None]
        return self.start + (ends[-1] if ends else 0.0)

    def resolved_segments(self, seconds: float) -> tuple[Segment, ...]:
        """Its segments for audio of so many seconds; for a row that has none, one over all of it.

        A segment that runs over the end of the audio has no end and no text: it is heard in part.
        """
        if not self.segments:
            return (Segment(0.0, seconds, self.text),)
        return tuple(
            segment
            if segment.end is not None and is_within(segment.end, seconds)
            else Segment(segment.start, None, "")
            for segment in self.segments
        )


@dataclass(frozen=True)
class Problem:
    """Something wrong at a place, with the value and the remedy in its words."""

    place: str
    what: str

    def __str__(self) -> str:
        return _printable(f"{self.place}: {self.what}")


def _printable(text: str) -> str:
    """A text as one line that moves no cursor, whatever names and texts are in it."""
    return "".join(
        repr(c)[1:-1] if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text
    )


def parse_row(
    line: bytes, root: Path, place: str, defaults: dict[str, str]
) -> tuple[Row | None, list[str], set[str]]:
    """(row, None if it has problems; its problems; unknown field names) of a manifest's line."""
    if len(line) > MAX_LINE:
        what = f"a line of more than {MAX_LINE} bytes: is it a manifest? Write a row a line"
        return None, [what], set()
    try:
        fields = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return None, [f"not UTF-8 (byte {error.start} of the line): save the file as UTF-8"], set()
    except (ValueError, RecursionError) as error:
        return None, [f"not JSON ({error}): write one object a line"], set()
    if not isinstance(fields, dict):
        return None, [f"{_shown(fields)}: expected an object, {{...}}"], set()
    problems: list[str] = []
    unknown: set[str] = set()
    values: dict[str, Any] = dict(defaults)
    for name, value in fields.items():
        if name not in READERS:
            if len(unknown) < MAX_UNKNOWN and (close := _resembling(name)):
                problems.append(f"unknown field {name!r}: did you mean {close!r}?")
            else:
                unknown.add(name)
            continue
        try:
            values[name] = READERS[name](value)
        except (ValueError, OverflowError) as error:
            problems.append(f"{name}: {_shown(value)}: {error}")
    problems += [
        f"{name}: missing: every row needs it" for name in ("audio", "text") if name not in fields
    ]
    problems += _disagreements(values)
    if problems:
        return None, problems, unknown
    return Row(**{**values, "audio": root / values["audio"], "place": place}), [], unknown


@lru_cache
def _resembling(name: str) -> str:
    """The known field that an unknown one is probably meant to be, or nothing."""
    return next(iter(difflib.get_close_matches(name, READERS, n=1, cutoff=0.75)), "")


def _disagreements(values: dict[str, Any]) -> list[str]:
    """Problems between a row's fields."""
    start, end = values.get("start", 0.0), values.get("end")
    if end is not None and end <= start:
        return [f"end: {end}: not after start {start}: give seconds in the file, start before end"]
    return []


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a string: put it in quotes")
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise ValueError(
            "holds half of a surrogate pair, which is no character: write the character"
        )
    return value


def _name(value: Any) -> str:
    if not _text(value):
        raise ValueError("expected a string that is not empty")
    if "\0" in value:
        raise ValueError("holds a NUL character: give a path or name without one")
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("expected a number of seconds")
    if not math.isfinite(value) or value < 0:
        raise ValueError("expected seconds from 0 upwards")
    return float(value)


def _channel(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("expected a channel's number, from 0 upwards")
    return value


def _keywords(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(term, str) for term in value):
        raise ValueError("expected a list of strings")
    if len(value) > MAX_KEYWORDS:
        raise ValueError(f"holds {len(value)}: keep those that the text holds")
    if not all(_text(term).strip() for term in value):
        raise ValueError("holds an empty keyword: leave it out")
    return tuple(" ".join(term.split()) for term in value)


def _segments(value: Any) -> tuple[Segment, ...]:
    remedy = "expected a list of {start, end, text}, in seconds from the row's start"
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(remedy)
    segments: list[Segment] = []
    previous = 0.0
    for item in value:
        if set(item) != {"start", "end", "text"}:
            raise ValueError(f"{remedy}, found the fields {sorted(item)}")
        start, end = _seconds(item["start"]), _seconds(item["end"])
        if end < start or (segments and start < previous):
            raise ValueError(f"{start} to {end} is out of order: sort and trim them")
        segments.append(Segment(start, end, _text(item["text"])))
        previous = end
    return tuple(segments)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 80 else text[:77] + "..."


READERS: dict[str, Callable[[Any], Any]] = {
    "audio": _name,
    "text": _text,
    "prompt": _text,
    "keywords": _keywords,
    "segments": _segments,
    "start": _seconds,
    "end": _seconds,
    "channel": _channel,
    "duration": _seconds,
    "language": _name,
    "task": _name,
    "recording": _text,
    "speaker": _text,
}
