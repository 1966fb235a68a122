"""Read the text files of corpora: lines, tables, and `key value` files too large for memory."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from whisper_ft.runtime.files import find_file_problem

MAX_CSV_FIELD = 10_000_000  # characters; the csv module's own limit is 131,072


class Skipped(NamedTuple):
    """A row of a corpus that cannot become a row of a manifest."""

    place: str  # file:line
    reason: str


class TableRecord(NamedTuple):
    """A line of a table."""

    place: str  # file:line
    values: dict[str, str]  # by column


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, line) for the lines of a text file that are not blank.

    Raises ValueError for a pipe or a device.
    """
    _check_regular(path)
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line.strip()


def read_table(path: Path, delimiter: str) -> Iterator[TableRecord | Skipped]:
    """Yield the records of a table whose first line names the columns; a TSV has no quotes.

    Raises ValueError for a name that occurs twice and for a file that is not such a table.
    """
    _check_regular(path)
    csv.field_size_limit(MAX_CSV_FIELD)
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter, quoting=quoting, strict=True)
        names = reader.fieldnames or []
        if len(set(names)) < len(names):
            raise ValueError(f"{path}:1: {', '.join(names)}: a name occurs twice: rename one")
        try:
            for values in reader:
                place = f"{path}:{reader.line_num}"
                if None in values or None in values.values():
                    more = "more" if None in values else "fewer"
                    yield Skipped(
                        place,
                        f"{more} values than the {len(names)} columns: put values that contain "
                        "the delimiter in quotes, or give --delimiter",
                    )
                else:
                    yield TableRecord(place, values)
        except csv.Error as error:
            raise ValueError(f"{path}:{reader.line_num}: {error}: is --delimiter right?") from None


def _check_regular(path: Path) -> None:
    """Raise ValueError for a pipe or a device; opening a folder or no file says so itself."""
    if path.exists() and not path.is_dir() and (problem := find_file_problem(path)):
        raise ValueError(f"{path}: {problem}: copy its content to a file")


class KeyValueFile:
    """Look up values in a file of `key value` lines, in a temporary database on disk.

    Corpora can have millions of lines. A file that does not exist has no values.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect("")  # a temporary file
        self._database.execute(
            "CREATE TABLE pairs (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID"
        )
        if path.exists():
            parts = (line.split(None, 1) for _, line in read_lines(path))
            pairs = (pair for pair in parts if len(pair) == 2)
            self._database.executemany("REPLACE INTO pairs VALUES (?, ?)", pairs)

    def get(self, key: str) -> str:
        """Return a key's value; "" for an unknown key."""
        query = "SELECT value FROM pairs WHERE key = ?"
        result = self._database.execute(query, (key,)).fetchone()
        return str(result[0]) if result else ""

    def close(self) -> None:
        """Delete the database."""
        self._database.close()
