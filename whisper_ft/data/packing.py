"""Short rows joined into windows of up to 30 s: fewer encoder passes, and long-form training."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise

from whisper.tokenizer import Tokenizer

from whisper_ft.data.keyword_prompts import MAX_PROMPT_TOKENS
from whisper_ft.data.row import MAX_SECONDS, Row, is_within
from whisper_ft.text.terms import reveals_text, term_count
from whisper_ft.text.tokens import (
    MAX_NEW_TOKENS,
    Segment,
    encode_prompt,
    encode_segments,
    is_unspaced,
)

MIN_CUT = 0.2  # seconds of a cut row in a window, at least
MAX_PAUSE = 1.0  # seconds between rows of one file that are heard with them; longer ones are not


def pack(
    rows: Sequence[Row], by: str, tokenizer_of: Callable[..., Tokenizer], seed: int
) -> list[Row]:
    """Rows joined while they fit into 30 s, 224 new tokens and, with their prompts, 223.

    `by` "recording" joins rows that follow each other in one; the beginning of the row after them
    fills the window, as a segment that is cut, and that row begins the next. "speaker" joins random
    rows of one speaker; rows that name none stay as they are; none belongs to a recording any more.
    Silence stays as it is. Rows must be checked ones, which know their durations.
    """
    if by == "recording":
        windows = list(_windows(rows, tokenizer_of, Row.continues))
        filled = []
        for window, after in pairwise([*windows, None]):
            if window is not None:
                cut = _cut_into(window, after)
                tokenizer = tokenizer_of(language=window.language, task=window.task)
                filled.append(cut if _fits(cut, tokenizer) else window)
        return filled
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


def summary(rows: Sequence[Row], packed: Sequence[Row]) -> str:
    """What packing did, in a line."""
    seconds = sum(row.duration or 0.0 for row in packed)
    return (
        f"packed {len(rows)} rows into {len(packed)} windows: {len(rows) / len(packed):.1f} rows "
        f"and {seconds / len(packed):.1f} s a window, {1 - len(packed) / len(rows):.0%} fewer "
        "encoder passes an epoch"
    )


def _windows(
    rows: Iterable[Row],
    tokenizer_of: Callable[..., Tokenizer],
    may_join: Callable[[Row, Row], bool],
) -> Iterator[Row]:
    """Each row joined to those before it where it may be, and fits."""
    window = before = None
    for row in rows:
        joined: Row | None = None
        if window and before and _takes_more(window) and row.text.strip() and may_join(row, before):
            joined = join(window, row)
        if joined and _fits(joined, tokenizer_of(language=row.language, task=row.task)):
            window = joined
        else:
            if window:
                yield window
            window = row
        before = row
    if window:
        yield window


def _takes_more(window: Row) -> bool:
    """Whether anything may follow: nothing does after a cut segment, and words not after silence.

    They would begin later than decoding can write a first timestamp.
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


def _cut_into(window: Row, after: Row | None) -> Row:
    """A window filled up to 30 s with the beginning of the row after it, where that follows.

    So `transcribe` hears a long recording, and so the paper's windows end (section 2.3).
    """
    last = (window.parts or (window,))[-1]
    first = (after.parts or (after,))[0] if after else None
    if first is None or not first.continues(last) or not _takes_more(window):
        return window
    room = MAX_SECONDS - (window.duration or 0.0) - _pause(last, first)
    segment = first.resolved_segments(first.duration or 0.0)[0]
    whole = segment.end is not None and is_within(segment.end, room)
    if not segment.text.strip() or whole or room - segment.start < MIN_CUT:
        return window
    beginning = replace(
        first,
        text="",
        prompt="",
        keywords=(),
        segments=(Segment(segment.start, None, ""),),
        end=first.start + room,
        duration=room,
    )
    return replace(join(window, beginning), place=window.place)


def join(window: Row, row: Row) -> Row:
    """One row of two, the second right after the first or after the pause between them.

    Where the first is a window that cuts a segment with which the second begins, it ends there.
    """
    *earlier, last = window.parts or (window,)
    if pause := _pause(last, row):
        seconds = (last.duration or 0.0) + pause
        last = replace(last, end=last.start + seconds, duration=seconds)
    offset = (window.duration or 0.0) + pause
    before = _spoken(window, 0.0, offset)
    space = "" if is_unspaced(row.language, row.task) else " "
    return replace(
        window,
        text=space.join(filter(None, (window.text.strip(), row.text.strip()))),
        prompt=" ".join(filter(None, (window.prompt, _new_prompt(window, row)))),
        keywords=tuple(dict.fromkeys((*window.keywords, *row.keywords))),
        segments=(
            *(segment for segment in before if segment.end is not None),
            *_spoken(row, offset, row.duration or 0.0),
        ),
        end=None,
        duration=offset + (row.duration or 0.0),
        parts=(*earlier, last, row),
        place=f"{(window.parts or (window,))[0].place} and {len(earlier) + 1} more",
    )


def _new_prompt(window: Row, row: Row) -> str:
    """A row's prompt, unless the window has it, or it is text that the window says itself."""
    said = [part.text for part in window.parts or (window,)]
    known = (
        term_count(row.prompt, window.prompt, cased=False)
        or reveals_text(window.text, row.prompt)
        or any(reveals_text(row.prompt, text) for text in said)
    )
    return "" if known else row.prompt


def _pause(last: Row, row: Row) -> float:
    """Seconds between two rows of one recording that are heard with them.

    Below 0 where the first one's window reaches into the second, which begins with the segment
    that it cuts.
    """
    if not row.recording:
        return 0.0
    seconds = last.duration or 0.0
    if (last.audio, last.channel) != (row.audio, row.channel):
        return last.resolved_segments(seconds)[-1].start - seconds if _is_cut(last) else 0.0
    pause = row.start - (last.start + seconds)
    return pause if last.start < row.start and pause <= MAX_PAUSE else 0.0


def _spoken(row: Row, offset: float, seconds: float) -> list[Segment]:
    """A row's segments with text, or cut, `offset` later; none begins or ends after `seconds`."""
    return [
        Segment(
            min(start, seconds) + offset, None if end is None else min(end, seconds) + offset, text
        )
        for start, end, text in row.resolved_segments(row.duration or 0.0)
        if text.strip() or end is None
    ]
