"""Find rows whose audio or words another manifest contains too, such as dev rows in training."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from whisper_ft.data.row import CUT_SLACK, MAX_SECONDS, Problem, Row
from whisper_ft.runtime.progress import progress_bar
from whisper_ft.text.counts import format_count
from whisper_ft.text.terms import is_distinctive, normalize_text

N_FOLDERS = 1000  # whose resolved paths are remembered
MIN_ROWS_FOR_BAR = 50_000


def compare_manifests(manifests: Sequence[Sequence[Row]]) -> list[list[Problem]]:
    """Return each manifest's warnings: rows that share audio or words with earlier manifests."""
    index = _RowIndex()
    warnings: list[list[Problem]] = []
    for number, rows in enumerate(manifests, start=1):
        found = ((row, index.find(row)) for row in (rows if number > 1 else ()))
        warnings.append([Problem(row.place, str(shared)) for row, shared in found if shared])
        if number < len(manifests):  # nothing is compared with the last one
            index.add(rows)
    return warnings


def describe_shared_rows(dev: Sequence[Row], train: Sequence[Sequence[Row]]) -> str:
    """Return a warning about dev rows that are training rows too; "" if none is.

    Only the dev rows, of which there are fewer, are kept in memory.
    """
    index = _RowIndex()
    index.add(dev)
    pairs: dict[str, str] = {}  # places of dev rows, and of training rows that share with them
    n_rows = sum(map(len, train)) if dev else 0
    for row in progress_bar(
        itertools.chain.from_iterable(train) if dev else (),
        "comparing training and dev rows",
        total=n_rows,
        unit=" rows",
        hidden=n_rows < MIN_ROWS_FOR_BAR,
    ):
        for shared in index.find_all(row):
            pairs.setdefault(shared.place, row.place)
    if not pairs:
        return ""
    dev_place, train_place = next(iter(pairs.items()))
    return (
        f"--dev: {len(pairs)} of {format_count(len(dev), 'row')} share audio or words with "
        f"training rows, such as '{dev_place}' with '{train_place}': the scores will look better "
        "than they are: give other recordings (`python -m whisper_ft check TRAIN DEV` lists them)"
    )


class _Shared(NamedTuple):
    """What a row shares with another."""

    field: str
    what: str
    place: str  # of the other row

    def __str__(self) -> str:
        return f"{self.field}: {self.what} in '{self.place}'"


class _RowIndex:
    """The audio and the words of rows."""

    def __init__(self) -> None:
        self._audio = _AudioIndex()
        # By (speaker, text).
        self._places_by_words: defaultdict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, rows: Sequence[Row]) -> None:
        """Add checked rows."""
        self._audio.add(rows)
        for row in rows:
            text = normalize_text(row.text, cased=False)
            if row.speaker or is_distinctive(text):  # anyone may say yes
                self._places_by_words[row.speaker, text].append(row.place)

    def find(self, row: Row) -> _Shared | None:
        """Return what a row shares with a row of the index: its audio, or else its words."""
        return next(self.find_all(row), None)

    def find_all(self, row: Row) -> Iterator[_Shared]:
        """Yield what a row shares with each row of the index, the most audio first."""
        for overlap in sorted(self._audio.overlaps(row), reverse=True):
            yield _Shared("audio", f"{overlap.seconds:.1f} s of it are also", overlap.place)
        text = normalize_text(row.text, cased=False)
        by = " by the same speaker" if row.speaker else ""
        for place in self._places_by_words.get((row.speaker, text), ()) if text else ():
            yield _Shared("text", f"also spoken{by}", place)


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
        # Resolving asks for every folder of a path, which takes a minute for a million rows.
        self._resolve_folder = lru_cache(N_FOLDERS)(Path.resolve)

    def add(self, rows: Sequence[Row]) -> None:
        """Add the stretches of checked rows."""
        for row in rows:
            end = row.start + (row.duration or 0.0)
            stretch = _Stretch(row.start, end, row.channel, row.place)
            self._stretches[self._resolve(row.audio)].append(stretch)
        for stretches in self._stretches.values():
            stretches.sort(key=lambda stretch: stretch.start)

    def overlaps(self, row: Row) -> Iterator[_Overlap]:
        """Yield the overlaps with rows of the index that are longer than the slack."""
        stretches = self._stretches.get(self._resolve(row.audio), [])
        end = row.start + (row.duration or 0.0)
        earliest = row.start - MAX_SECONDS - CUT_SLACK
        first = bisect_left(stretches, earliest, key=lambda stretch: stretch.start)
        for other in map(stretches.__getitem__, range(first, len(stretches))):
            if other.start >= end:
                break
            seconds = min(end, other.end) - max(row.start, other.start)
            same_channel = None in (row.channel, other.channel) or row.channel == other.channel
            if seconds > CUT_SLACK and same_channel:
                yield _Overlap(seconds, other.place)

    def _resolve(self, path: Path) -> Path:
        resolved: Path = self._resolve_folder(path.parent) / path.name
        return resolved.resolve() if resolved.is_symlink() else resolved
