"""Cut a subtitled recording into 30 s windows as in pre-training (Whisper paper, 2.1 and 2.3)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from whisper.tokenizer import Tokenizer

from whisper_ft.data.row import MAX_SECONDS, is_within
from whisper_ft.prepare.cue import Cue, Gap
from whisper_ft.prepare.cues import UsableCues
from whisper_ft.text.tokens import MAX_FIRST_TIMESTAMP, MAX_NEW_TOKENS, Segment, encode_text

MIN_SILENCE = 2.0  # seconds of a window without speech
MARGIN = 0.5  # seconds after and before speech that do not count as silence
SILENCE_RATE = 0.1  # of silent windows that are kept, as in the paper


class Window(NamedTuple):
    """A stretch of at most 30 s of a recording."""

    start: float  # seconds in the file
    end: float
    segments: tuple[Segment, ...]  # seconds from the window's start; the last may end after it
    section: int  # counts the stretches between gaps; windows of one section may be previous text

    @property
    def text(self) -> str:
        """The words of the segments that lie in the window as a whole; "" for silence."""
        seconds = self.end - self.start
        return " ".join(s.text for s in self.segments if is_within(s.end or 0.0, seconds))


@dataclass(frozen=True)
class _Section:
    """A stretch of a recording between two gaps, with its cues."""

    number: int
    start: float  # seconds in the file
    end: float
    cues: Sequence[Cue]


def cut_windows(
    usable: UsableCues, duration: float, rng: random.Random, tokenizer: Tokenizer
) -> Iterator[Window]:
    """Yield the windows of a recording of `duration` seconds, in order.

    A window begins where the previous one ended, or at the start of the segment that the previous
    window's end cut. Silence of more than a second before the first words stays outside, and a
    tenth of such silence becomes windows without text. A window ends sooner if its text has more
    tokens, by the tokenizer, than decoding can write. No window overlaps a gap.
    """
    for section in _split_at_gaps(usable, duration):
        yield from _cut_section(section, rng, tokenizer)


def _split_at_gaps(usable: UsableCues, duration: float) -> Iterator[_Section]:
    start, first = 0.0, 0
    for number, gap in enumerate([*usable.gaps, Gap(duration, duration)]):
        cues = [cue for cue in usable.cues[first:] if is_within(cue.end, gap.start)]
        if gap.start > start:
            yield _Section(number, start, gap.start, cues)
        first += len(cues)
        start = max(start, gap.end)


def _cut_section(section: _Section, rng: random.Random, tokenizer: Tokenizer) -> Iterator[Window]:
    cues, i = section.cues, 0
    start = section.start  # of the next window
    speech_end = section.start  # MARGIN keeps silence away from it
    while i < len(cues):
        first_start = cues[i].start
        if first_start - start > MAX_FIRST_TIMESTAMP:
            yield from _silent_windows(speech_end, start, first_start, section.number, rng)
            start = round(first_start - rng.uniform(0.0, MAX_FIRST_TIMESTAMP), 3)
        if cues[i].end > start + MAX_SECONDS:
            start = first_start  # a cue of nearly 30 s has no room for silence before it
        end = min(start + MAX_SECONDS, section.end)
        n_whole = sum(is_within(cue.end, end) for cue in cues[i:])
        n_decodable = _n_decodable(cues[i : i + n_whole], tokenizer)
        if n_decodable < n_whole:
            n_whole, end = n_decodable, cues[i + n_decodable].start
        cut_cues = [cue for cue in cues[i + n_whole : i + n_whole + 1] if cue.start < end]
        segments = tuple(
            Segment(round(cue.start - start, 3), round(cue.end - start, 3), cue.text)
            for cue in (*cues[i : i + n_whole], *cut_cues)
        )
        yield Window(round(start, 3), round(end, 3), segments, section.number)
        i += n_whole
        speech_end = cues[i - 1].end
        start = cut_cues[0].start if cut_cues else max(end, speech_end)
    # subtitles may end before the speech does: at most one silent window after them
    last_end = min(section.end, start + MAX_SECONDS)
    yield from _silent_windows(speech_end, start, last_end, section.number, rng)


def _n_decodable(cues: Sequence[Cue], tokenizer: Tokenizer) -> int:
    """Return how many cues, at least one, decoding can write with their times and one time more."""
    n_tokens = accumulate(len(encode_text(tokenizer, cue.text)) + 2 for cue in cues)
    return max(1, sum(n < MAX_NEW_TOKENS for n in n_tokens))


def _silent_windows(
    speech_end: float, start: float, next_speech: float, section: int, rng: random.Random
) -> Iterator[Window]:
    """Yield a tenth of the windows between the end of speech and the next speech."""
    start, end = max(start, speech_end + MARGIN), next_speech - MARGIN
    while end - start >= MIN_SILENCE:
        window_end = min(start + MAX_SECONDS, end)
        if rng.random() < SILENCE_RATE:
            yield Window(round(start, 3), round(window_end, 3), (), section)
        start = window_end
