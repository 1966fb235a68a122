"""Segments for training rows that have none: those that the model before training would write.

A row without segments is one segment. Trained on these, a model learns to write one segment per
window, which spoils captions and makes `transcribe` skip and loop in long recordings.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from whisper.model import Whisper

from whisper_ft.data.row import ONE_SEGMENT_SECONDS, Problem, Row
from whisper_ft.data.rows import SegmentedRows
from whisper_ft.data.segment_cache import SegmentCache
from whisper_ft.prepare.row_segments import find_row_segments
from whisper_ft.runtime.files import segment_cache_path
from whisper_ft.text.counts import format_count
from whisper_ft.text.tokens import Segment
from whisper_ft.training.plan import SetupError

LOGGER = logging.getLogger("whisper_ft")
ROWS_AT_ONCE = 5_000  # that are objects in memory
MAX_NAMED = 5  # rows without segments in a warning


def add_segments(
    rows: Sequence[Row],
    stock: Whisper,
    amp_dtype: torch.dtype | None,
    *,
    skip_bad_rows: bool = False,
) -> Sequence[Row]:
    """Return the rows with segments where they have none, found once and remembered.

    Short rows stay as they are, and so do rows whose text the model cannot write. `amp_dtype` is
    the precision of the run. Raises SetupError with the rows whose audio cannot be read; with
    `skip_bad_rows` these are only logged.
    """
    wanted = [i for i, row in enumerate(rows) if lacks_segments(row)]
    if not wanted:
        return rows
    LOGGER.info(
        f"{format_count(len(wanted), 'row')} of {ONE_SEGMENT_SECONDS:g} s or more without "
        "segments: the model before training divides them, once (--segments off leaves this out)"
    )
    cache = SegmentCache(segment_cache_path())
    found: dict[int, tuple[Segment, ...]] = {}
    problems: list[Problem] = []
    unreadable: list[Problem] = []
    for start in range(0, len(wanted), ROWS_AT_ONCE):
        indices = wanted[start : start + ROWS_AT_ONCE]
        some = find_row_segments(stock, [rows[i] for i in indices], cache, amp_dtype)
        found |= {indices[i]: segments for i, segments in some.segments.items()}
        problems += some.problems
        unreadable += some.unreadable
    if unreadable and not skip_bad_rows:
        remedy = "--skip-bad-rows leaves out the rows whose audio is damaged"
        raise SetupError([remedy, *map(str, unreadable)])
    for problem in unreadable:
        LOGGER.info(f"left out: {problem}")
    n_segments = format_count(sum(map(len, found.values())), "segment")
    LOGGER.info(f"{format_count(len(found), 'row')} divided into {n_segments}")
    if problems:
        named = "\n".join(f"{problem.place}: {problem.what}" for problem in problems[:MAX_NAMED])
        LOGGER.warning(
            f"no segments were found in {format_count(len(problems), 'row')}, which will be one "
            f"segment each:\n{named}"
        )
    return SegmentedRows(rows, found)


def lacks_segments(row: Row) -> bool:
    """Return whether a row has a text, but none of its own segments."""
    return bool(row.text.strip()) and not row.knows_segments
