"""Cues to windows as Whisper was pre-trained on them (Whisper paper, section 2.1 and 2.3)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from whisper.tokenizer import Tokenizer

from whisper_ft.data.row import MAX_SECONDS, is_within
from whisper_ft.prepare.cues import Cues
from whisper_ft.prepare.raw_cues import Cue
from whisper_ft.text.tokens import MAX_FIRST_TIMESTAMP, MAX_NEW_TOKENS, Segment, encode_text

MIN_SILENCE = 2.0  # seconds of a window without speech
MARGIN = 0.5  # seconds after speech and before it that are not called silence
SILENCE_RATE = 0.1  # of silent windows kept, as in the paper


class Window(NamedTuple):
    """A stretch of at most 30 s of a recording."""

    start: float  # seconds in the file
    end: float
    segments: tuple[Segment, ...]  # seconds from its start; the last may end after it
    island: int  # windows of one island are each other's previous text

    @property
    def text(self) -> str:
        """The words of the segments that are heard whole; nothing is silence."""
        seconds = self.end - self.start
        return " ".join(s.text for s in self.segments if is_within(s.end or 0.0, seconds))


def windows(
    found: Cues, duration: float, rng: random.Random, tokenizer: Tokenizer
) -> Iterator[Window]:
    """The windows of a recording of `duration` seconds, in order.

    A window begins where the one before ended or at the start of the segment that its end cut; a
    silence of more than a second before the first words stays outside, and a tenth of such silence
    becomes windows without text. One whose text is more than decoding writes, in the tokenizer's
    ids, ends sooner. No window touches speech whose words were left out: what lies between two such
    holes is an island.
    """
    start, first = 0.0, 0
    for island, (hole_start, hole_end) in enumerate([*found.holes, (duration, duration)]):
        here = [cue for cue in found.cues[first:] if is_within(cue.end, hole_start)]
        if hole_start > start:
            yield from _island(here, start, hole_start, island, rng, tokenizer)
        first += len(here)
        start = max(start, hole_end)


def _island(
    cues: Sequence[Cue],
    start: float,
    end: float,
    island: int,
    rng: random.Random,
    tokenizer: Tokenizer,
) -> Iterator[Window]:
    i, begins = 0, start
    spoken_until = start  # MARGIN keeps silence away from it
    while i < len(cues):
        first = cues[i].start
        if first - begins > MAX_FIRST_TIMESTAMP:
            yield from _silence(spoken_until, begins, first, island, rng)
            begins = round(first - rng.uniform(0.0, MAX_FIRST_TIMESTAMP), 3)
        if cues[i].end > begins + MAX_SECONDS:
            begins = first  # a cue of nearly 30 s leaves no room before it
        ends = min(begins + MAX_SECONDS, end)
        n_whole = sum(is_within(cue.end, ends) for cue in cues[i:])
        n_written = _n_written(cues[i : i + n_whole], tokenizer)
        if n_written < n_whole:
            n_whole, ends = n_written, cues[i + n_written].start
        cut = [cue for cue in cues[i + n_whole : i + n_whole + 1] if cue.start < ends]
        segments = tuple(
            Segment(round(cue.start - begins, 3), round(cue.end - begins, 3), cue.text)
            for cue in (*cues[i : i + n_whole], *cut)
        )
        yield Window(round(begins, 3), round(ends, 3), segments, island)
        i += n_whole
        spoken_until = cues[i - 1].end
        begins = cut[0].start if cut else max(ends, spoken_until)
    # subtitles may end before the speech does
    yield from _silence(spoken_until, begins, min(end, begins + MAX_SECONDS), island, rng)


def _n_written(cues: Sequence[Cue], tokenizer: Tokenizer) -> int:
    """How many of some cues, one at least, decoding writes with their times, and one time more."""
    n_ids = accumulate(len(encode_text(tokenizer, cue.text)) + 2 for cue in cues)
    return max(1, sum(n < MAX_NEW_TOKENS for n in n_ids))


def _silence(
    spoken_until: float, begins: float, ends: float, island: int, rng: random.Random
) -> Iterator[Window]:
    """A tenth of the windows that a silence fills; `ends` is where speech begins again."""
    start, end = max(begins, spoken_until + MARGIN), ends - MARGIN
    while end - start >= MIN_SILENCE:
        until = min(start + MAX_SECONDS, end)
        if rng.random() < SILENCE_RATE:
            yield Window(round(start, 3), round(until, 3), (), island)
        start = until
