"""Align the words of two texts of the same speech, however each is written."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

import jiwer
import regex

APOSTROPHES = "'’ʼ"  # occur inside words, and corpora leave them out


class Span(NamedTuple):
    """A stretch of words of a reference and the words of the hypothesis aligned with it."""

    kind: str  # "equal", or jiwer's "substitute", "delete", "insert"
    start: int  # indices of words in the reference
    end: int
    hypothesis_start: int
    hypothesis_end: int


class Block(NamedTuple):
    """A stretch where two texts agree in every word, or one where they agree in none."""

    agrees: bool
    start: int  # indices of words in the reference
    end: int
    hypothesis_start: int
    hypothesis_end: int


class Word(NamedTuple):
    """A word as a text writes it: its letters, and what stands around them."""

    prefix: str  # punctuation before it, such as an opening quote
    core: str  # from its first letter or digit to its last
    suffix: str  # punctuation after it
    joined: bool  # whether the next word follows without a space

    @property
    def key(self) -> str:
        """The word as it is compared: without case and apostrophes."""
        folded = unicodedata.normalize("NFKC", self.core).casefold()
        return "".join(folded.translate(_NO_APOSTROPHES).split())


# Letters, digits and combining marks, with apostrophes inside, and the points of a number.
_LETTERS = r"[\p{L}\p{M}\p{N}]+"
_CORE = regex.compile(rf"{_LETTERS}(?:['’ʼ]{_LETTERS}|(?<=\p{{N}})[.,:](?=\p{{N}}){_LETTERS})*")
_CHARACTER = regex.compile(r"\p{L}\p{M}*|\p{N}+|\p{M}")
_NO_APOSTROPHES = dict.fromkeys(map(ord, APOSTROPHES))


def alignment(reference: list[str], hypothesis: list[str]) -> list[Span]:
    """Align the words of a reference and a hypothesis with the fewest errors."""
    if not reference:  # jiwer refuses an empty reference
        return [Span("insert", 0, 0, 0, len(hypothesis))]
    output = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    return [
        Span(c.type, c.ref_start_idx, c.ref_end_idx, c.hyp_start_idx, c.hyp_end_idx)
        for c in output.alignments[0]
    ]


def align_words(reference: Sequence[Word], hypothesis: Sequence[Word]) -> list[Block]:
    """Return the blocks of two texts in order; together they hold every word of both."""
    blocks: list[Block] = []
    spans = alignment([word.key for word in reference], [word.key for word in hypothesis])
    for kind, *places in spans:
        block = Block(kind == "equal", *places)
        if blocks and blocks[-1].agrees == block.agrees:
            previous = blocks.pop()
            block = block._replace(start=previous.start, hypothesis_start=previous.hypothesis_start)
        blocks.append(block)
    return blocks


def agreement(blocks: Sequence[Block]) -> float:
    """Return the share of the reference's words that agree, from 0 to 1; 0 without words."""
    n_words = blocks[-1].end if blocks else 0
    return sum(b.end - b.start for b in blocks if b.agrees) / n_words if n_words else 0.0


def split_words(text: str, *, by_character: bool = False) -> list[Word]:
    """Return the words of a text; white space, hyphens, dashes and slashes end a word.

    With `by_character`, for languages written without spaces, every letter is a word. Punctuation
    that stands alone belongs to the word before it. A text without letters and digits has no words.
    """
    cores = list((_CHARACTER if by_character else _CORE).finditer(text))
    words: list[Word] = []
    prefix = text[: cores[0].start()].lstrip() if cores else ""
    for core, following in zip_longest(cores, cores[1:]):
        if following is None:
            words.append(Word(prefix, core[0], text[core.end() :].rstrip(), joined=False))
            break
        gap = text[core.end() : following.start()]
        suffix, next_prefix = _split_gap(gap)
        words.append(Word(prefix, core[0], suffix, joined=not _has_space(gap)))
        prefix = next_prefix
    return words


def join_words(words: Sequence[Word]) -> str:
    """Return the text of words: the inverse of `split_words`, up to white space."""
    parts = [f"{w.prefix}{w.core}{w.suffix}{'' if w.joined else ' '}" for w in words]
    return "".join(parts).strip()


def _split_gap(gap: str) -> tuple[str, str]:
    """Split what stands between two words into the suffix of one and the prefix of the other."""
    if not _has_space(gap):
        return gap, ""
    prefix = gap.split()[-1] if not gap[-1].isspace() else ""
    return gap[: len(gap) - len(prefix)].rstrip(), prefix


def _has_space(text: str) -> bool:
    return any(character.isspace() for character in text)
