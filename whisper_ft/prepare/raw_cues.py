"""SRT, WebVTT and whisper's JSON as they stand: times, text, and the line of each cue."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pysubs2
from charset_normalizer import from_bytes

FORMATS = (".srt", ".vtt", ".json")
TIME = r"(?:([0-9]{1,4}):)?([0-9]{1,2}):([0-9]{1,2})(?:[.,:]([0-9]{1,3}))?"
TIMES = re.compile(rf"\s*{TIME}\s*-->\s*{TIME}(?:\s.*)?")
EXACT = r"(?:[0-9]{1,4}:)?[0-9]{1,2}:[0-9]{1,2}[.,][0-9]{1,3}"  # a time that nobody says
MISTYPED = re.compile(rf"\s*{EXACT}[-–—=>→~\s]+{EXACT}(?:\s.*)?")
COUNT = re.compile("[0-9]{1,9}")
BREAK = re.compile(r"<br\s*/?>", re.I)
TAG = re.compile(
    r"</?(?:[ibusc]|em|strong|font|v|lang|ruby|rt|span)(?:[. ][^<>]*)?>|<[\d:.]+>", re.I
)
MAX_CUE = 10_000  # characters; half a minute of speech has some hundred
# What old subtitles are in; among equals the first, in which most of them are.
LEGACY = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
)

Tell = Callable[[str, str], None]


@dataclass(frozen=True)
class Cue:
    """A stretch of a recording and what is said in it."""

    start: float  # seconds in the file
    end: float
    text: str
    place: str  # file:line


def read_raw_cues(path: Path, tell: Tell, encoding: str = "") -> tuple[list[Cue], str]:
    """(cues in the file's order, without styling; the language that whisper's JSON tells).

    Raises ValueError for a file that is none of the three, naming each line that is at fault.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"{path}: not {', '.join(FORMATS)}: convert it, with pysubs2 for instance")
    text = _decode(path, tell, encoding)
    if suffix == ".json":
        return _read_json(path, text)
    lines = text.split("\n")
    starts = [i for i, line in enumerate(lines) if "-->" in line]
    wrong = [
        i
        for i, line in enumerate(lines)
        if (not TIMES.fullmatch(line) if "-->" in line else MISTYPED.fullmatch(line))
    ]
    if wrong:
        remedy = "write start --> end as 00:01:02,500 --> 00:01:04,000"
        raise ValueError("\n".join(f"{path}:{i + 1}: {lines[i][:60]!r}: {remedy}" for i in wrong))
    if not starts:
        raise ValueError(f"{path}: holds no cue, start --> end: is it {suffix[1:].upper()}?")
    cues, odd = [], []
    for i, following in zip(starts, [*starts[1:], None], strict=True):
        place = f"{path}:{i + 1}"
        start, end = _seconds(lines[i])
        between = lines[i + 1 : following]
        body = _up_to_blank(between) if suffix == ".vtt" else between
        if body == between:
            body = _uncounted(body, _line_above(lines, i), following is None)
        text = "\n".join(body)
        if len(text) > MAX_CUE:
            odd.append(f"{place}: a cue of {len(text)} characters: is it a subtitle?")
            continue
        try:
            cues.append(Cue(start, end, _plain(text), place))
        except ValueError:  # of a character's number, in thousands of digits
            odd.append(f"{place}: names a character by a number that none has: correct it")
    if odd:
        raise ValueError("\n".join(odd))
    return cues, ""


def _line_above(lines: list[str], end: int) -> str:
    """The last line before a place that is not empty."""
    return next((lines[i].strip() for i in range(end - 1, -1, -1) if lines[i].strip()), "")


def _seconds(line: str) -> tuple[float, float]:
    found = TIMES.fullmatch(line)
    assert found is not None
    parts = found.groups()
    start, end = (
        int(h or 0) * 3600 + int(m) * 60 + int(s) + float(f"0.{f or 0}")
        for h, m, s, f in (parts[:4], parts[4:])
    )
    return start, end


def _up_to_blank(lines: list[str]) -> list[str]:
    """A WebVTT cue's lines: notes, styles and names of cues come after an empty one.

    Captions that roll up begin with a line of one space.
    """
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    ends = (i for i, line in enumerate(lines) if not line or (i > first and not line.strip()))
    return lines[: next(ends, len(lines))]


def _uncounted(lines: list[str], own: str, is_last: bool) -> list[str]:
    """A cue's lines up to the next cue's times, without the number that counts that cue.

    It stands right above those times; where empty lines part them, or the file is cut off after
    it, only a number that follows this cue's own, in a paragraph of its own, is one.
    """
    kept = lines[: next((i for i in range(len(lines), 0, -1) if lines[i - 1].strip()), 0)]
    if not kept or not COUNT.fullmatch(kept[-1].strip()):
        return kept
    follows = COUNT.fullmatch(own) and int(kept[-1]) == int(own) + 1
    apart = len(kept) > 1 and not kept[-2].strip()
    right_above = len(kept) == len(lines) and not is_last
    return kept[:-1] if right_above or (follows and apart) else kept


def _plain(text: str) -> str:
    """A text without styling: pysubs2 takes out that of SubStation, which is in SRT files too."""
    event = pysubs2.SSAEvent(text=TAG.sub("", BREAK.sub("\n", text)).replace("\n", "\\N"))
    return html.unescape(event.plaintext)


def _decode(path: Path, tell: Tell, encoding: str) -> str:
    data = path.read_bytes()
    utf = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding or utf)
    except (UnicodeDecodeError, LookupError) as error:
        marked = data.removeprefix(b"\xef\xbb\xbf")  # by an editor that took it for UTF-8
        guesses = [] if encoding else list(from_bytes(marked, cp_isolation=list(LEGACY)))
        if not guesses:
            raise ValueError(f"{path}: cannot be read as text ({error}): give --encoding") from None
        best = guesses[0]
        alike = [g for g in guesses if (g.chaos, g.coherence) == (best.chaos, best.coherence)]
        best = min(alike, key=lambda guess: LEGACY.index(guess.encoding))
        text = str(best)
        strange = next((word for word in text.split() if not word.isascii()), "")
        guessed = f"not UTF-8: read as {best.encoding} ({strange!r})"
        tell(str(path), f"{guessed}; give --encoding if that is wrong")
    return re.sub(r"\r+\n|\r", "\n", text.removeprefix("\ufeff"))


def _read_json(path: Path, text: str) -> tuple[list[Cue], str]:
    """Segments of `whisper --output_format json`; places count them from 1."""
    what = "not what `whisper --output_format json` writes"
    try:
        result = json.loads(text)
        segments = list(result["segments"])
        language = result.get("language") or ""
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{path}: {what} ({error!r})") from None
    cues, wrong = [], []
    for number, segment in enumerate(segments, start=1):
        place = f"{path}:segment {number}"
        try:
            start, end = float(segment["start"]), float(segment["end"])
            if not (0 <= start < math.inf and 0 <= end < math.inf):
                raise ValueError(f"from {start} to {end} s")
            if not isinstance(segment["text"], str):
                raise ValueError(f"text {segment['text']!r}")
            cues.append(Cue(start, end, segment["text"].strip(), place))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            wrong.append(f"{place}: {what} ({error}): correct it")
    if wrong:
        raise ValueError("\n".join(wrong))
    return cues, language if isinstance(language, str) else ""
