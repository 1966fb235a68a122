"""Subtitles to cues: what is said from when to when, and where someone speaks unread."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pysubs2
from charset_normalizer import from_bytes
from pysubs2.formats import get_format_class

from whisper_ft.audio import MAX_SECONDS
from whisper_ft.manifest import CUT_SLACK

FORMATS = {".srt": "srt", ".vtt": "vtt", ".json": "whisper_json"}
CHARACTERS_A_SECOND = 15.0  # of speech whose cue does not tell how long it is
WORD_TIMES = re.compile(r"<(\d+:)?\d\d:\d\d\.\d{3}>")  # inside a WebVTT cue
SOUND_NOTE = re.compile(
    r"\[[^\]]*\]"  # [door slams]
    r"|\*[^*]+\*"  # *sighs*
    r"|\((?=[^)]*\w)[^a-z)]*\)"  # (DOOR SLAMS); other words in parentheses may be said
    r"|[♩♪♫♬]+|(?<!\S)#+(?=\s|$)"
)
ONLY_NOTE = re.compile(r"\s*\([^)]*\)\s*")
LABEL = re.compile(
    r"^\s*(?:(?:-|–|—|>>+)\s*)*(?:(?:[A-Z][A-Z0-9 .'’-]{0,30}|[Ss]peaker[ _]?\w{1,3}):\s+)?"
)


@dataclass(frozen=True)
class Cue:
    """A stretch of a recording and what is said in it."""

    start: float  # seconds in the file
    end: float
    text: str
    place: str  # file:line


@dataclass
class Cues:
    """Usable cues in order, none overlapping, and the stretches of speech whose words are not."""

    cues: list[Cue] = field(default_factory=list)
    holes: list[tuple[float, float]] = field(default_factory=list)
    language: str = ""  # as whisper's JSON tells it


def read_cues(
    path: Path,
    duration: float,
    tell: Callable[[str, str], None],
    *,
    encoding: str = "",
    keep_notes: bool = False,
) -> Cues:
    """The cues of an SRT, WebVTT or whisper JSON file for a recording of `duration` seconds.

    Speaker labels, styling and sound notes go, the latter two always in tags, the others unless
    `keep_notes`. Whatever is mended or left out is told as `tell(place, what)`. Raises ValueError
    for a file that is none of the three.
    """
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{path}: not {', '.join(FORMATS)}: convert it, with pysubs2 for instance")
    raw, language = _read(path, tell, encoding)
    found = Cues(language=language)
    spoken = []
    for cue in _in_order(raw, tell):
        text = " ".join(cue.text.split()) if keep_notes else without_notes(cue.text)
        if not text:
            tell(cue.place, "no words" if cue.text.strip() else "empty")
        elif cue.start >= duration:
            tell(cue.place, f"starts at {cue.start:.2f} s, after the recording's end: left out")
        elif cue.end <= cue.start:
            tell(cue.place, f"lasts {cue.end - cue.start:.2f} s: left out, with its speech")
            found.holes.append((cue.start, cue.start + len(text) / CHARACTERS_A_SECOND))
        else:
            if cue.end > duration + CUT_SLACK:
                tell(cue.place, f"ends at {cue.end:.2f} s, after the recording's end: trimmed")
            spoken.append(replace(cue, text=text, end=min(cue.end, duration)))
    fitting = list(_without_long(spoken, found.holes, tell))
    found.cues = _apart(fitting, tell)
    found.holes = [(start, min(end, duration)) for start, end in sorted(found.holes)]
    return found


def without_notes(text: str) -> str:
    """A cue's words: no speaker labels, dashes of dialogue, sound notes or notes of music."""
    lines = []
    for line in text.splitlines():
        line = SOUND_NOTE.sub(" ", LABEL.sub("", line))
        if not ONLY_NOTE.fullmatch(line):
            lines.append(LABEL.sub("", line))
    return " ".join(" ".join(lines).split())


def _read(path: Path, tell: Callable[[str, str], None], encoding: str) -> tuple[list[Cue], str]:
    """(cues as they stand, each with its line; the language that the file tells)."""
    text = _decode(path, tell, encoding)
    kind = FORMATS[path.suffix.lower()]
    if kind == "whisper_json":
        return _read_json(path, text)
    if kind == "vtt":
        text = _only_cues(WORD_TIMES.sub("", text))
    stamp = get_format_class(kind).TIMESTAMP  # type: ignore[attr-defined]
    numbers = [
        n for n, line in enumerate(text.split("\n"), start=1) if len(stamp.findall(line)) == 2
    ]
    if not numbers:
        raise ValueError(f"{path}: holds no cue, start --> end: is it {path.suffix[1:].upper()}?")
    events = pysubs2.SSAFile.from_string(text, format_=kind).events
    return [
        Cue(
            event.start / 1000, event.end / 1000, html.unescape(event.plaintext), f"{path}:{number}"
        )
        for event, number in zip(events, numbers, strict=True)
    ], ""


def _decode(path: Path, tell: Callable[[str, str], None], encoding: str) -> str:
    data = path.read_bytes()
    utf = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding or utf)
    except (UnicodeDecodeError, LookupError) as error:
        guess = None if encoding else from_bytes(data).best()
        if guess is None:
            raise ValueError(f"{path}: cannot be read as text ({error}): give --encoding") from None
        tell(str(path), f"not UTF-8: read as {guess.encoding}; give --encoding if that is wrong")
        text = str(guess)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _only_cues(text: str) -> str:
    """WebVTT with its headers, notes, styles and names of cues made empty lines.

    pysubs2 reads whatever stands after a cue's times as its words.
    """
    lines, in_cue = [], False
    for line in text.split("\n"):
        if "-->" in line:
            in_cue = True
        elif not line.strip():
            in_cue = False
        lines.append(line if in_cue else "")
    return "\n".join(lines)


def _read_json(path: Path, text: str) -> tuple[list[Cue], str]:
    """Segments of `whisper --output_format json`; places count them from 1."""
    try:
        result = json.loads(text)
        cues = [
            Cue(float(s["start"]), float(s["end"]), str(s["text"]), f"{path}:segment {number}")
            for number, s in enumerate(result["segments"], start=1)
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path}: not what `whisper --output_format json` writes ({error!r})"
        ) from None
    return cues, str(result.get("language") or "")


def _in_order(cues: list[Cue], tell: Callable[[str, str], None]) -> list[Cue]:
    for before, cue in pairwise(cues):
        if cue.start < before.start:
            tell(cue.place, f"starts at {cue.start:.2f} s, before the cue above it: sorted")
    return sorted(cues, key=lambda cue: cue.start)


def _without_long(
    cues: list[Cue], holes: list[tuple[float, float]], tell: Callable[[str, str], None]
) -> Iterator[Cue]:
    """Leave out cues that no window holds: speech to stay away from, or a caption over others."""
    for i, cue in enumerate(cues):
        if cue.end - cue.start <= MAX_SECONDS:
            yield cue
        elif i + 1 < len(cues) and cues[i + 1].start < cue.end - CUT_SLACK:
            tell(cue.place, f"lasts {cue.end - cue.start:.1f} s over other cues: left out alone")
        else:
            tell(
                cue.place,
                f"lasts {cue.end - cue.start:.1f} s, more than 30: left out, with its speech",
            )
            holes.append((cue.start, cue.end))


def _apart(cues: list[Cue], tell: Callable[[str, str], None]) -> list[Cue]:
    """Cues without overlaps: the earlier ends sooner; where half is overlapped, both are one."""
    apart: list[Cue] = []
    for cue in cues:
        overlap = apart[-1].end - cue.start if apart else 0.0
        if overlap <= 0:
            apart.append(cue)
            continue
        last = apart.pop()
        shorter = min(last.end - last.start, cue.end - cue.start)
        joined = replace(last, end=max(last.end, cue.end), text=f"{last.text} {cue.text}")
        if overlap <= shorter / 2:
            tell(cue.place, f"overlaps the cue before it by {overlap:.2f} s: that one ends sooner")
            apart += [replace(last, end=cue.start), cue]
        elif joined.end - joined.start <= MAX_SECONDS:
            tell(cue.place, f"overlaps the cue before it by {overlap:.2f} s: made one")
            apart.append(joined)
        else:
            tell(cue.place, f"overlaps the cue before it by {overlap:.2f} s: begins after it")
            apart += [last, replace(cue, start=last.end)] if cue.end > last.end else [last]
    return apart
