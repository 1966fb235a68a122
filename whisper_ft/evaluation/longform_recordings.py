"""Make long recordings of rows, and choose a few minutes of them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence

from whisper_ft.data.packing import join_rows
from whisper_ft.data.row import MAX_SECONDS, Row
from whisper_ft.text.counts import format_count

SPEAKER_SECONDS = 240.0  # of speech of one speaker that is joined where no row has a recording


def longform_recordings(rows: Sequence[Row], *, max_seconds: float = math.inf) -> list[Row]:
    """Join rows to recordings of at most `max_seconds`, or of one row that is longer.

    Consecutive rows of a recording are joined. If no row names a recording, the rows of a speaker
    are, to recordings of at most `SPEAKER_SECONDS`. Silence that is part of no recording, and rows
    with neither recording nor speaker, stay alone. Rows must be checked, because their durations
    are needed.
    """
    if any(row.recording for row in rows):
        return _join(rows, max_seconds)
    groups: dict[object, list[Row]] = {}
    for number, row in enumerate(rows):
        is_speech = row.speaker and row.text.strip()
        key = (row.speaker, row.language, row.task) if is_speech else number
        groups.setdefault(key, []).append(row)
    limit = min(max_seconds, SPEAKER_SECONDS)
    return [
        recording for group in groups.values() for recording in _join(group, limit, of_speaker=True)
    ]


def describe_recordings(rows: Sequence[Row], recordings: Sequence[Row]) -> str:
    """Return a line on how rows became recordings, and whether any shows previous text."""
    line = f"{format_count(len(rows), 'row')} -> {format_count(len(recordings), 'recording')}"
    if not any(row.recording for row in rows):
        line += " (no row has a `recording`: those of one `speaker` are joined)"
    n_long = sum((recording.duration or 0.0) > MAX_SECONDS for recording in recordings)
    if n_long:
        return f"{line}, {n_long} longer than one window of {MAX_SECONDS:g} s"
    return (
        f"{line}, none longer than one window of {MAX_SECONDS:g} s, so that nothing shows previous "
        "text: give rows `recording`, and write those of one recording in order"
    )


def draw_recordings(recordings: Sequence[Row], total_seconds: float, seed: int) -> list[int]:
    """Draw recordings with speech, of at most `total_seconds` together, and return their indices.

    Recordings of more than one window come first, because only they have previous text. At least
    one recording is drawn if any has speech.
    """
    order = [i for i, recording in enumerate(recordings) if recording.text.strip()]
    random.Random(f"recordings {seed}").shuffle(order)
    order.sort(key=lambda i: (recordings[i].duration or 0.0) <= MAX_SECONDS)
    drawn: list[int] = []
    seconds = 0.0
    for i in order:
        duration = recordings[i].duration or 0.0
        if not drawn or seconds + duration <= total_seconds:
            drawn.append(i)
            seconds += duration
    return sorted(drawn)


def _join(rows: Iterable[Row], max_seconds: float, *, of_speaker: bool = False) -> list[Row]:
    """Join rows that continue each other, or all rows if they are of one speaker."""
    joined: list[Row] = []
    previous: Row | None = None
    for row in rows:
        if previous is not None and (of_speaker or row.continues(previous)):
            longer = join_rows(joined[-1], row)
            if (longer.duration or 0.0) <= max_seconds:
                joined[-1], previous = longer, row
                continue
        joined.append(row)
        previous = row
    return joined
