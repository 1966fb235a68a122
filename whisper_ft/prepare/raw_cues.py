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
TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})(?:[.,:](\d{1,3}))?"
TIMES = re.compile(rf"\s*{TIME}\s*-->\s*{TIME}(?:\s.*)?")
TAG = re.compile(
    r"</?(?:[ibusc]|em|strong|font|v|lang|ruby|rt|span)(?:[. ][^>]*)?>|<[\d:.]+>", re.I
)
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
    wrong = [i for i in starts if not TIMES.fullmatch(lines[i])]
    if wrong:
        remedy = "write start --> end as 00:01:02,500 --> 00:01:04,000"
        raise ValueError("\n".join(f"{path}:{i + 1}: {lines[i][:60]!r}: {remedy}" for i in wrong))
    if not starts:
        raise ValueError(f"{path}: holds no cue, start --> end: is it {suffix[1:].upper()}?")
    body = _vtt_body if suffix == ".vtt" else _srt_body
    cues = []
    for i, following in zip(starts, [*starts[1:], None], strict=True):
        start, end = _seconds(lines[i])
        words = _plain("\n".join(body(lines[i + 1 : following], following is None)))
        cues.append(Cue(start, end, words, f"{path}:{i + 1}"))
    return cues, ""


def _seconds(line: str) -> tuple[float, float]:
    found = TIMES.fullmatch(line)
    assert found is not None
    parts = found.groups()
    start, end = (
        int(h or 0) * 3600 + int(m) * 60 + int(s) + float(f"0.{f or 0}")
        for h, m, s, f in (parts[:4], parts[4:])
    )
    return start, end


def _srt_body(lines: list[str], is_last: bool) -> list[str]:
    """A cue's lines: those up to the next cue's times, but for the number right above these."""
    return lines if is_last or not lines or not lines[-1].strip().isdigit() else lines[:-1]


def _vtt_body(lines: list[str], is_last: bool) -> list[str]:
    """A cue's lines: those up to an empty one; notes, styles and names of cues come after it."""
    return lines[: lines.index("")] if "" in lines else lines


def _plain(text: str) -> str:
    """A text without styling: pysubs2 takes out that of SubStation, which is in SRT files too."""
    event = pysubs2.SSAEvent(text=TAG.sub("", text).replace("\n", "\\N"))
    return html.unescape(event.plaintext)


def _decode(path: Path, tell: Tell, encoding: str) -> str:
    data = path.read_bytes()
    utf = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding or utf)
    except (UnicodeDecodeError, LookupError) as error:
        guesses = [] if encoding else list(from_bytes(data, cp_isolation=list(LEGACY)))
        if not guesses:
            raise ValueError(f"{path}: cannot be read as text ({error}): give --encoding") from None
        best = guesses[0]
        alike = [g for g in guesses if (g.chaos, g.coherence) == (best.chaos, best.coherence)]
        best = min(alike, key=lambda guess: LEGACY.index(guess.encoding))
        text = str(best)
        strange = next((word for word in text.split() if not word.isascii()), "")
        guessed = f"not UTF-8: read as {best.encoding} ({strange!r})"
        tell(str(path), f"{guessed}; give --encoding if that is wrong")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read_json(path: Path, text: str) -> tuple[list[Cue], str]:
    """Segments of `whisper --output_format json`; places count them from 1."""
    what = "not what `whisper --output_format json` writes"
    try:
        result = json.loads(text)
        segments = result["segments"]
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
            cues.append(Cue(start, end, _plain(segment["text"]), place))
        except (ValueError, TypeError, KeyError) as error:
            wrong.append(f"{place}: {what} ({error}): correct it")
    if wrong:
        raise ValueError("\n".join(wrong))
    return cues, language if isinstance(language, str) else ""
