"""Parse a line of a manifest into the fields of a row, or into its problems."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from whisper_ft.text.tokens import Segment

MAX_LINE = 1_000_000  # bytes; the words of 30 s and all other fields take a few thousand
MAX_KEYWORDS = 1000  # of a row; a prompt holds about a hundred
MAX_UNKNOWN = 50  # unknown fields of a row that are compared with the known ones
LINE_BREAKS = re.compile(r" *[\t\n\v\f\r\x85\u2028\u2029]+ *")
SURROGATE = re.compile("[\ud800-\udfff]")


class RowFields(NamedTuple):
    """The checked fields of a line. Fields that few manifests use come late: see rows.py."""

    audio: str  # as written: relative to the manifest's folder, or absolute
    text: str
    keywords: tuple[str, ...] = ()
    recording: str = ""
    prompt: str = ""
    speaker: str = ""
    duration: float | None = None
    start: float = 0.0
    end: float | None = None
    segments: tuple[Segment, ...] = ()
    channel: int | None = None
    language: str = "en"
    task: str = "transcribe"


class ParsedLine(NamedTuple):
    """The fields of a line, None if it has problems; its problems; its unknown field names."""

    fields: RowFields | None
    problems: list[str]
    unknown: set[str]


def parse_line(line: bytes, *, language: str = "en", task: str = "transcribe") -> ParsedLine:
    """Parse a line of a manifest; `language` and `task` are used where it gives none."""
    if len(line) > MAX_LINE:
        what = f"a line of more than {MAX_LINE} bytes: is it a manifest? Write one row per line"
        return ParsedLine(None, [what], set())
    try:
        given = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        what = f"not UTF-8 (byte {error.start} of the line): save the file as UTF-8"
        return ParsedLine(None, [what], set())
    except (ValueError, RecursionError) as error:
        return ParsedLine(None, [f"not JSON ({error}): write one object per line"], set())
    if isinstance(given, list):
        what = "a JSON array: write its objects one per line, without commas between them"
        return ParsedLine(None, [what], set())
    if not isinstance(given, dict):
        return ParsedLine(None, [f"{_quote(given)}: expected an object, {{...}}"], set())
    return _parse_fields(given, {"language": _language_code(language), "task": task})


def _parse_fields(given: dict[str, Any], values: dict[str, Any]) -> ParsedLine:
    """Check the fields of a line and add them to the default `values`."""
    problems: list[str] = []
    unknown: set[str] = set()
    for name, value in given.items():
        if name not in READERS:
            if len(unknown) < MAX_UNKNOWN and (close := _similar_field(name)):
                problems.append(f"unknown field {name!r}: did you mean {close!r}?")
            else:
                unknown.add(name)
            continue
        if (not value or value != value) and _is_absent(name, value):
            continue
        try:
            values[name] = READERS[name](value)
        except (ValueError, OverflowError) as error:
            problems.append(f"{name}: {_quote(value)}: {error}")
    problems += [
        f"{name}: missing: every row needs it"
        for name in ("audio", "text")
        if name not in given or _is_absent(name, given[name])
    ]
    start, end = values.get("start", 0.0), values.get("end")
    if end is not None and end <= start:
        what = f"end: {end}: not after start {start}: give seconds in the file, start before end"
        problems.append(what)
    return ParsedLine(None if problems else RowFields(**values), problems, unknown)


def _is_absent(name: str, value: Any) -> bool:
    """Return whether a value is null, NaN or empty, as pandas writes a field that a row lacks."""
    return value is None or value != value or (value == "" and name != "text")


@lru_cache
def _similar_field(name: str) -> str:
    """Return the known field that an unknown one is probably meant to be, or ""."""
    return next(iter(difflib.get_close_matches(name, READERS, n=1, cutoff=0.75)), "")


def _read_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a string: put it in quotes")
    if not value.isascii() and SURROGATE.search(value):
        raise ValueError(
            "holds half of a surrogate pair, which is no character: write the character"
        )
    return value


def _read_spoken(value: Any) -> str:
    """Read a text in which a line break or a tab, which nobody says, is a space."""
    text = _read_text(value)
    return text if text.isprintable() else LINE_BREAKS.sub(" ", text)


def _read_name(value: Any) -> str:
    if not _read_text(value):
        raise ValueError("expected a string that is not empty")
    if "\0" in value:
        raise ValueError("holds a NUL character: give a path or name without one")
    return str(value)


def _read_language(value: Any) -> str:
    return _language_code(_read_name(value))


def _language_code(tag: str) -> str:
    from whisper_ft.text.languages import language_code  # imports torch: after --help

    return language_code(tag)


def _read_seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("expected a number of seconds")
    if not math.isfinite(value) or value < 0:
        raise ValueError("expected seconds from 0 upwards")
    return float(value)


def _read_channel(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():  # pandas, if a row has none
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("expected a channel's number, from 0 upwards")
    return value


def _read_keywords(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(term, str) for term in value):
        raise ValueError("expected a list of strings")
    if len(value) > MAX_KEYWORDS:
        raise ValueError(f"holds {len(value)}, more than {MAX_KEYWORDS}: keep those in the text")
    if not all(_read_text(term).strip() for term in value):
        raise ValueError("holds an empty keyword: leave it out")
    return tuple(" ".join(term.split()) for term in value)


def _read_segments(value: Any) -> tuple[Segment, ...]:
    remedy = "expected a list of {start, end, text}, in seconds from the row's start"
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(remedy)
    segments: list[Segment] = []
    previous = 0.0
    for item in value:
        if set(item) != {"start", "end", "text"}:
            raise ValueError(f"{remedy}, found the fields {sorted(item)}")
        start, end = _read_seconds(item["start"]), _read_seconds(item["end"])
        if end < start or (segments and start < previous):
            raise ValueError(f"{start} to {end} is out of order: sort and trim them")
        segments.append(Segment(start, end, _read_spoken(item["text"])))
        previous = end
    return tuple(segments)


def _quote(value: Any) -> str:
    """Return a value as JSON, cut to 80 characters."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 80 else text[:77] + "..."


READERS: dict[str, Callable[[Any], Any]] = {
    "audio": _read_name,
    "text": _read_spoken,
    "prompt": _read_spoken,
    "keywords": _read_keywords,
    "segments": _read_segments,
    "start": _read_seconds,
    "end": _read_seconds,
    "channel": _read_channel,
    "duration": _read_seconds,
    "language": _read_language,
    "task": _read_name,
    "recording": _read_text,
    "speaker": _read_text,
}
