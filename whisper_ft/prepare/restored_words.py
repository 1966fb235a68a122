"""Write the words of a reference with the case and punctuation of another transcript."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import regex

from whisper_ft.text.alignment import APOSTROPHES, Block, Word

SENTENCE_ENDS = frozenset(".?!。？！।؟…")
UNSPACED_ENDS = frozenset("。！？｡")  # the next word follows without a space
DASHES = "-‐‑–—/"
# Their point ends no sentence where the reference writes them out, as in "mister".
ABBREVIATIONS = frozenset(
    {"mr", "mrs", "ms", "dr", "st", "jr", "sr", "prof", "capt", "col", "gen", "lt", "rev", "messrs"}
)
# Symbols and signs that stand for words, as in $20 or 5 %: the reference has the words.
_NOT_PUNCTUATION = regex.compile(r"[^\p{P}\s]|[%#&@*_\\]")

Casing = Mapping[str, str]  # how a word is written within a sentence, by its key


class RestoredWord(NamedTuple):
    """A word of the reference, as it is now written, and where it was heard."""

    word: Word
    spoken: int | None  # index of the transcript's word in its place; None: not heard


def learn_casing(texts: Iterable[Sequence[Word]]) -> dict[str, str]:
    """Return how most occurrences of each word are written where no sentence begins."""
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for words in texts:
        for i, word in enumerate(words):
            if not (_is_first(words, i) or word.prefix):  # a quotation begins with a capital
                forms[word.key][word.core] += 1
    return {key: counter.most_common(1)[0][0] for key, counter in forms.items()}


def restore_words(
    reference: Sequence[Word], spoken: Sequence[Word], blocks: Sequence[Block], casing: Casing
) -> list[RestoredWord]:
    """Return the reference's words with the case and punctuation of the `spoken` ones.

    `blocks` align the two. Where they disagree, the reference's words stay: a word is then written
    as `casing` knows it, with a capital if the word heard in its place had one or if it begins a
    sentence. Words that were only heard are dropped, but the end of a sentence after them stays.
    """
    restored: list[RestoredWord] = []
    for block in blocks:
        if block.start == block.end and restored:
            _keep_sentence_end(restored, spoken[block.hypothesis_end - 1])
        for i in range(block.start, block.end):
            place = _counterpart(block, i)
            heard = None if place is None else _heard_word(block, i, spoken, place)
            begins = not restored or ends_sentence(restored[-1].word)
            core = _write(reference[i], heard, casing, begins=begins, agrees=block.agrees)
            if block.agrees and not begins and place is not None and _is_first(spoken, place):
                core = casing.get(reference[i].key, core)  # the words before it were not heard
            joins = block.agrees and i + 1 < block.end
            restored.append(RestoredWord(_punctuate(reference[i], heard, core, joins=joins), place))
    return restored


def _counterpart(block: Block, i: int) -> int | None:
    """Return which spoken word stands for a word of the reference, None for none.

    Of blocks of unequal size the first and the last words stand for each other.
    """
    size, spoken_size = block.end - block.start, block.hypothesis_end - block.hypothesis_start
    if size == spoken_size:
        return block.hypothesis_start + i - block.start
    if not spoken_size:
        return None
    if i == block.start:
        return block.hypothesis_start
    return block.hypothesis_end - 1 if i == block.end - 1 else None


def _heard_word(block: Block, i: int, spoken: Sequence[Word], place: int) -> Word:
    """Return a spoken word with the punctuation that belongs to the i-th word of the reference."""
    word = spoken[place]
    prefix, suffix = word.prefix, word.suffix
    if not block.agrees and word.key in ABBREVIATIONS:
        suffix = suffix.removeprefix(".")
    elif block.end - block.start != block.hypothesis_end - block.hypothesis_start:
        # Around a stretch of words there is the punctuation of all that was heard in it.
        stretch = spoken[block.hypothesis_start : block.hypothesis_end]
        suffix = next((w.suffix for w in stretch if ends_sentence(w)), stretch[-1].suffix)
        prefix = prefix if i == block.start else ""
        suffix = suffix if i == block.end - 1 else ""
        word = word._replace(joined=stretch[-1].joined)
    prefix, suffix = (_NOT_PUNCTUATION.sub("", part) for part in (prefix, suffix))
    return word._replace(prefix=prefix, suffix=suffix.rstrip())


def _write(own: Word, heard: Word | None, casing: Casing, *, begins: bool, agrees: bool) -> str:
    """Return the letters of a word of the reference."""
    lower = own.core.lower()
    if agrees and heard and _is_same(lower, heard.core):
        return heard.core
    if agrees and heard:  # an apostrophe or a letter such as ß, which the reference has
        return _capitalize(lower) if heard.core[0].isupper() else lower
    core = casing.get(own.key, lower)
    core = core if core.lower() == lower else lower
    has_capital = heard is not None and heard.core[0].isupper() and not _is_i(heard.core)
    return _capitalize(core) if begins or has_capital else core


def _is_same(lower: str, core: str) -> bool:
    """Return whether two words differ in case and in apostrophes that the first lacks alone."""
    has_apostrophe = any(letter in lower for letter in APOSTROPHES)
    plain = core.lower().replace("’", "'")
    return lower.replace("’", "'") == (plain if has_apostrophe else plain.replace("'", ""))


def _is_i(core: str) -> bool:
    """Return whether a word is a single letter, alone or before an apostrophe, such as I'm."""
    return len(core) == 1 or (core[1] in APOSTROPHES and core[2:].islower())


def _capitalize(core: str) -> str:
    return core[:1].upper() + core[1:]


def _punctuate(own: Word, heard: Word | None, core: str, *, joins: bool) -> Word:
    """Return a word with the punctuation of the reference or, if that has none, of the other.

    Hyphens join words only where both words agree (`joins`).
    """
    if heard is None:
        return own._replace(core=core)
    suffix, joined = heard.suffix, own.joined
    if own.joined:
        suffix = own.suffix or heard.suffix  # none: between letters of a language without spaces
    elif heard.joined:
        joined = joins
        suffix = suffix if joins else ""
    elif own.suffix[:1] in tuple(APOSTROPHES) and own.suffix[0] not in suffix:
        suffix = own.suffix[0] + suffix
    prefix = own.prefix if own.prefix and own.prefix not in heard.prefix else heard.prefix
    return Word(prefix, core, suffix, joined)


def _keep_sentence_end(restored: list[RestoredWord], dropped: Word) -> None:
    """Let a sentence that ends after dropped words end before them."""
    word, place = restored[-1]
    if ends_sentence(dropped) and not ends_sentence(word):
        suffix = _NOT_PUNCTUATION.sub("", dropped.suffix).rstrip()
        restored[-1] = RestoredWord(word._replace(suffix=suffix), place)


def ends_sentence(word: Word) -> bool:
    """Return whether a sentence ends after a word, as far as its punctuation tells."""
    ends = UNSPACED_ENDS if word.joined else SENTENCE_ENDS  # not in 3.b
    return any(character in ends for character in word.suffix)


def _is_first(words: Sequence[Word], i: int) -> bool:
    """Return whether a sentence begins with a word."""
    return i == 0 or ends_sentence(words[i - 1])
