"""Rows of manifests in little memory: kept packed, and unpacked when they are accessed."""

from __future__ import annotations

import marshal
import math
from abc import abstractmethod
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, NamedTuple, overload

from whisper_ft.data.packed_terms import PackedTerms
from whisper_ft.data.row import Row, Style, Writing, text_style, written_language
from whisper_ft.data.row_parsing import RowFields
from whisper_ft.text.tokens import Segment

N_RECENT = 64  # rows that stay unpacked: one example accesses few rows, many times
N_PACKED = RowFields._fields.index("language")  # this field and those after it are in RowKind
KEYWORDS = RowFields._fields.index("keywords")
DEFAULTS = tuple(RowFields._field_defaults.get(name) for name in RowFields._fields)


class RowKind(NamedTuple):
    """The fields that many rows of a manifest share, stored once."""

    language: str  # Whisper's code
    task: str
    style: Style


class RowTable:
    """The parsed lines of a manifest in a few buffers, without a Python object per row.

    Reading the buffers changes no reference counts in them, so forked workers share their memory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path.parent  # relative paths of audio start here
        self.line_numbers = array("I")  # from 1
        self.kinds: list[RowKind] = []
        self.kind_numbers = array("I")  # index into kinds
        self.n_keywords = array("H")  # that the manifest gives
        self.found_keywords: PackedTerms | None = None  # in place of those of the manifest
        self._packed = bytearray()
        self._ends = array("q", [0])  # in _packed; a row starts where the one before it ends
        self._known_kinds: dict[RowKind, int] = {}

    def append(self, fields: RowFields, line_number: int) -> int:
        """Add a row and return its number in the table."""
        kind = RowKind(fields.language, fields.task, text_style(fields.text))
        if kind not in self._known_kinds:
            self._known_kinds[kind] = len(self.kinds)
            self.kinds.append(kind)
        self.line_numbers.append(line_number)
        self.kind_numbers.append(self._known_kinds[kind])
        self.n_keywords.append(len(fields.keywords))
        self._packed += _pack(fields)
        self._ends.append(len(self._packed))
        return len(self.line_numbers) - 1

    def __getitem__(self, number: int) -> RowFields:
        """Unpack a row's fields."""
        fields = _unpack(self._bytes(number), self.kinds[self.kind_numbers[number]])
        if self.found_keywords is None:
            return fields
        return fields._replace(keywords=self.found_keywords[number])

    def keywords(self, number: int) -> tuple[str, ...]:
        """Return a row's keywords; rows without any are not unpacked."""
        if self.found_keywords is not None:
            return self.found_keywords[number]
        if not self.n_keywords[number]:
            return ()
        keywords: tuple[str, ...] = marshal.loads(self._bytes(number))[KEYWORDS]
        return keywords

    def _bytes(self, number: int) -> bytearray:
        return self._packed[self._ends[number] : self._ends[number + 1]]


def _pack(fields: RowFields) -> bytes:
    """Serialise fields, without the defaults at their end."""
    n = N_PACKED
    while fields[n - 1] is DEFAULTS[n - 1]:
        n -= 1
    if fields.segments:  # marshal takes no named tuples
        plain: Any = tuple(map(tuple, fields.segments))
        fields = fields._replace(segments=plain)
    return marshal.dumps(fields[:n])


def _unpack(packed: bytearray, kind: RowKind) -> RowFields:
    # marshal is safe here: the bytes were made by this process, or by the one that started it
    values = marshal.loads(packed)
    defaults = DEFAULTS[len(values) : N_PACKED]
    fields = RowFields._make((*values, *defaults, kind.language, kind.task))
    if fields.segments:
        return fields._replace(segments=tuple(Segment(*segment) for segment in fields.segments))
    return fields


class RowSequence(Sequence[Row]):
    """A sequence of rows that are made when accessed, with cheap access to what prompts need."""

    @abstractmethod
    def row(self, index: int) -> Row: ...

    @abstractmethod
    def writing(self, index: int) -> Writing:
        """`Row.writing` of a row."""

    @abstractmethod
    def keywords(self, index: int) -> tuple[str, ...]:
        """`Row.keywords` of a row."""

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self.row(i) for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        return self.row(index % len(self))


class Rows(RowSequence):
    """Rows of one manifest: some of a table's, with what a check of their audio found."""

    def __init__(self, table: RowTable) -> None:
        self.table = table
        self.numbers = array("I")  # in the table
        self.follows = array("b")  # see Row.follows
        self.durations = array("d")  # seconds; NaN: not checked
        self.stamps = array("q")  # of audio files; 0: not checked
        self._writings: dict[int, Writing] = {}  # by the number of the row's kind
        self._recent: dict[int, Row] = {}

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, number: int, *, follows: bool) -> None:
        """Add a row of the table, unchecked."""
        self.add_checked(number, follows=follows, duration=math.nan, stamp=0)

    def add_checked(self, number: int, *, follows: bool, duration: float, stamp: int) -> None:
        """Add a row of the table with its duration in seconds and the stamp of its file."""
        kind_number = self.table.kind_numbers[number]
        if kind_number not in self._writings:
            kind = self.table.kinds[kind_number]
            written = written_language(kind.language, kind.task)
            self._writings[kind_number] = Writing(written, kind.style)
        self.numbers.append(number)
        self.follows.append(follows)
        self.durations.append(duration)
        self.stamps.append(stamp)

    def row(self, index: int) -> Row:
        if index not in self._recent:
            if len(self._recent) >= N_RECENT:
                self._recent.clear()
            self._recent[index] = self._unpacked(index)
        return self._recent[index]

    def writing(self, index: int) -> Writing:
        return self._writings[self.table.kind_numbers[self.numbers[index]]]

    def keywords(self, index: int) -> tuple[str, ...]:
        return self.table.keywords(self.numbers[index])

    def places(self) -> Iterator[str]:
        """`Row.place` of each row, without unpacking the rows."""
        return (f"{self.table.path}:{self.table.line_numbers[number]}" for number in self.numbers)

    def _unpacked(self, index: int) -> Row:
        table, number, duration = self.table, self.numbers[index], self.durations[index]
        fields, checked = table[number], not math.isnan(duration)
        return Row(
            audio=table.root / fields.audio,
            text=fields.text,
            prompt=fields.prompt,
            keywords=fields.keywords,
            segments=fields.segments,
            start=fields.start,
            end=fields.end,
            channel=fields.channel,
            duration=duration if checked else fields.duration,
            language=fields.language,
            task=fields.task,
            recording=fields.recording,
            speaker=fields.speaker,
            place=f"{table.path}:{table.line_numbers[number]}",
            follows=bool(self.follows[index]),
            stamp=self.stamps[index] if checked else None,
        )


class SegmentedRows(RowSequence):
    """Rows of which some have segments that their manifest does not give."""

    def __init__(self, rows: Sequence[Row], segments: Mapping[int, Sequence[Segment]]) -> None:
        self.rows = rows
        self._packed = {  # as in RowTable, for little memory
            index: marshal.dumps(tuple(map(tuple, some))) for index, some in segments.items()
        }

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, index: int) -> Row:
        row = self.rows[index]
        if index not in self._packed:
            return row
        segments = (Segment(*fields) for fields in marshal.loads(self._packed[index]))
        return replace(row, segments=tuple(segments))

    def writing(self, index: int) -> Writing:
        return row_writing(self.rows, index)

    def keywords(self, index: int) -> tuple[str, ...]:
        return row_keywords(self.rows, index)


class JoinedRows(RowSequence):
    """The rows of several manifests, one manifest after the other."""

    def __init__(self, parts: Sequence[Sequence[Row]]) -> None:
        self.parts = parts
        self.ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def row(self, index: int) -> Row:
        part, index = self._locate(index)
        return part[index]

    def writing(self, index: int) -> Writing:
        return row_writing(*self._locate(index))

    def keywords(self, index: int) -> tuple[str, ...]:
        return row_keywords(*self._locate(index))

    def _locate(self, index: int) -> tuple[Sequence[Row], int]:
        """Return the part that holds a row, and the row's index in it."""
        part = bisect_right(self.ends, index)
        return self.parts[part], index - (self.ends[part - 1] if part else 0)


def row_writing(rows: Sequence[Row], index: int) -> Writing:
    """Return `rows[index].writing`, without making the row where possible."""
    return rows.writing(index) if isinstance(rows, RowSequence) else rows[index].writing


def row_keywords(rows: Sequence[Row], index: int) -> tuple[str, ...]:
    """Return `rows[index].keywords`, without making the row where possible."""
    return rows.keywords(index) if isinstance(rows, RowSequence) else rows[index].keywords


def row_places(rows: Sequence[Row]) -> Iterator[str]:
    """Yield `Row.place` of each row."""
    if isinstance(rows, SegmentedRows):
        return row_places(rows.rows)
    if isinstance(rows, JoinedRows):
        return chain.from_iterable(map(row_places, rows.parts))
    return rows.places() if isinstance(rows, Rows) else (row.place for row in rows)


def total_seconds(rows: Sequence[Row]) -> float:
    """Return the seconds of audio in checked rows."""
    if isinstance(rows, SegmentedRows):
        return total_seconds(rows.rows)
    if isinstance(rows, JoinedRows):
        return sum(map(total_seconds, rows.parts))
    return sum(rows.durations if isinstance(rows, Rows) else (row.duration or 0.0 for row in rows))


def audio_stamps(several: Iterable[Sequence[Row]]) -> Iterator[bytes]:
    """Yield bytes that change when an audio file of these checked rows changes."""
    for rows in several:
        if isinstance(rows, SegmentedRows):
            yield from audio_stamps([rows.rows])
        elif isinstance(rows, JoinedRows):
            yield from audio_stamps(rows.parts)
        elif isinstance(rows, Rows):
            yield rows.stamps.tobytes()
        else:
            yield repr([part.stamp for row in rows for part in row.parts or (row,)]).encode()
