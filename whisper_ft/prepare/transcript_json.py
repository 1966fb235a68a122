"""Read transcripts in JSON: of whisper and of the programs that write it otherwise."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from whisper_ft.prepare.cue import Cue, RawCues
from whisper_ft.prepare.cue_text import is_unspaced
from whisper_ft.prepare.timed_cues import cut_cues
from whisper_ft.prepare.timed_words import TimedWord, split_heard
from whisper_ft.text.tokens import Segment

KINDS = (
    "whisper, WhisperX, OpenAI's API (verbose_json), faster-whisper (its segments as a list), "
    "whisper.cpp or a pipeline of transformers (chunks)"
)
MIN_WORDS = 10  # pieces of one word each that are the words of a transcript
MAX_PART_PAUSE = 0.5  # seconds between parts of a word
MAX_WORD_SECONDS = 1.0  # in the middle of them; a sentence without spaces lasts longer
NO_SEGMENTS = (
    "of OpenAI's API, request verbose_json with segments; of another program, export SRT or VTT"
)


class _Item(NamedTuple):
    """A piece of a transcript, as written."""

    start: Any  # seconds
    end: Any
    text: Any


class _Piece(NamedTuple):
    """A piece of a transcript whose values are of the right types."""

    start: float  # seconds
    end: float
    text: str


def read_transcript(path: Path, text: str) -> RawCues:
    """Return the cues of a transcript, and its language and task if it has them.

    Places number the pieces from 1. Raises ValueError for another content, naming every piece that
    cannot be read.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({error}): give a transcript of {KINDS}") from None
    reader, items = _find_items(content)
    if reader is None:
        remedy = NO_SEGMENTS if _is_plain_answer(content) else f"give one of {KINDS}"
        raise ValueError(f"{path}: no transcript with times: {remedy}")
    pieces, cues, problems = list[_Piece](), [], []
    for number, item in enumerate(items, start=1):
        place = f"{path}:segment {number}"
        try:
            piece = _check(reader(item))
            pieces.append(piece)
            cues.append(Cue(piece.start, piece.end, piece.text.strip(), place))
        except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
            problems.append(f"{place}: not a piece of a transcript ({error}): correct it")
    if problems:
        raise ValueError("\n".join(problems))
    if reader in (_read_chunk, _read_cpp) and _are_words(pieces):
        cues = list(cut_cues(_timed_words(pieces), str(path)))
    language, task = _language(content), _task(content)
    if task and language.lower() in ("en", "english"):  # that of the text, not of the speech
        language = ""
    return RawCues(cues, language, task)


def _find_items(content: Any) -> tuple[Callable[[Any], _Item] | None, Sequence[Any]]:
    """Return what reads a piece of a transcript, and the pieces."""
    if isinstance(content, list):
        return (_read_row if content and isinstance(content[0], list) else _read_segment), content
    if not isinstance(content, dict):
        return None, ()
    for key, reader in (
        ("segments", _read_segment),
        ("transcription", _read_cpp),
        ("chunks", _read_chunk),
    ):
        if isinstance(content.get(key), list):
            return reader, content[key]
    return None, ()


def _read_segment(item: Any) -> _Item:
    return _Item(item["start"], item["end"], item["text"])


def _read_row(item: Any) -> _Item:
    """Read a segment of faster-whisper that json.dumps made a list: id, seek, start, end, text."""
    return _Item(item[2], item[3], item[4])


def _read_cpp(item: Any) -> _Item:
    """Read a segment of whisper.cpp, whose offsets are milliseconds."""
    offsets = item["offsets"]
    return _Item(offsets["from"] / 1000, offsets["to"] / 1000, item["text"])


def _read_chunk(item: Any) -> _Item:
    """Read a chunk of transformers; the last one may have no end."""
    start, end = item["timestamp"]
    return _Item(start, start if end is None else end, item["text"])


def _check(item: _Item) -> _Piece:
    start, end = float(item.start), float(item.end)
    if not (0 <= start < math.inf and 0 <= end < math.inf):
        raise ValueError(f"from {start} to {end} s")
    if not isinstance(item.text, str):
        raise ValueError(f"text {item.text!r}")
    return _Piece(start, end, item.text)


def _are_words(pieces: Sequence[_Piece]) -> bool:
    """Return whether pieces are words or parts of words.

    `return_timestamps="word"` of transformers makes them, and `-ml 1` of whisper.cpp.
    """
    words = [piece for piece in pieces if piece.text.strip()]
    if len(words) < MIN_WORDS or any(len(word.text.split()) > 1 for word in words):
        return False
    seconds = statistics.median(word.end - word.start for word in words)
    return seconds < MAX_WORD_SECONDS


def _timed_words(pieces: Sequence[_Piece]) -> list[TimedWord]:
    """Return the words of pieces; one without a space before it may continue a word."""
    has_spaces = any(piece.text[:1].isspace() for piece in pieces)
    words: list[_Piece] = []
    for piece in pieces:
        text = piece.text
        is_near = bool(words) and piece.start - words[-1].end <= MAX_PART_PAUSE
        may_continue = has_spaces and not text[:1].isspace() and not is_unspaced(text[:1])
        if is_near and (may_continue or not any(map(str.isalnum, text))):
            words[-1] = words[-1]._replace(end=piece.end, text=words[-1].text + text.rstrip())
        elif text.strip():
            words.append(piece._replace(text=text.strip()))
    timed: list[TimedWord] = []
    for before, word in zip([None, *words], words, strict=False):
        parts = split_heard([Segment(*word)], by_character=is_unspaced(word.text[:1]))
        if before and timed and is_unspaced(before.text[-1:]) and is_unspaced(word.text[:1]):
            timed[-1] = timed[-1]._replace(word=timed[-1].word._replace(joined=True))
        timed += parts
    return timed


def _is_plain_answer(content: Any) -> bool:
    """Return whether a content is an answer of OpenAI's API without times."""
    return isinstance(content, dict) and isinstance(content.get("text"), str)


def _language(content: Any) -> str:
    if not isinstance(content, dict):
        return ""
    result = content.get("result")
    language = content.get("language") or (
        result.get("language") if isinstance(result, dict) else ""
    )
    return language if isinstance(language, str) else ""


def _task(content: Any) -> str:
    """Return "translate" if the text is a translation, as whisper.cpp and OpenAI's API say."""
    if not isinstance(content, dict):
        return ""
    params = content.get("params")
    is_translated = isinstance(params, dict) and params.get("translate") is True
    return "translate" if is_translated or content.get("task") == "translate" else ""
