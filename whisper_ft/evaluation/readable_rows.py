"""Read the audio of rows before they are decoded: it may be damaged in its middle.

The checks of a manifest prove how long each file is, and do not read it to its end. A training row
that cannot be read is found when it is drawn (`data.dataset.Examples.stand_ins`). Rows to evaluate
are few, and one that fails would end the evaluation after hours.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from whisper_ft.data.dataset import RowError, read_row_audio, row_error
from whisper_ft.data.row import Row
from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.runtime.progress import progress_bar

LOGGER = logging.getLogger("whisper_ft")
MIN_ROWS_FOR_BAR = 500


def check_readable(several: Iterable[PromptedRows]) -> None:
    """Raise ValueError with all rows whose audio cannot be read."""
    readable: set[str] = set()  # places
    errors = [e for drawn in several for e in _find_unreadable(drawn.rows, readable).values()]
    if errors:
        raise ValueError("\n".join(dict.fromkeys(errors)))


def draw_readable(
    rows: Sequence[Row],
    draw: Callable[[Sequence[Row]], PromptedRows],
    *,
    skip_bad_rows: bool,
) -> PromptedRows:
    """Return `draw(rows)`, whose audio can all be read.

    With `skip_bad_rows` they are drawn again without rows that cannot be read, which are logged; no
    row follows one that is left out. Otherwise raises ValueError with all of these.
    """
    readable: set[str] = set()  # places
    while unreadable := _find_unreadable((drawn := draw(rows)).rows, readable):
        if not skip_bad_rows:
            raise ValueError("\n".join(unreadable.values()))
        for error in unreadable.values():
            LOGGER.info(f"left out: {error}")
        rows = _without(rows, unreadable)
    return drawn


def _find_unreadable(rows: Sequence[Row], readable: set[str]) -> dict[str, str]:
    """Return the error of each row, or part of a row, that cannot be read, by its place.

    Places known to be `readable` are not read, and those that turn out so are added to them.
    """
    parts = [part for row in rows for part in row.parts or (row,) if part.place not in readable]
    unreadable: dict[str, str] = {}
    hidden = len(parts) < MIN_ROWS_FOR_BAR
    for row in progress_bar(parts, "reading audio", hidden=hidden, unit="row", leave=False):
        try:
            read_row_audio(row, timestamps=True)
            readable.add(row.place)
        except RowError as unread:
            unreadable[row.place] = str(unread)
        except Exception as unexpected:
            raise row_error(row.place, unexpected) from None
    return unreadable


def _without(rows: Sequence[Row], places: Collection[str]) -> list[Row]:
    kept, follows = list[Row](), True
    for row in rows:
        if row.place not in places:
            kept.append(row if follows else replace(row, follows=False))
        follows = row.place not in places
    return kept
