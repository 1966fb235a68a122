"""Read SRT, WebVTT and transcripts in JSON as written: the times, text and line of each cue."""

from __future__ import annotations

import html
import re
from itertools import pairwise
from pathlib import Path

from charset_normalizer import from_bytes

from whisper_ft.prepare.cue import Cue, RawCues
from whisper_ft.prepare.manifest_writer import Note
from whisper_ft.prepare.transcript_json import read_transcript
from whisper_ft.runtime.files import find_file_problem
from whisper_ft.text.counts import format_count

SUBTITLE_SUFFIXES = (".srt", ".vtt", ".json")
# After a colon, two digits would count frames, whose length is not known.
TIME = r"(?:([0-9]{1,4}):)?([0-9]{1,2}):([0-9]{1,2})(?:(?:[.,]|:(?=[0-9]{3}))([0-9]{1,3}))?"
TIMES = re.compile(rf"\s*{TIME}\s*-->\s*{TIME}(?:\s+(.*))?")
SECONDS = re.compile(r"[0-9][.,][0-9]+\s*-->|-->\s*[0-9]+[.,][0-9]")
DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # marks of right and left
SETTINGS = re.compile(  # of WebVTT, and coordinates of SRT
    r"(?:(?:vertical|line|position|size|align|region)\s*[:=]\s*\S+\s*|[XY][12]\s*:\s*-?\d+\s*)*",
    re.I,
)
EXACT_TIME = r"(?:[0-9]{1,4}:)?[0-9]{1,2}:[0-9]{1,2}[.,][0-9]{1,3}"  # nobody says one aloud
MISTYPED_TIMES = re.compile(rf"\s*{EXACT_TIME}[-–—=>→~\s]+{EXACT_TIME}(?:\s.*)?")
CUE_NUMBER = re.compile("[0-9]{1,9}")
LINE_BREAK = re.compile(r"<br\s*/?>", re.I)
TAG = re.compile(
    r"</?(?:[ibusp]|em|strong|small|big|su[bp]|strike|del|ins|mark|center|font|ruby|r[tp]|span|div)"
    r"""(?:\s+[a-z-]+\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s<>"'][^\s<>]*))*\s*/?>"""
    r"|<c(?:\.[^\s<>.]+)+>|</c>",
    re.I,
)
VTT_TAG = re.compile(  # classes, voices and languages, and the time of a word
    r"</?(?:[biuc]|v|lang|ruby|rt)(?:\.[^\s<>.]+)*(?:[ \t][^<>]*)?>|<[\d:.]+>"
)
RUBY = re.compile(r"<ruby\b[^<>]*>(.*?)(?:</ruby>|\Z)", re.I | re.S)
READING = re.compile(r"<r[tp]\b[^<>]*>(.*?)(?:</r[tp]>|(?=<r[tp]\b)|\Z)", re.I | re.S)  # in it
NEW_BLOCK = re.compile(r"(?:NOTE|STYLE|REGION)\b")
REFERENCE = re.compile(r"&(?:#\d+|#x[\da-f]+|\w+);", re.I)
SUBSTATION_CODE = re.compile(r"\{\\[^{}]*\}")  # {\an8}; braces may be words
SUBSTATION_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}[mnlbspc\d\s.-]*(?=\{|$)")
SUBSTATION_SPACE = re.compile(r"(?:\\[hN])+")  # hard spaces and line breaks
DRIVE = re.compile(r"\b[A-Za-z]:\\")  # of a path of Windows
# Lost characters for each other one beyond ASCII, in a file of UTF-8 with stray bytes. whisper.cpp
# parts characters in the tokens of its JSON.
MAX_DAMAGED = {".srt": 0.3, ".vtt": 0.3, ".json": 2.0}
MAX_CUE_CHARACTERS = 10_000  # half a minute of speech has a few hundred
# Encodings of old subtitles, the most common first: the first one wins a tie.
LEGACY_ENCODINGS = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
)


def read_raw_cues(path: Path, note: Note, encoding: str = "") -> RawCues:
    """Return the cues of a subtitle file in file order, and what a JSON says of all of them.

    Styling is removed. A guessed encoding is reported through `note(place, message)`. Raises
    ValueError for a file of another format, naming every line that cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in SUBTITLE_SUFFIXES:
        raise ValueError(f"{path}: not a .srt, .vtt or .json file: convert it")
    text = _decode(path, note, encoding)
    if suffix == ".json":
        return read_transcript(path, text)
    return RawCues(_read_timed_text(path, text, note, is_vtt=suffix == ".vtt"))


def _read_timed_text(path: Path, text: str, note: Note, *, is_vtt: bool) -> list[Cue]:
    """Read SRT or WebVTT."""
    lines = [DIRECTION.sub("", li) if "-->" in li else li for li in text.split("\n")]
    starts = _cue_starts(path, lines)
    cues, problems = [], []
    for line_index, next_index in pairwise([*starts, None]):
        assert line_index is not None
        place = f"{path}:{line_index + 1}"
        start, end, same_line = _parse_times(lines[line_index])
        body = "\n".join([*same_line, _cue_body(lines, line_index, next_index, is_vtt)])
        if len(body) > MAX_CUE_CHARACTERS:
            problems.append(
                f"{place}: a cue of {len(body)} characters: is this a subtitle file? "
                f"A cue may have {MAX_CUE_CHARACTERS}"
            )
            continue
        body, readings = _without_readings(body)
        if readings:
            note(place, f"{readings!r}: removed: shows how the characters before it are read")
        try:
            cues.append(Cue(start, end, _remove_styling(body, is_vtt=is_vtt), place, body))
        except ValueError:  # a character reference with thousands of digits
            problems.append(
                f"{place}: contains a character reference such as &#65; whose number is too "
                "large: correct it"
            )
    if problems:
        raise ValueError("\n".join(problems))
    return cues


def _cue_starts(path: Path, lines: list[str]) -> list[int]:
    """Return the indices of the lines with a cue's times; raise ValueError for unreadable ones."""
    unreadable = [
        index
        for index, line in enumerate(lines)
        if not TIMES.fullmatch(line)
        and (("-->" in line and _may_be_times(lines, index)) or MISTYPED_TIMES.fullmatch(line))
    ]
    if unreadable:
        remedy = "write start --> end as 00:01:02,500 --> 00:01:04,000, and an arrow in a text as →"
        raise ValueError(
            "\n".join(
                f"{path}:{index + 1}: {lines[index][:60]!r}: {remedy}" for index in unreadable
            )
        )
    starts = [index for index, line in enumerate(lines) if TIMES.fullmatch(line)]
    if not starts:
        file_format = path.suffix[1:].upper()
        raise ValueError(f"{path}: contains no cue (start --> end): is it {file_format}?")
    return starts


def _may_be_times(lines: list[str], index: int) -> bool:
    """Return whether a line with an arrow is meant as times, or stands where times stand."""
    above = lines[index - 1].strip() if index else ""
    has_times = any(colon in lines[index] for colon in ":：") or SECONDS.search(lines[index])
    return bool(has_times or CUE_NUMBER.fullmatch(above))


def _without_readings(text: str) -> tuple[str, str]:
    """Return a text without the readings of its ruby, and these."""
    readings: list[str] = []

    def keep(match: re.Match[str]) -> str:
        readings.append(TAG.sub("", match[1]))
        return ""

    plain = RUBY.sub(lambda ruby: READING.sub(keep, ruby[1]), text)
    return plain, "".join(readings)


def _cue_body(lines: list[str], line_index: int, next_index: int | None, is_vtt: bool) -> str:
    """Return the text of the cue whose times are on a line; `next_index` is None for the last."""
    following = lines[line_index + 1 : next_index]
    body = _up_to_blank_line(following) if is_vtt else following
    if is_vtt and body == following and next_index and len(body) > 1 and not body[-2].strip():
        return "\n".join(body[:-2])  # the last line names the next cue
    if body == following:
        own_number = _last_line_above(lines, line_index)
        body = _without_next_number(body, own_number, is_last=next_index is None)
    return "\n".join(body)


def _last_line_above(lines: list[str], end: int) -> str:
    """Return the last line before an index that is not blank."""
    return next((lines[i].strip() for i in range(end - 1, -1, -1) if lines[i].strip()), "")


def _parse_times(line: str) -> tuple[float, float, list[str]]:
    """Return the start and the end of a cue, and its text as far as it stands on the same line."""
    match = TIMES.fullmatch(line)
    assert match is not None
    *parts, rest = match.groups()
    start, end = (
        int(h or 0) * 3600 + int(m) * 60 + int(s) + float(f"0.{f or 0}")
        for h, m, s, f in (parts[:4], parts[4:])
    )
    return start, end, [] if not rest or SETTINGS.fullmatch(rest) else [rest]


def _up_to_blank_line(lines: list[str]) -> list[str]:
    """Return a WebVTT cue's lines: notes, styles and cue names come after an empty line.

    A line of one space ends nothing, unless a note or a style follows it. A segment of a stream
    begins with a header of its own.
    """
    for i, line in enumerate(lines):
        follows_space = i and not lines[i - 1].strip()
        if not line or line.strip() == "WEBVTT" or (follows_space and NEW_BLOCK.match(line)):
            return lines[:i]
    return lines


def _without_next_number(lines: list[str], own_number: str, *, is_last: bool) -> list[str]:
    """Return the lines between a cue's times and the next cue's, without the next cue's number.

    The number stands right above the next cue's times. If blank lines separate the two, or if the
    file is cut off after the number, a number counts only if it follows this cue's own number and
    is a paragraph of its own.
    """
    kept = lines[: next((i for i in range(len(lines), 0, -1) if lines[i - 1].strip()), 0)]
    if not kept or not CUE_NUMBER.fullmatch(kept[-1].strip()):
        return kept
    follows = CUE_NUMBER.fullmatch(own_number) and int(kept[-1]) == int(own_number) + 1
    is_paragraph = len(kept) > 1 and not kept[-2].strip()
    right_above = len(kept) == len(lines) and not is_last
    return kept[:-1] if right_above or (follows and is_paragraph) else kept


def _remove_styling(text: str, *, is_vtt: bool) -> str:
    """Return a text without tags and without SubStation codes, which SRT files also have."""
    text = TAG.sub("", LINE_BREAK.sub("\n", text))
    if is_vtt:
        text = VTT_TAG.sub("", text)
    plain = SUBSTATION_CODE.sub("", SUBSTATION_DRAWING.sub("", text))
    if plain != text and not DRIVE.search(plain):  # else a backslash may be one of a path
        plain = SUBSTATION_SPACE.sub(" ", plain)
    return REFERENCE.sub(lambda match: html.unescape(match[0]), plain)


def _decode(path: Path, note: Note, encoding: str) -> str:
    """Decode a file as `encoding`, by its byte order mark, as UTF-8 or as a guessed encoding."""
    if problem := find_file_problem(path):
        raise ValueError(f"{path}: {problem}: give a subtitle file")
    data = path.read_bytes()
    unicode_encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding or unicode_encoding)
    except (UnicodeDecodeError, LookupError) as error:
        text = "" if encoding else _decode_damaged(path, data, note) or _guess(path, data, note)
        if not text:
            raise ValueError(f"{path}: cannot be read as text ({error}): give --encoding") from None
    return re.sub(r"\r+\n|\r", "\n", text.removeprefix("\ufeff"))


def _decode_damaged(path: Path, data: bytes, note: Note) -> str:
    """Return a text in UTF-8 with a few stray bytes, each as U+FFFD; "" for another encoding."""
    text = data.decode("utf-8-sig", errors="replace")
    n_lost = text.count("\ufffd")
    n_others = sum(not character.isascii() for character in text) - n_lost
    suffix = path.suffix.lower()
    if n_lost > MAX_DAMAGED[suffix] * n_others:
        return ""
    if suffix != ".json":  # where a lost character may be of no cue
        line = text[: text.index("\ufffd")].count("\n") + 1
        what = format_count(n_lost, "character")
        note(str(path), f"{what} that cannot be decoded in UTF-8, the first in line {line}")
    return text


def _guess(path: Path, data: bytes, note: Note) -> str:
    """Return a text in a guessed encoding, told; "" if none fits."""
    # some editors put a UTF-8 mark before text in another encoding
    unmarked = data.removeprefix(b"\xef\xbb\xbf")
    guesses = list(from_bytes(unmarked, cp_isolation=[*LEGACY_ENCODINGS]))
    if not guesses:
        return ""
    best = guesses[0]
    ties = [g for g in guesses if (g.chaos, g.coherence) == (best.chaos, best.coherence)]
    best = min(ties, key=lambda guess: LEGACY_ENCODINGS.index(guess.encoding))
    text = str(best)
    example = next((word for word in text.split() if not word.isascii()), "")
    note(
        str(path),
        f"not UTF-8: read as {best.encoding} ({example!r}): give --encoding if that is wrong",
    )
    return text
