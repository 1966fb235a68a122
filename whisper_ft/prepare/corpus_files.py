"""Read the text files of corpora: lines, tables, and `key value` files too large for memory."""

from __future__ import annotations

import csv
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, TextIO

from whisper_ft.runtime.files import find_file_problem, text_encoding

MAX_CSV_FIELD = 10_000_000  # characters; the csv module's own limit is 131,072


SEPARATOR_LINE = re.compile(r"\s*\"?sep=(.)\"?\s*")  # the first line of some files of Excel
DELIMITERS = (",", ";", "\t", "|")


class Skipped(NamedTuple):
    """A row of a corpus that cannot become a row of a manifest."""

    place: str  # file:line
    reason: str


class Told(NamedTuple):
    """What a reader noticed or left out, while no row is lost."""

    place: str  # file:line
    message: str


class TableRecord(NamedTuple):
    """A line of a table."""

    place: str  # file:line
    values: dict[str, str]  # by column


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, line) for the lines of a text file that are not blank.

    Raises ValueError for a pipe or a device.
    """
    _check_regular(path)
    with path.open(encoding=text_encoding(path)) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line.strip()


def read_table(path: Path, delimiter: str) -> Iterator[TableRecord | Skipped | Told]:
    """Read the records of a table whose first line names the columns.

    In one with tabs or vertical bars, quotes are text unless some value needs them.
    Without a delimiter it is the one that Excel's `sep=;` names, or the one that divides the first
    line. Raises ValueError for a name that occurs twice and for a file that is not such a table.
    """
    _check_regular(path)
    csv.field_size_limit(MAX_CSV_FIELD)
    with path.open(encoding=text_encoding(path), newline="") as file:
        first_line = file.readline().rstrip("\r\n")
        n_skipped = 0
        if stated := SEPARATOR_LINE.fullmatch(first_line):
            delimiter, n_skipped, first_line = delimiter or stated[1], 1, file.readline()
        if not delimiter:
            delimiter = max(DELIMITERS, key=first_line.count)  # a comma, if none occurs
            if delimiter != ",":
                yield Told(f"{path}:{n_skipped + 1}", f"columns are divided by {delimiter!r}")
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL
        if delimiter in "\t|" and not _is_quoted(path, delimiter):
            quoting = csv.QUOTE_NONE
        file.seek(0)
        for _ in range(n_skipped):
            file.readline()
        lines = csv.reader(file, delimiter=delimiter, quoting=quoting, strict=True)
        try:
            yield from _records(path, lines, n_skipped, delimiter)
        except csv.Error as error:
            place = f"{path}:{lines.line_num + n_skipped}"
            is_open = "unexpected end" in str(error)
            what = (
                "a quote is not closed: close it" if is_open else f"{error}: is --delimiter right?"
            )
            raise ValueError(f"{place}: {what}") from None


def _is_quoted(path: Path, delimiter: str) -> bool:
    """Return whether values stand in quotes, as pandas and Excel write them where they must.

    Then a quote within is written twice. Common Voice writes quotes as they are.
    """
    with path.open(encoding=text_encoding(path), newline="") as file:
        names = file.readline().rstrip("\r\n").split(delimiter)
        if all(len(name) > 2 and name[0] == name[-1] == '"' for name in names):
            return True
        file.seek(0)
        try:
            has_breaks = _reads_with_quotes(file, delimiter, len(names))
        except csv.Error:
            return False
        file.seek(0)
        return has_breaks or _needs_quotes(file, delimiter, len(names))


def _reads_with_quotes(file: TextIO, delimiter: str, n_columns: int) -> bool:
    """Return whether a value in quotes has line breaks. Raises csv.Error if quotes are text."""
    has_breaks = False
    for values in csv.reader(file, delimiter=delimiter, strict=True):
        for value in values:
            if "\n" in value and delimiter in value:
                raise csv.Error("a quote in one row, and one in another")
            has_breaks = has_breaks or "\n" in value
        if len(_without_empty_end(values)) > n_columns:
            raise csv.Error("more values than columns")
    return has_breaks


def _needs_quotes(file: TextIO, delimiter: str, n_columns: int) -> bool:
    """Return whether a table that can be read with quotes has a value that needs them."""
    n_quoted = n_with_comma = 0
    for line in file:
        values = line.rstrip("\r\n").split(delimiter)
        if len(_without_empty_end(values)) > n_columns:  # a delimiter in quotes
            return True
        inner = [value[1:-1] for value in values if value.startswith('"') and len(value) > 1]
        if any('""' in value for value in inner):
            return True
        n_quoted += len(inner)
        n_with_comma += sum("," in value for value in inner)
    return 0 < n_quoted == n_with_comma  # Excel quotes these


def _records(
    path: Path, lines: Any, n_skipped: int, delimiter: str
) -> Iterator[TableRecord | Skipped | Told]:
    names = _without_empty_end(next(lines, []))
    if len(set(names)) < len(names):
        raise ValueError(
            f"{path}:{n_skipped + 1}: {', '.join(names)}: a name occurs twice: rename one"
        )
    for values in lines:
        place = f"{path}:{lines.line_num + n_skipped}"
        n_values = max(len(names), len(_without_empty_end(values)))
        if not values:
            continue
        if n_values > len(names) or len(values) < len(names):
            more = "more" if n_values > len(names) else "fewer"
            yield Skipped(
                place,
                f"{more} values than the {len(names)} columns: put values that contain "
                "the delimiter in quotes, or give --delimiter",
            )
            continue
        if long := next((v for v in values if "\n" in v and delimiter in v), ""):
            n_lines = len(long.splitlines())
            yield Told(place, f"a value of {n_lines} lines, {long[:40]!r}: is its quote closed?")
        yield TableRecord(place, dict(zip(names, values, strict=False)))


def _without_empty_end(values: list[str]) -> list[str]:
    """Return values without empty ones at the end, which spreadsheets write."""
    return values[: next((i for i in range(len(values), 0, -1) if values[i - 1]), 0)]


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
