"""Draw rows to evaluate of which none fails: audio may be damaged in its middle.

The checks before a run do not read every file to its end. A training row that cannot be read is
found when it is drawn (`data.dataset.Examples.stand_ins`); a row to evaluate would stop every
evaluation, so those few are read before the first step.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from whisper_ft.data.dataset import RowError, read_row_audio, row_error
from whisper_ft.data.row import Row
from whisper_ft.evaluation.conditions import PromptedRows

LOGGER = logging.getLogger("whisper_ft")


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
    readable: set[str] = set()  # places of rows that were read already
    while True:
        drawn = draw(rows)
        unreadable: dict[str, str] = {}  # error by place
        for row in _parts(drawn.rows):
            if row.place in readable:
                continue
            try:
                read_row_audio(row, timestamps=True)
                readable.add(row.place)
            except RowError as unread:
                unreadable[row.place] = str(unread)
            except Exception as unexpected:
                raise row_error(row.place, unexpected) from None
        if not unreadable:
            return drawn
        if not skip_bad_rows:
            raise ValueError("\n".join(unreadable.values()))
        for error in unreadable.values():
            LOGGER.info(f"left out: {error}")
        rows = _without(rows, unreadable)


def _parts(rows: Sequence[Row]) -> Iterator[Row]:
    for row in rows:
        yield from row.parts or (row,)


def _without(rows: Sequence[Row], places: Collection[str]) -> list[Row]:
    kept, follows = list[Row](), True
    for row in rows:
        if row.place not in places:
            kept.append(row if follows else replace(row, follows=False))
        follows = row.place not in places
    return kept
