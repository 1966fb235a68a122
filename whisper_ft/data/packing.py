"""Pack short rows into windows of up to 30 s: fewer encoder passes, and long-form training."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise

from whisper.tokenizer import Tokenizer

from whisper_ft.data.keyword_prompts import MAX_PROMPT_TOKENS
from whisper_ft.data.row import MAX_SECONDS, Row, is_within
from whisper_ft.text.counts import format_count
from whisper_ft.text.terms import reveals_text, term_count
from whisper_ft.text.tokens import (
    MAX_NEW_TOKENS,
    Segment,
    encode_prompt,
    encode_segments,
    is_unspaced,
)

MIN_CUT = 0.2  # seconds of a cut row in a window, at least
MAX_PAUSE = 1.0  # seconds between rows of one file; a window leaves out longer pauses


def pack_rows(
    rows: Sequence[Row], by: str, tokenizer_of: Callable[..., Tokenizer], seed: int
) -> list[Row]:
    """Join rows while they fit into 30 s, 224 new tokens and, with their prompts, 223.

    "recording" joins rows that follow each other in a recording. The start of the next row fills
    the window as a cut segment, and that row starts the next window. "speaker" joins random rows
    of one speaker and removes their recordings; rows without a speaker stay single. Silence stays
    single. Rows must be checked, because their durations are needed.
    """
    if by == "recording":
        return list(_recording_windows(rows, tokenizer_of))
    keys = [(row.speaker, row.language, row.task) if row.text.strip() else ("",) for row in rows]
    packed = []
    for key, group in groupby(sorted(range(len(rows)), key=keys.__getitem__), keys.__getitem__):
        chosen = [replace(rows[i], recording="") for i in group]
        if not key[0]:
            packed += chosen
            continue
        random.Random(f"pack {seed} {key}").shuffle(chosen)
        packed += _windows(chosen, tokenizer_of, lambda row, before: row.style == before.style)
    return packed


def format_packing(rows: Sequence[Row], packed: Sequence[Row]) -> str:
    """Return a line on the effect of packing."""
    seconds = sum(row.duration or 0.0 for row in packed)
    counts = f"{format_count(len(rows), 'row')} into {format_count(len(packed), 'window')}"
    return (
        f"packed {counts}: {len(rows) / len(packed):.1f} rows and {seconds / len(packed):.1f} s "
        f"per window, {1 - len(packed) / len(rows):.0%} fewer encoder passes per epoch"
    )


def _recording_windows(
    rows: Sequence[Row], tokenizer_of: Callable[..., Tokenizer]
) -> Iterator[Row]:
    """Yield windows of rows that follow each other, filled with the start of the next row."""
    windows = list(_windows(rows, tokenizer_of, Row.continues))
    for window, following in pairwise([*windows, None]):
        if window is not None:
            filled = _fill_window(window, following)
            tokenizer = tokenizer_of(language=window.language, task=window.task)
            yield filled if _fits(filled, tokenizer) else window


def _windows(
    rows: Iterable[Row],
    tokenizer_of: Callable[..., Tokenizer],
    may_join: Callable[[Row, Row], bool],
) -> Iterator[Row]:
    """Yield windows: each row is joined to those before it if it may be and fits."""
    window = before = None
    for row in rows:
        joined: Row | None = None
        if window and before and _accepts(window, row) and may_join(row, before):
            joined = join_rows(window, row)
        if joined and _fits(joined, tokenizer_of(language=row.language, task=row.task)):
            window = joined
        else:
            if window:
                yield window
            window = row
        before = row
    if window:
        yield window


def _accepts(window: Row, row: Row) -> bool:
    """Return whether a row may be joined to a window; silence may not."""
    return _can_grow(window) and bool(row.text.strip())


def _can_grow(window: Row) -> bool:
    """Return whether a row may follow: none follows a cut segment or silence.

    After silence the text would start later than decoding can write a first timestamp.
    """
    return bool(window.text.strip()) and not _is_cut(window)


def _is_cut(row: Row) -> bool:
    return row.resolved_segments(row.duration or 0.0)[-1].end is None


def _fits(window: Row, tokenizer: Tokenizer) -> bool:
    segments = window.resolved_segments(window.duration or 0.0)
    return (
        (window.duration or 0.0) <= MAX_SECONDS
        and all(segment.end is not None for segment in segments[:-1])
        and len(encode_segments(tokenizer, segments)) <= MAX_NEW_TOKENS
        and len(encode_prompt(tokenizer, window.prompt)) <= MAX_PROMPT_TOKENS
    )


def _fill_window(window: Row, following: Row | None) -> Row:
    """Fill a window up to 30 s with the start of the next row, if that continues it.

    `transcribe` cuts a long recording like this, and so do the paper's windows (section 2.3).
    """
    last = (window.parts or (window,))[-1]
    first = (following.parts or (following,))[0] if following else None
    if first is None or not first.continues(last) or not _can_grow(window):
        return window
    free_seconds = MAX_SECONDS - (window.duration or 0.0) - _pause(last, first)
    segment = first.resolved_segments(first.duration or 0.0)[0]
    whole = segment.end is not None and is_within(segment.end, free_seconds)
    if not segment.text.strip() or whole or free_seconds - segment.start < MIN_CUT:
        return window
    cut = replace(
        first,
        text="",
        prompt="",
        keywords=(),
        segments=(Segment(segment.start, None, ""),),
        end=first.start + free_seconds,
        duration=free_seconds,
    )
    return replace(join_rows(window, cut), place=window.place)


def join_rows(window: Row, row: Row) -> Row:
    """Join two rows: the second starts right after the first, or after the pause between them.

    If the first is a window that cuts a segment, and the second starts with that segment, the
    first ends where the segment starts.
    """
    *earlier, last = window.parts or (window,)
    if pause := _pause(last, row):
        seconds = (last.duration or 0.0) + pause
        last = replace(last, end=last.start + seconds, duration=seconds)
    offset = (window.duration or 0.0) + pause
    before = _shifted_segments(window, 0.0, offset)
    space = "" if is_unspaced(row.language, row.task) else " "
    return replace(
        window,
        text=space.join(filter(None, (window.text.strip(), row.text.strip()))),
        prompt=" ".join(filter(None, (window.prompt, _new_prompt(window, row)))),
        keywords=tuple(dict.fromkeys((*window.keywords, *row.keywords))),
        segments=(
            *(segment for segment in before if segment.end is not None),
            *_shifted_segments(row, offset, row.duration or 0.0),
        ),
        end=None,
        duration=offset + (row.duration or 0.0),
        parts=(*earlier, last, row),
        place=f"{(window.parts or (window,))[0].place} and {len(earlier) + 1} more",
    )


def _new_prompt(window: Row, row: Row) -> str:
    """Return a row's prompt, or "" if the window's prompt or text contains it."""
    texts = [part.text for part in window.parts or (window,)]
    known = (
        term_count(row.prompt, window.prompt, cased=False)
        or reveals_text(window.text, row.prompt)
        or any(reveals_text(row.prompt, text) for text in texts)
    )
    return "" if known else row.prompt


def _pause(last: Row, row: Row) -> float:
    """Return the seconds of audio between two rows of a recording that a window keeps.

    They are negative if the audio of the first row reaches into the second, which starts with the
    segment that the first one cuts.
    """
    if not row.recording:
        return 0.0
    seconds = last.duration or 0.0
    if (last.audio, last.channel) != (row.audio, row.channel):
        return last.resolved_segments(seconds)[-1].start - seconds if _is_cut(last) else 0.0
    pause = row.start - (last.start + seconds)
    return pause if last.start < row.start and pause <= MAX_PAUSE else 0.0


def _shifted_segments(row: Row, offset: float, seconds: float) -> list[Segment]:
    """Return a row's segments with text and its cut one, within `seconds`, moved by `offset`."""
    return [
        Segment(
            min(start, seconds) + offset, None if end is None else min(end, seconds) + offset, text
        )
        for start, end, text in row.resolved_segments(row.duration or 0.0)
        if text.strip() or end is None
    ]
