"""Other spellings of a term: those that sound alike, and lookalikes that are one sound apart.

A spelling that only the prompt can tell makes a model read its prompt: text perturbation, Huang et
al. 2024 (arXiv 2407.10303).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from whisper_ft.text.spelling_rules import MIN_LETTERS, Rule, alike_rules, near_rules

SECOND_EDIT_LETTERS = 5  # a word of so many letters may get a second edit
SECOND_EDIT_RATE = 0.5
MORE_WORDS_RATE = 0.5  # of each further word of a term
MAX_TRIES = 12  # spellings of a word that are drawn before it is given up


def respell(term: str, language: str, rng: random.Random, is_word: Callable[[str], bool]) -> str:
    """Return another spelling of a term that sounds about the same, "" if there is none.

    Case, punctuation and the number of words stay. Words with digits keep their spelling, and so
    do words of a language or script without rules. No word becomes one of which `is_word`, which is
    asked in lower case, is true: another word is not another spelling.
    """
    words = re.split(r"(\w+)", term)
    places = [i for i, word in enumerate(words) if alike_rules(word, language)]
    rng.shuffle(places)
    n_changed = 0
    for place in places:
        if n_changed and rng.random() >= MORE_WORDS_RATE:
            break
        if spelling := _respell_word(words[place], language, rng, is_word):
            words[place] = spelling
            n_changed += 1
    return "".join(words) if n_changed else ""


def lookalike(term: str, language: str, rng: random.Random, is_word: Callable[[str], bool]) -> str:
    """Return a term that differs from this one by a sound in one word, "" if there is none.

    Its beginning or its end is that of the term. `is_word` is as in `respell`.
    """
    words = re.split(r"(\w+)", term)
    places = [i for i, word in enumerate(words) if near_rules(word, language)]
    rng.shuffle(places)
    for place in places:
        rules = near_rules(words[place], language)
        if other := _draw_other(words[place], rules, rng, is_word, n_edits=1):
            words[place] = other
            return "".join(words)
    return ""


def can_respell(text: str, language: str) -> bool:
    """Return whether any word of a text in this language has spelling rules."""
    return any(alike_rules(word, language) for word in re.findall(r"\w+", text))


def _respell_word(
    word: str, language: str, rng: random.Random, is_word: Callable[[str], bool]
) -> str:
    is_long = len(word) >= SECOND_EDIT_LETTERS
    n_edits = 2 if is_long and rng.random() < SECOND_EDIT_RATE else 1
    return _draw_other(word, alike_rules(word, language), rng, is_word, n_edits)


def _draw_other(
    word: str,
    rules: tuple[Rule, ...],
    rng: random.Random,
    is_word: Callable[[str], bool],
    n_edits: int,
) -> str:
    """Return a word that differs and is no known word, "" if none is found."""
    for _ in range(MAX_TRIES):
        other = word
        for _ in range(n_edits):
            other = _edit(other, rules, rng)
        folded = other.casefold()
        if folded != word.casefold() and len(other) >= MIN_LETTERS and not is_word(folded):
            return other
    return ""


def _edit(word: str, rules: tuple[Rule, ...], rng: random.Random) -> str:
    """Write one grapheme of a word in another way, in the case of the word."""
    lower = word.lower()
    if len(lower) != len(word):  # a letter that becomes two in lower case
        return word
    matches = [(match, rule) for rule in rules for match in rule.grapheme.finditer(lower)]
    if not matches:
        return word
    match, rule = rng.choice(matches)
    spelling = match.expand(rng.choice(rule.spellings))
    edited = lower[: match.start()] + spelling + lower[match.end() :]
    if word.isupper():
        return edited.upper()
    return _with_capitals(word, edited, match.start(), match.end(), len(spelling))


def _with_capitals(word: str, edited: str, start: int, end: int, n_letters: int) -> str:
    """Return an edited word with the capitals of the word: the rest keeps its case."""
    middle = edited[start : start + n_letters]
    if word[start:end][:1].isupper():
        middle = middle[:1].upper() + middle[1:]
    tail = word[end:]
    if start == 0 and not middle and word[0].isupper():
        tail = tail[:1].upper() + tail[1:]
    return word[:start] + middle + tail
