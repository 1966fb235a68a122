"""Find rows whose audio or words another manifest contains too, such as dev rows in training."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from whisper_ft.data.row import CUT_SLACK, MAX_SECONDS, Problem, Row
from whisper_ft.text.terms import is_distinctive, normalize_text


def compare_manifests(manifests: Sequence[Sequence[Row]]) -> list[list[Problem]]:
    """Return each manifest's warnings: rows that share audio or words with earlier manifests."""
    audio_index = _AudioIndex()
    place_by_words: dict[tuple[str, str], str] = {}  # by (speaker, text)
    warnings: list[list[Problem]] = []
    for number, rows in enumerate(manifests, start=1):
        warnings.append([])
        for row in rows if number > 1 else ():
            message = _audio_warning(row, audio_index) or _text_warning(row, place_by_words)
            if message:
                warnings[-1].append(Problem(row.place, message))
        if number == len(manifests):  # nothing is compared with the last one
            break
        audio_index.add(rows)
        for row in rows:
            text = normalize_text(row.text, cased=False)
            if row.speaker or is_distinctive(text):  # anyone may say yes
                place_by_words.setdefault((row.speaker, text), row.place)
    return warnings


def _audio_warning(row: Row, audio_index: _AudioIndex) -> str:
    shared = audio_index.largest_overlap(row)
    return f"audio: {shared.seconds:.1f} s of it are also in '{shared.place}'" if shared else ""


def _text_warning(row: Row, place_by_words: dict[tuple[str, str], str]) -> str:
    text = normalize_text(row.text, cased=False)
    place = place_by_words.get((row.speaker, text), "") if text else ""
    speaker = " by the same speaker" if row.speaker else ""
    return f"text: also spoken{speaker} in '{place}'" if place else ""


class _Stretch(NamedTuple):
    """A row's part of a file."""

    start: float  # seconds in the file
    end: float
    channel: int | None
    place: str


class _Overlap(NamedTuple):
    """The part of a row's audio that another row has too."""

    seconds: float
    place: str  # of the other row


class _AudioIndex:
    """The stretches of audio files that rows contain, for finding overlaps."""

    def __init__(self) -> None:
        self._stretches: defaultdict[Path, list[_Stretch]] = defaultdict(list)  # sorted by start
        self._resolve = cache(Path.resolve)

    def add(self, rows: Sequence[Row]) -> None:
        """Add the stretches of checked rows."""
        for row in rows:
            end = row.start + (row.duration or 0.0)
            stretch = _Stretch(row.start, end, row.channel, row.place)
            self._stretches[self._resolve(row.audio)].append(stretch)
        for stretches in self._stretches.values():
            stretches.sort(key=lambda stretch: stretch.start)

    def largest_overlap(self, row: Row) -> _Overlap | None:
        """Return the largest overlap with a row of the index, None if it is within the slack."""
        stretches = self._stretches.get(self._resolve(row.audio), [])
        end = row.start + (row.duration or 0.0)
        earliest = row.start - MAX_SECONDS - CUT_SLACK
        first = bisect_left(stretches, earliest, key=lambda stretch: stretch.start)
        largest = _Overlap(CUT_SLACK, "")
        for other in map(stretches.__getitem__, range(first, len(stretches))):
            if other.start >= end:
                break
            seconds = min(end, other.end) - max(row.start, other.start)
            if None in (row.channel, other.channel) or row.channel == other.channel:
                largest = max(largest, _Overlap(seconds, other.place))
        return largest if largest.place else None
