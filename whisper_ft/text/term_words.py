"""Find the words of terms in a text: whole words, or within it where words have no spaces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import regex

from whisper_ft.text.terms import UNSPACED_LETTER, joins_word

WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")


def split_words(text: str) -> list[str]:
    """Return the words of a text, as it writes them; a script without spaces is not divided."""
    return WORD.findall(text)


class FoundWord(NamedTuple):
    """A word that was found in a text."""

    key: str  # the word in lower case
    start: int  # where it stands
    end: int


@dataclass(frozen=True)
class WordSet:
    """Words in lower case, to be found in texts."""

    words: frozenset[str] = frozenset()

    @classmethod
    def of_terms(cls, terms: Iterable[str]) -> WordSet:
        """Return the words of some terms."""
        return cls(frozenset(word.casefold() for term in terms for word in split_words(term)))

    def __contains__(self, word: str) -> bool:
        return word.casefold() in self.words

    def find(self, text: str) -> Iterator[FoundWord]:
        """Yield the words that a text holds, in its order; in scripts without spaces the longest.

        There, and in Korean, which attaches particles to words, a word can stand in a longer one.
        """
        for match in WORD.finditer(text):
            if match[0] in self:
                yield FoundWord(match[0].casefold(), *match.span())
            elif UNSPACED_LETTER.search(match[0]):
                yield from self._find_within(text, *match.span())

    def _find_within(self, text: str, start: int, end: int) -> Iterator[FoundWord]:
        while start < end:
            stops = (start + length for length in self._lengths if start + length <= end)
            stop = next((stop for stop in stops if self._stands_at(text, start, stop)), None)
            if stop is not None:
                yield FoundWord(text[start:stop].casefold(), start, stop)
            start = stop or start + 1

    def _stands_at(self, text: str, start: int, stop: int) -> bool:
        """Return whether a word stands here, and is no part of a longer one with spaces."""
        return (
            text[start:stop] in self
            and not joins_word(text[start - 1 : start], text[start])
            and not joins_word(text[stop : stop + 1], text[stop - 1])
        )

    @cached_property
    def _lengths(self) -> list[int]:
        """The lengths of the words, the longest first."""
        return sorted({*map(len, self.words)}, reverse=True)
