"""Time the words of a text by those heard in a recording, and find what does not agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from whisper_ft.text.alignment import Block, Word, align_words, split_words
from whisper_ft.text.tokens import Segment

MAX_SUBSTITUTED = 4  # words of a disagreement inside speech that agrees; the text is right there
MAX_UNHEARD = 2  # words of the text without any heard in their place: a longer stretch is doubtful
MIN_AGREEING = 8  # words of a stretch to be kept; fewer may agree by chance
MIN_AGREEMENT = 0.7  # of a stretch's words, in the text and as heard


class TimedWord(NamedTuple):
    """A word of a text or transcript, and when it is said."""

    word: Word
    start: float  # seconds in the recording
    end: float


@dataclass(frozen=True)
class Stretch:
    """Consecutive words of a text that were heard, in order."""

    words: Sequence[TimedWord]
    first: int  # index of its first word in the text; the others follow
    heard_first: int  # index of its first word among those heard
    heard_end: int  # index after its last one

    @property
    def end(self) -> int:
        """The index in the text after its last word."""
        return self.first + len(self.words)


def split_heard(heard: Sequence[Segment], *, by_character: bool) -> list[TimedWord]:
    """Return the words of a transcript's timed words, of which one may be well-known or 3:30."""
    timed = []
    for start, end, text in heard:
        words = split_words(text, by_character=by_character)
        step = ((start if end is None else end) - start) / max(1, len(words))
        timed += [
            TimedWord(word, start + i * step, start + (i + 1) * step)
            for i, word in enumerate(words)
        ]
    return timed


def find_stretches(text: Sequence[Word], heard: Sequence[TimedWord]) -> list[Stretch]:
    """Return the stretches of a text that were heard, timed, in order.

    Within a stretch the text is right: up to MAX_SUBSTITUTED other words may have been heard, and
    as many more. A longer disagreement ends the stretch, and stretches with too few agreeing words
    are left out.
    """
    blocks = align_words(text, [timed.word for timed in heard])
    stretches = []
    for group in _split_at_doubts(blocks):
        first, last = group[0], group[-1]
        n_words, n_heard = last.end - first.start, last.hypothesis_end - first.hypothesis_start
        n_agreeing = sum(block.end - block.start for block in group if block.agrees)
        if n_agreeing >= MIN_AGREEING and n_agreeing >= MIN_AGREEMENT * max(n_words, n_heard):
            words = [timed for block in group for timed in _time_block(block, text, heard)]
            stretches.append(
                Stretch(words, first.start, first.hypothesis_start, last.hypothesis_end)
            )
    return stretches


def _split_at_doubts(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Yield groups of blocks that begin and end with words that agree."""
    group: list[Block] = []
    for block in blocks:
        if block.agrees or (group and not _is_doubtful(block)):
            group.append(block)
        elif group:
            yield _without_end(group)
            group = []
    if group:
        yield _without_end(group)


def _without_end(group: list[Block]) -> list[Block]:
    return group if group[-1].agrees else group[:-1]


def _is_doubtful(block: Block) -> bool:
    size, heard_size = block.end - block.start, block.hypothesis_end - block.hypothesis_start
    return max(size, heard_size) > MAX_SUBSTITUTED or (size > MAX_UNHEARD and not heard_size)


def _time_block(
    block: Block, text: Sequence[Word], heard: Sequence[TimedWord]
) -> Iterator[TimedWord]:
    """Yield the words of a block of the text with the times at which they were heard.

    Where other words were heard, the text's share the time evenly between the words around.
    """
    words = text[block.start : block.end]
    if block.agrees:
        same = heard[block.hypothesis_start : block.hypothesis_end]
        yield from (
            TimedWord(word, timed.start, timed.end) for word, timed in zip(words, same, strict=True)
        )
        return
    start = heard[block.hypothesis_start - 1].end  # words that agree stand on both sides
    end = max(start, heard[block.hypothesis_end].start)
    step = (end - start) / max(1, len(words))
    for i, word in enumerate(words):
        yield TimedWord(word, start + i * step, start + (i + 1) * step)
