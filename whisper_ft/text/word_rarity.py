"""Tell rare words from common ones, by Whisper's own vocabulary or by `wordfreq` if installed.

Whisper's two vocabularies were merged in the order of how often their pieces occur in text of the
web. So a word that is one early token is common, and a word of several tokens is rare. That holds
for English in the English vocabulary and, less well, for other languages of alphabets with case in
the multilingual one. Other scripts are split into bytes, which say nothing about words.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.metadata import version

import regex
from whisper.tokenizer import get_tokenizer

MIN_RANK = 20_000  # of 50,257 tokens: a word that is an earlier one is common
NAME_RANK = 12_000  # a name that is an earlier token is one that every model knows
MIN_PIECES = 3  # tokens of a rare word in the multilingual vocabulary
MAX_ZIPF = 3.9  # of a rare word: 10 to this power times in a billion words
NAME_ZIPF = 4.7
RARE_SHARE, RARE_COUNT = 1e-4, 2  # a word that a corpus has more often than both is not rare in it
COUNTED_SHARE, MIN_COUNTED = 4e-5, 50_000  # the same by counts alone; words that a corpus needs
MIN_LETTERS = 3
MAX_CACHED = 100_000  # words whose place is remembered
CASED_SCRIPT = regex.compile(r"[\p{Latin}\p{Cyrillic}\p{Greek}]+")
WORDFREQ_CODES = {"no": "nb", "tl": "fil"}  # where its code is not whisper's
WORDFREQ_WITHOUT = ("zh", "ja", "ko", "yue")  # whose words it only finds with more packages


@dataclass
class CorpusWords:
    """How often a corpus has each word in one language."""

    counts: Counter[str] = field(default_factory=Counter)  # by word in lower case
    capitals: Counter[str] = field(default_factory=Counter)  # those within cased sentences
    lowers: Counter[str] = field(default_factory=Counter)  # the same, written without a capital


class Rarity(ABC):
    """Which words of one language are rare; words are given as a text has them."""

    @abstractmethod
    def is_rare(self, word: str) -> bool:
        """Return whether a word is so rare that a model may not spell it by itself."""

    @abstractmethod
    def is_known_name(self, word: str) -> bool:
        """Return whether every model knows a name, such as London or Monday."""

    def needs_capital(self, word: str) -> bool:
        """Return whether a word is hardly ever written without a capital; False if unknown."""
        return False

    def prefers_lower_case(self, word: str) -> bool:
        """Return whether a word is mostly written in lower case; False if unknown."""
        return False


class WordfreqRarity(Rarity):
    """By the word frequencies of `wordfreq`, and by case in Whisper's vocabulary."""

    def __init__(self, code: str, by_case: Rarity) -> None:
        self._code, self._by_case = code, by_case

    def is_rare(self, word: str) -> bool:
        return len(word) >= MIN_LETTERS and _zipf(word, self._code) < MAX_ZIPF

    def is_known_name(self, word: str) -> bool:
        return _zipf(word, self._code) >= NAME_ZIPF

    def needs_capital(self, word: str) -> bool:
        return self._by_case.needs_capital(word)

    def prefers_lower_case(self, word: str) -> bool:
        return self._by_case.prefers_lower_case(word)


class VocabularyRarity(Rarity):
    """By the tokens of Whisper's vocabulary, and by a corpus's counts where it is multilingual."""

    def __init__(self, *, multilingual: bool, corpus: CorpusWords) -> None:
        self._multilingual, self._corpus = multilingual, corpus

    def is_rare(self, word: str) -> bool:
        if len(word) < MIN_LETTERS or not CASED_SCRIPT.fullmatch(word):
            return False
        pieces, rank = min(self._place(word.lower()), self._place(word.capitalize()))
        if not self._multilingual:
            return pieces > 1 or rank >= MIN_RANK
        total, count = self._corpus.counts.total(), self._corpus.counts[word.lower()]
        return pieces >= MIN_PIECES and count <= max(RARE_COUNT, RARE_SHARE * total)

    def is_known_name(self, word: str) -> bool:
        pieces, rank = self._place(word)
        return pieces == 1 and (self._multilingual or rank < NAME_RANK)

    def needs_capital(self, word: str) -> bool:
        return self._place(word.capitalize())[0] < self._place(word.lower())[0]

    def prefers_lower_case(self, word: str) -> bool:
        lower = self._place(word.lower())
        return lower[0] == 1 and lower < self._place(word)

    def _place(self, word: str) -> tuple[int, int]:
        return _token_place(word, self._multilingual)


class CountRarity(Rarity):
    """By the counts of a corpus alone, if it is large enough to tell."""

    def __init__(self, corpus: CorpusWords) -> None:
        self._counts, self._total = corpus.counts, corpus.counts.total()

    def is_rare(self, word: str) -> bool:
        if self._total < MIN_COUNTED or len(word) < MIN_LETTERS:
            return False
        return self._counts[word.lower()] <= COUNTED_SHARE * self._total

    def is_known_name(self, word: str) -> bool:
        return False


def pick_rarity(language: str, corpus: CorpusWords) -> Rarity:
    """Return the rule for a language, by the best knowledge that is installed."""
    cased = sum(bool(CASED_SCRIPT.match(word)) for word in corpus.counts) * 2 > len(corpus.counts)
    by_vocabulary = VocabularyRarity(multilingual=language != "en", corpus=corpus)
    code = WORDFREQ_CODES.get(language, language)
    if code in _wordfreq_languages():
        return WordfreqRarity(code, by_vocabulary)
    return by_vocabulary if cased else CountRarity(corpus)


@cache
def wordfreq_version() -> str:
    """Return the version of the installed `wordfreq`, "" without one."""
    try:
        import wordfreq  # noqa: F401

        return version("wordfreq")
    except ImportError:
        return ""


@cache
def _wordfreq_languages() -> frozenset[str]:
    if not wordfreq_version():
        return frozenset()
    from wordfreq import available_languages

    return frozenset(available_languages()) - {*WORDFREQ_WITHOUT}


@lru_cache(maxsize=MAX_CACHED)
def _zipf(word: str, code: str) -> float:
    from wordfreq import zipf_frequency

    return float(zipf_frequency(word, code))


@lru_cache(maxsize=MAX_CACHED)
def _token_place(word: str, multilingual: bool) -> tuple[int, int]:
    """Return (number of tokens, id of the first) of a word after a space."""
    ids = get_tokenizer(multilingual).encode(" " + word, disallowed_special=())
    return len(ids), ids[0]
