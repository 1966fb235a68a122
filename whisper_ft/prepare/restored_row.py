"""Restore a row: text, segments and keywords in the style of a transcript of its audio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from whisper_ft.data.row import Row, Style
from whisper_ft.prepare.restored_words import (
    Casing,
    RestoredWord,
    ends_sentence,
    restore_words,
)
from whisper_ft.text.alignment import Block, Word, agreement, align_words, join_words, split_words
from whisper_ft.text.terms import term_count
from whisper_ft.text.tokens import Segment, is_unspaced

MIN_AGREEMENT = 0.6  # of a row's words; below it, text or audio may be another's
MAX_UNHEARD = 8  # words in a row without a counterpart; a longer stretch would lack punctuation


@dataclass(frozen=True)
class Restored:
    """A row in its new style, or the row as it was and the reason."""

    row: Row
    problem: str = ""  # "": restored


def split_row_text(row: Row, text: str) -> list[Word]:
    """Return the words of a text in a row's language: letters where words have no spaces."""
    return split_words(text, by_character=is_unspaced(row.language, row.task))


def is_finished(row: Row) -> bool:
    """Return whether a row needs nothing: it is cased and punctuated and has segments."""
    return row.style == Style("mixed", True) and bool(row.segments)


def restore_row(row: Row, heard: Sequence[Segment], casing: Casing) -> Restored:
    """Return a row whose text has the case, punctuation and segments of what was `heard` in it.

    Case stays where the row's text has capitals and small letters, and so do punctuation and
    segments that the row has.
    """
    reference = split_row_text(row, row.text)
    words_of = [split_row_text(row, segment.text) for segment in heard]
    spoken = [word for words in words_of for word in words]
    blocks = align_words(reference, spoken)
    if problem := find_disagreement(reference, spoken, blocks):
        return Restored(row, problem)
    restored = restore_words(reference, spoken, blocks, casing)
    restored = [
        r._replace(word=_keep_style(own, r.word, row.style))
        for own, r in zip(reference, restored, strict=True)
    ]
    words = [r.word for r in restored]
    if row.segments:
        segments = _own_segments(row, words)
    else:
        numbers = [number for number, of in enumerate(words_of) for _ in of]
        segments = _heard_segments(restored, numbers, heard)
    text = join_words(words)
    if is_unspaced(row.language, row.task) and segments:  # `check` joins segments by spaces
        text = " ".join(segment.text for segment in segments)
    keywords = tuple(_cased_term(term, text) for term in row.keywords)
    return Restored(replace(row, text=text, segments=segments, keywords=keywords))


def find_disagreement(
    reference: Sequence[Word], spoken: Sequence[Word], blocks: Sequence[Block]
) -> str:
    """Return why a transcript can't tell the style of a reference; "" if it can."""
    if not spoken:
        return "no words were heard: is it silence?"
    if (share := agreement(blocks)) < MIN_AGREEMENT:
        example = " ".join(word.core for word in spoken[:8])
        return f"{share:.0%} of its words were heard ({example!r}): is it the right text?"
    unheard = max(
        (b.end - b.start for b in blocks if b.hypothesis_start == b.hypothesis_end), default=0
    )
    if unheard > MAX_UNHEARD:
        return f"{unheard} words one after the other were not heard: is the audio complete?"
    return ""


def _keep_style(own: Word, word: Word, style: Style) -> Word:
    """Return a word with the case and punctuation of the reference where that has them."""
    if style.case == "mixed":
        word = word._replace(core=own.core)
    if style.punctuated:
        word = own._replace(core=word.core)
    return word


def _heard_segments(
    restored: Sequence[RestoredWord], segment_numbers: Sequence[int], heard: Sequence[Segment]
) -> tuple[Segment, ...]:
    """Divide words among the segments in which they were heard."""
    numbers = _place_unheard(
        [r.word for r in restored],
        [None if r.spoken is None else segment_numbers[r.spoken] for r in restored],
    )
    segments = []
    for number, group in groupby(zip(numbers, restored, strict=True), key=lambda pair: pair[0]):
        text = join_words([r.word for _, r in group])
        segments.append(Segment(heard[number].start, heard[number].end, text))
    return tuple(segments)


def _place_unheard(words: Sequence[Word], numbers: Sequence[int | None]) -> list[int]:
    """Give words that were not heard the number of the words before, or, if those end a sentence,
    of the words after.
    """
    known = [number for number in numbers if number is not None]
    placed: list[int] = []
    n_known = 0
    for i, number in enumerate(numbers):
        n_known += number is not None
        follows = i > 0 and not ends_sentence(words[i - 1])
        if number is None:
            number = placed[-1] if follows or n_known == len(known) else known[n_known]
        placed.append(number)
    return placed


def _own_segments(row: Row, words: Sequence[Word]) -> tuple[Segment, ...]:
    """Return a row's segments with the new words; as they were if they are not the text's.

    A segment that the row's end cuts is not part of the text and stays.
    """
    segments, start = [], 0
    for segment in row.segments:
        n_words = len(split_row_text(row, segment.text))
        new = words[start : start + n_words]
        start += n_words
        is_cut = len(new) < n_words
        segments.append(segment if is_cut else segment._replace(text=join_words(new)))
    return tuple(segments)


def _cased_term(term: str, text: str) -> str:
    """Return a term as a text writes it most often; as it was where the text lacks it."""
    words, term_words = split_words(text), split_words(term)
    keys, size = [word.key for word in words], len(term_words)
    term_keys = [word.key for word in term_words]
    found = []
    for i in range(len(words) - size + 1 if size else 0):
        if keys[i : i + size] == term_keys:
            last = words[i + size - 1]._replace(suffix="", joined=False)
            first, *rest = (*words[i : i + size - 1], last)
            found.append(join_words([first._replace(prefix=""), *rest]))
    cased = max(found, key=found.count, default=term)
    return cased if term_count(cased, text) else term
