"""Read transcripts in JSON: of whisper and of the programs that write it otherwise."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from whisper_ft.prepare.cue import Cue
from whisper_ft.prepare.timed_cues import cut_cues
from whisper_ft.prepare.timed_words import split_heard
from whisper_ft.text.tokens import Segment

KINDS = (
    "whisper, WhisperX, OpenAI's API (verbose_json), faster-whisper (its segments as a list), "
    "whisper.cpp or a pipeline of transformers (chunks)"
)
MIN_WORDS = 10  # chunks of one word each that are the words of a transcript


class _Item(NamedTuple):
    """A piece of a transcript, as written."""

    start: Any  # seconds
    end: Any
    text: Any


def read_transcript(path: Path, text: str) -> tuple[list[Cue], str]:
    """Return the cues of a transcript, and its language if it has one.

    Places number the pieces from 1. Raises ValueError for another content, naming every piece that
    cannot be read.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({error}): give a transcript of {KINDS}") from None
    reader, items = _find_items(content)
    if reader is None:
        remedy = "request verbose_json" if _is_plain_answer(content) else f"give one of {KINDS}"
        raise ValueError(f"{path}: no transcript with times: {remedy}")
    cues, problems = [], []
    for number, item in enumerate(items, start=1):
        place = f"{path}:segment {number}"
        try:
            cues.append(_to_cue(reader(item), place))
        except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
            problems.append(f"{place}: not a piece of a transcript ({error}): correct it")
    if problems:
        raise ValueError("\n".join(problems))
    if reader is _read_chunk and _are_words(cues):
        cues = list(_join_words(cues, str(path)))
    return cues, _language(content)


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


def _to_cue(item: _Item, place: str) -> Cue:
    start, end = float(item.start), float(item.end)
    if not (0 <= start < math.inf and 0 <= end < math.inf):
        raise ValueError(f"from {start} to {end} s")
    if not isinstance(item.text, str):
        raise ValueError(f"text {item.text!r}")
    return Cue(start, end, item.text.strip(), place)


def _are_words(cues: Sequence[Cue]) -> bool:
    """Return whether chunks are words, as `return_timestamps="word"` makes them."""
    return len(cues) >= MIN_WORDS and all(len(cue.text.split()) <= 1 for cue in cues)


def _join_words(cues: Sequence[Cue], place: str) -> Iterator[Cue]:
    words = [Segment(cue.start, cue.end, cue.text) for cue in cues if cue.text]
    return cut_cues(split_heard(words, by_character=False), place)


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
