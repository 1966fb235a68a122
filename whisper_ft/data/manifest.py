"""Manifests: files of JSON Lines, of which rows are made when they are asked for."""

from __future__ import annotations

import errno
import math
from abc import abstractmethod
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain
from pathlib import Path
from typing import overload

from tqdm import tqdm

from whisper_ft.data.row import MAX_LINE, Problem, Row, parse_row

N_HELD = 64  # rows that are kept as objects: those around the one in work
MANY = 100_000  # rows of which to show how far one is


class _RowSequence(Sequence[Row]):
    """A sequence that needs to know only its length and how to make one row."""

    @abstractmethod
    def row(self, index: int) -> Row: ...

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


class Rows(_RowSequence):
    """Rows of a manifest. The file's bytes are kept, and of each row some 40 more; no objects.

    So a million rows take hundreds of megabytes less than as objects, and processes share them.
    """

    def __init__(self, path: Path, content: bytes, defaults: dict[str, str]) -> None:
        self.path = path
        self.content = content
        self.defaults = defaults  # of fields that a row lacks
        self.starts = array("q")  # where its line starts
        self.numbers = array("q")  # of its line, from 1
        self.follows = array("b")
        self.durations = array("d")  # seconds, as checked; NaN: what the row says
        self.stamps = array("q")  # of its audio file, as checked
        self.codes: dict[str, str] = {}  # of languages, by the names that rows give them
        self._held: dict[int, Row] = {}

    def __len__(self) -> int:
        return len(self.starts)

    def row(self, index: int) -> Row:
        if index not in self._held:
            if len(self._held) >= N_HELD:
                self._held.clear()
            self._held[index] = self._made(index)
        return self._held[index]

    def none(self) -> Rows:
        """None of the rows of the same file, to add to."""
        return Rows(self.path, self.content, self.defaults)

    def places(self) -> Iterator[str]:
        """`Row.place` of each, without making the rows."""
        return (f"{self.path}:{number}" for number in self.numbers)

    def add(
        self, start: int, number: int, follows: bool, duration: float = math.nan, stamp: int = 0
    ) -> None:
        self.starts.append(start)
        self.numbers.append(number)
        self.follows.append(follows)
        self.durations.append(duration)
        self.stamps.append(stamp)

    def _made(self, index: int) -> Row:
        start = self.starts[index]
        end = self.content.find(b"\n", start)
        line = self.content[start : end if end >= 0 else None]
        place = f"{self.path}:{self.numbers[index]}"
        row, wrong, _ = parse_row(line, self.path.parent, place, self.defaults)
        if row is None:
            raise ValueError(f"{place}: {'; '.join(wrong)}")
        checked = self.durations[index]
        return replace(
            row,
            follows=bool(self.follows[index]),
            duration=row.duration if math.isnan(checked) else checked,
            stamp=None if math.isnan(checked) else self.stamps[index],
            language=self.codes.get(row.language, row.language),
        )


class JoinedRows(_RowSequence):
    """Rows of several manifests, one after the other."""

    def __init__(self, parts: Sequence[Sequence[Row]]) -> None:
        self.parts = parts
        self.ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def row(self, index: int) -> Row:
        part = bisect_right(self.ends, index)
        return self.parts[part][index - (self.ends[part - 1] if part else 0)]


def places(rows: Sequence[Row]) -> Iterator[str]:
    """`Row.place` of each."""
    if isinstance(rows, JoinedRows):
        return chain.from_iterable(map(places, rows.parts))
    return rows.places() if isinstance(rows, Rows) else (row.place for row in rows)


def total_seconds(rows: Sequence[Row]) -> float:
    """Of audio in checked rows."""
    if isinstance(rows, JoinedRows):
        return sum(map(total_seconds, rows.parts))
    return sum(rows.durations if isinstance(rows, Rows) else (row.duration or 0.0 for row in rows))


def stamps(several: Iterable[Sequence[Row]]) -> Iterator[bytes]:
    """What tells of checked rows' audio files that they have changed since."""
    for rows in several:
        if isinstance(rows, JoinedRows):
            yield from stamps(rows.parts)
        elif isinstance(rows, Rows):
            yield rows.stamps.tobytes()
        else:
            yield repr([part.stamp for row in rows for part in row.parts or (row,)]).encode()


@dataclass
class Manifest:
    """What a file held: the rows that can be used as they stand, and what was wrong with others."""

    rows: Rows
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def read_manifest(path: str | Path, *, language: str = "en", task: str = "transcribe") -> Manifest:
    """Read a manifest; `language` and `task` are those of rows that name none.

    A row with any problem is not among the rows; nothing is raised, so that all files' problems
    can be shown at once.
    """
    path, defaults = Path(path), {"language": language, "task": task}
    try:
        if path.exists() and not path.is_file():  # /dev/zero has no end
            raise OSError(errno.EINVAL, "no plain file")
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        remedy = "give the path of a JSON Lines file"
        what = f"cannot be read ({error.strerror}): {remedy}"
        return Manifest(Rows(path, b"", defaults), [Problem(str(path), what)])
    manifest = Manifest(Rows(path, content, defaults))
    unknown: set[str] = set()
    n_read = 0
    follows = False
    for number, (start, line) in enumerate(_lines(content, path.name), start=1):
        if not line.strip():
            continue
        n_read += 1
        place = f"{path}:{number}"
        row, wrong, unknown_here = parse_row(line, path.parent, place, defaults)
        manifest.problems += [Problem(place, what) for what in wrong]
        for name in sorted(unknown_here - unknown):
            manifest.warnings.append(Problem(place, f"unknown field {name!r} is not used"))
        unknown |= unknown_here
        if row is not None:
            manifest.rows.add(start, number, follows)
        follows = row is not None
    if n_read > 1 and (other := _other_format(manifest)):
        manifest = Manifest(Rows(path, b"", defaults), [Problem(str(path), other)])
    if not n_read:
        manifest.problems.append(Problem(str(path), "holds no rows: write one JSON object a line"))
    return manifest


def _lines(content: bytes, name: str) -> Iterator[tuple[int, bytes]]:
    """(where it starts, what it holds) of each line."""
    n_lines = content.count(b"\n") + 1
    start = 0
    for _ in tqdm(range(n_lines), f"reading {name}", disable=n_lines < MANY, unit=" rows"):
        end = content.find(b"\n", start)
        end = end if end >= 0 else len(content)
        yield start, content[start : min(end, start + MAX_LINE + 1)]  # enough to be refused
        start = end + 1


def _other_format(manifest: Manifest) -> str:
    """What a file without a single line of JSON probably is, with the remedy; "" for a mixture."""
    if manifest.rows.content.split(b"\n", 1)[0].strip() == b"[":
        return "a JSON array: write its objects one a line, without commas between them"
    foreign = [p.what.startswith(("not JSON", "not UTF-8")) for p in manifest.problems]
    if foreign and all(foreign) and not manifest.rows:
        return "no line is JSON: `prepare csv` makes a manifest of a table, and there are others"
    return ""
