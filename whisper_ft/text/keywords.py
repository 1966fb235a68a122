"""Find the terms of a text that a prompt could tell: names, code words and rare words.

Names are found by their capitals, so only in cased texts, and not in languages that give every
noun one. Code words are found everywhere. Rare words are found in languages that write spaces
between words, but for Korean, where particles are part of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import regex

from whisper_ft.text.terms import normalize_text, reveals_text, term_count
from whisper_ft.text.tokens import is_unspaced
from whisper_ft.text.word_rarity import CorpusWords, Rarity, pick_rarity

RULES_VERSION = 1  # of what is found: results of different versions are not compared
WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:[-.'’/&_][\p{L}\p{N}][\p{L}\p{M}\p{N}]*)*")
LATIN_WORD = regex.compile(r"[\p{Latin}\p{N}]+(?:[-./&_][\p{Latin}\p{N}]+)*")
LETTERS = regex.compile(r"\p{L}[\p{L}\p{M}]*")
ELISION = regex.compile(r"\p{Ll}{1,2}['’](?=\p{Lu})")  # before a name: l'Europe, d'Artagnan
POSSESSIVE = regex.compile(r"['’][sS]$")
DIGIT = regex.compile(r"\p{N}")
# 20, 1st, 1990s, 5pm, 15-year-old, 21st-century: what is said decides how they are written.
MEASURE = regex.compile(r"\p{N}+(?:[-.,:/]\p{N}+)*(?:\p{Ll}{1,4}|[AP]M)?(?:-\p{Ll}.*)?")
CAMEL_CASE = regex.compile(r"\p{Ll}\p{Lu}")
ROMAN = regex.compile(r"M{0,3}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})")
TITLES = {
    *("mr", "mrs", "ms", "miss", "dr", "prof", "st", "sr", "jr", "rev", "hon", "sir", "madam"),
    *("capt", "gen", "col", "sgt", "lt", "lord", "lady", "herr", "frau", "monsieur", "madame"),
    *("signor", "signora", "señor", "señora", "don", "doña"),
}
PARTICLES = {  # within names
    *("al", "bin", "da", "das", "de", "del", "della", "den", "der", "di", "do", "dos", "du"),
    *("ibn", "la", "le", "of", "ter", "van", "von"),
}
NOUN_CAPITALS = ("de", "lb")  # languages in which every noun has a capital
UNSEGMENTED = ("ko", "km", "bo")  # particles within words, or no spaces, as in UNSPACED_LANGUAGES
MIN_CASED_WORDS = 4  # within sentences, to tell a headline in which every word has a capital


class Word(NamedTuple):
    """A word of a text, without an elided article or a possessive ending."""

    text: str
    start: int  # in the text of all
    end: int
    opens: bool  # whether it begins a sentence or a quotation, where a capital says nothing
    joined: bool  # whether only a space, or an abbreviation's full stop, is before it


class Found(NamedTuple):
    """A term of a text."""

    start: int
    end: int
    n_words: int


@dataclass(frozen=True)
class CorpusLanguage:
    """The words of one language in a corpus."""

    language: str
    words: CorpusWords
    rarity: Rarity

    @classmethod
    def of_texts(cls, texts: Iterable[str], language: str) -> CorpusLanguage:
        """Count the words of texts in a language, given as Whisper's code."""
        corpus = CorpusWords()
        for text in texts:
            words = _split_words(text := normalize_text(text))
            corpus.counts.update(
                part.lower() for word in words for part in LETTERS.findall(word.text)
            )
            if _has_meaningful_case(text, words):
                within = [word.text for word in words if not word.opens]
                corpus.capitals.update(_base(word) for word in within if word[0].isupper())
                corpus.lowers.update(_base(word) for word in within if word[0].islower())
        return cls(language, corpus, pick_rarity(language, corpus))


def has_separate_words(language: str) -> bool:
    """Return whether spaces show where a word of a language begins and ends."""
    return not is_unspaced(language, None) and language not in UNSEGMENTED


def find_keywords(text: str, corpus: CorpusLanguage) -> tuple[str, ...]:
    """Return the terms of a text, as it spells them and in its order.

    They hold at most half of its words, code words first, then names, then rare words, so that
    they never tell the sentence.
    """
    text = normalize_text(text)
    if not has_separate_words(corpus.language):
        return _find_latin_words(text)
    words = _split_words(text)
    n_free = len(words) // 2
    found: list[Found] = []
    for term in _find_all(text, words, corpus):
        overlaps = any(term.start < other.end and other.start < term.end for other in found)
        if not overlaps and term.n_words <= n_free:
            found.append(term)
            n_free -= term.n_words
    return tuple(dict.fromkeys(text[term.start : term.end] for term in sorted(found)))


def _find_latin_words(text: str) -> tuple[str, ...]:
    """Return Latin words and codes of a text in a script that does not show its words."""
    found = (match.group() for match in LATIN_WORD.finditer(text))
    terms = dict.fromkeys(word for word in found if sum(map(str.isalpha, word)) > 1)
    return tuple(term for term in terms if term_count(term, text) and not reveals_text(term, text))


def _find_all(text: str, words: Sequence[Word], corpus: CorpusLanguage) -> Iterator[Found]:
    mixed = text not in (text.lower(), text.upper())
    for word in words:
        if _is_code(word.text, corpus) if mixed else _has_code_digits(word.text.lower()):
            yield Found(word.start, word.end, 1)
    if _has_meaningful_case(text, words) and corpus.language not in NOUN_CAPITALS:
        yield from _find_names(words, corpus)
    for word in words:
        if DIGIT.search(word.text) or (mixed and _is_number(word.text)):
            continue
        for part in LETTERS.finditer(word.text):
            if corpus.rarity.is_rare(part.group()):
                yield Found(word.start + part.start(), word.start + part.end(), 1)


def _split_words(text: str) -> list[Word]:
    words: list[Word] = []
    last, last_end = "", 0  # the word before, as written
    for match in WORD.finditer(text):
        written = match.group()
        elided, possessive = ELISION.match(written), POSSESSIVE.search(written)
        start = match.start() + (elided.end() if elided else 0)
        end = match.start() + possessive.start() if possessive else match.end()
        between = text[last_end : match.start()].strip()
        abbreviated = between == "." and _is_abbreviation(last)
        opens = not words or (between not in ("", ",", ";") and not abbreviated)
        joined = not (opens or elided or POSSESSIVE.search(last)) and between in ("", ".")
        words.append(Word(text[start:end], start, end, opens, joined))
        last, last_end = written, match.end()
    return words


def _is_abbreviation(word: str) -> bool:
    """Return whether a full stop after a word ends no sentence: Mr, an initial, U.S."""
    return (len(word) == 1 and word.isupper()) or word.lower() in TITLES or "." in word


def _has_meaningful_case(text: str, words: Sequence[Word]) -> bool:
    """Return whether capitals within sentences mark names: not in one case, nor in headlines."""
    if text in (text.lower(), text.upper()):
        return False
    within = [word for word in words if not word.opens]
    n_capitals = sum(word.text[0].isupper() for word in within)
    return len(within) < MIN_CASED_WORDS or 2 * n_capitals <= len(within)


def _is_code(word: str, corpus: CorpusLanguage) -> bool:
    """Return whether a word of a cased text has digits, capitals within, or capitals only."""
    if DIGIT.search(word):
        return _has_code_digits(word)
    return bool(CAMEL_CASE.search(word)) or _is_acronym(word, corpus)


def _has_code_digits(word: str) -> bool:
    """Return whether a word has letters and digits, and is no ordinal, time, age or measure."""
    return bool(DIGIT.search(word) and LETTERS.search(word)) and not MEASURE.fullmatch(word)


def _is_acronym(word: str, corpus: CorpusLanguage) -> bool:
    """Return whether a word is in capitals, but no Roman number and no word that is shouted."""
    letters = "".join(LETTERS.findall(word))
    if len(letters) < 2 or not letters.isupper() or _is_number(letters):
        return False
    return not corpus.words.lowers[_base(word)] and not corpus.rarity.prefers_lower_case(letters)


def _is_number(word: str) -> bool:
    """Return whether a word is a Roman number of several letters."""
    return len(word) > 1 and bool(ROMAN.fullmatch(word))


def _find_names(words: Sequence[Word], corpus: CorpusLanguage) -> Iterator[Found]:
    """Yield names, of several words where they stand together, without those that all know."""
    i = 0
    while i < len(words):
        end = _name_end(words, i, corpus)
        name = [word for word in words[i:end] if word.text[0].isupper()]
        if any(_is_unfamiliar(word.text, corpus) for word in name):
            yield Found(words[i].start, words[end - 1].end, end - i)
        i = max(end, i + 1)


def _name_end(words: Sequence[Word], first: int, corpus: CorpusLanguage) -> int:
    """Return the index after the last word of the name that begins at an index, if any does."""
    end = first
    if not _is_name(words[first], corpus):
        return end
    end += 1
    while end < len(words) and words[end].joined:
        is_particle = words[end].text in PARTICLES and end + 1 < len(words)
        last = end + 1 if is_particle and words[end + 1].joined else end
        if not _is_name(words[last], corpus):
            break
        end = last + 1
    return end


def _is_name(word: Word, corpus: CorpusLanguage) -> bool:
    """Return whether a word is a name or a part of one; a title is not."""
    base = _base(word.text)
    if not word.text[0].isupper() or base in TITLES or _is_number(word.text):
        return False
    n_capitals, n_lowers = corpus.words.capitals[base], corpus.words.lowers[base]
    if not word.opens:
        return n_lowers <= n_capitals
    return not n_lowers and (bool(n_capitals) or corpus.rarity.needs_capital(base))


def _is_unfamiliar(word: str, corpus: CorpusLanguage) -> bool:
    return len(word) > 1 and not corpus.rarity.is_known_name(_base(word).capitalize())


def _base(word: str) -> str:
    """Return a word in lower case, without what a contraction adds: i of I'm, but all of O'Neil."""
    first, apostrophe, _ = word.lower().replace("’", "'").partition("'")
    return first if apostrophe and (len(first) > 1 or first == "i") else word.lower()
