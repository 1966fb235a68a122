"""Terms in other spellings, in a prompt and its text alike, so that only the prompt tells them.

Sound and memory cannot tell a made-up spelling, so only a model that reads its prompt gets it
right: text perturbation, Huang et al. 2024 (arXiv 2407.10303). Unsaid terms are respelled too, in
prompts with right terms and in those without, so that an odd spelling alone does not say "copy".
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import regex

from whisper_ft.data.row import Row
from whisper_ft.text import spelling
from whisper_ft.text.counts import format_count
from whisper_ft.text.term_words import WORD, WordSet, split_words

UNSAID_RATE = 0.5  # of the unsaid terms of a respelled prompt
UNPROMPTED_RATE = 0.8  # of second texts: without a prompt
# A word of a longer term keeps its spelling if it is as frequent as this in the corpus.
COMMON_SHARE, COMMON_COUNT = 1 / 2000, 10
MAX_COUNTED = 20_000  # rows that are counted for a line of summary


@dataclass(frozen=True)
class Lexicon:
    """The words of a corpus, in lower case."""

    words: frozenset[str] = frozenset()  # of its texts
    term_words: WordSet = field(default_factory=WordSet)  # of its keywords, without common words

    @classmethod
    def of_rows(cls, rows: Iterable[Row], glossary: Iterable[str] = ()) -> Lexicon:
        """Collect the words of the texts and keywords of rows, and of a glossary's terms."""
        counts: Counter[str] = Counter()
        alone, within = set[str](), set[str]()
        terms = set(glossary)
        for row in rows:
            counts.update(split_words(row.text.casefold()))
            terms.update(row.keywords)
        for term in terms:
            words = split_words(term.casefold())
            (alone if len(words) == 1 else within).update(words)
        n_common = max(COMMON_COUNT, COMMON_SHARE * counts.total())
        rare = {word for word in within if counts[word] < n_common}
        return cls(frozenset(counts), WordSet(frozenset(alone | rare)))

    def has_term(self, text: str) -> bool:
        """Return whether a text holds a word of any keyword."""
        return any(self.term_words.find(text))


class Perturbed(NamedTuple):
    """A changed prompt, and the words that the text of its row spells as the prompt does."""

    prompt: str
    spellings: dict[str, str]  # by the word in lower case


@dataclass(frozen=True)
class Perturbation:
    """How often a prompt's terms are changed; the numbers are probabilities."""

    respell: float = 0.0  # of a prompt, with about half of its unsaid terms
    lookalikes: float = 0.0  # of a lookalike of each term of the row, in place of an unsaid term
    contrast: float = 0.0  # of a second prompt for the same audio, if the first has right terms
    lexicon: Lexicon = field(default=Lexicon(), repr=False)

    @property
    def changes_prompts(self) -> bool:
        """Whether a first prompt can change."""
        return bool(self.respell or self.lookalikes)

    def __call__(self, prompt: str, row: Row, rng: random.Random) -> Perturbed:
        """Change a prompt of a row. Terms of the row that the prompt lacks are never changed."""
        terms = self._terms(prompt, row)
        spellings: dict[str, str] = {}
        others: dict[str, str] = {}
        if rng.random() < self.respell:
            spellings, others = self._respell_some(terms, row, rng)
        for key, word in terms.own.items() if terms.unsaid else ():
            if rng.random() >= self.lookalikes:
                continue
            if other := self._lookalike(spellings.get(key, word), row, rng):
                others[rng.choice(list(terms.unsaid))] = other
        return Perturbed(replace_words(prompt, others | spellings), spellings)

    def draw_contrast(self, prompt: str, row: Row, rng: random.Random) -> Perturbed | None:
        """Draw a second prompt for the same audio, which differs in the right terms alone.

        Four of five are empty, so that the words that a prompt tells are kept without it too. Else
        the right terms have another spelling, as in the text then, or give way to lookalikes, while
        the text stays; where they can do neither, the prompt is empty too. None if this is not
        drawn, or if the prompt has no right term.
        """
        terms = self._terms(prompt, row)
        if not terms.said or rng.random() >= self.contrast:
            return None
        if rng.random() < UNPROMPTED_RATE:
            return Perturbed("", {})
        if rng.random() < 0.5:
            spellings, _ = self._respell_some(terms, row, rng)
            return Perturbed(replace_words(prompt, spellings) if spellings else "", spellings)
        others = {key: self._lookalike(word, row, rng) for key, word in terms.said.items()}
        return Perturbed(replace_words(prompt, others) if all(others.values()) else "", {})

    def _terms(self, prompt: str, row: Row) -> _Terms:
        term_words = self.lexicon.term_words
        listed = {key: prompt[start:end] for key, start, end in term_words.find(prompt)}
        words = (word for term in row.keywords for word in split_words(term))
        own = {word.casefold(): word for word in words if word in term_words}
        in_text = WordSet(frozenset(listed | own))
        spoken = {key for key, _, _ in in_text.find(row.text)}
        own = {key: word for key, word in own.items() if key in spoken}
        return _Terms(
            own=own,
            said={key: word for key, word in own.items() if key in listed},
            unsaid={key: word for key, word in listed.items() if key not in spoken},
        )

    def _respell_some(
        self, terms: _Terms, row: Row, rng: random.Random
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return other spellings of the said terms, and of about half of the unsaid ones."""
        spellings = self._respell(terms.said, row, rng)
        some = {key: word for key, word in terms.unsaid.items() if rng.random() < UNSAID_RATE}
        return spellings, self._respell(some, row, rng)

    def _respell(self, words: Mapping[str, str], row: Row, rng: random.Random) -> dict[str, str]:
        """Return other spellings of words by their lower case; a word without any is left out."""
        spellings = {
            key: spelling.respell(word, row.written_language, rng, self._is_word)
            for key, word in words.items()
        }
        return {key: other for key, other in spellings.items() if other}

    def _lookalike(self, word: str, row: Row, rng: random.Random) -> str:
        return spelling.lookalike(word, row.written_language, rng, self._is_word)

    def _is_word(self, word: str) -> bool:
        return word in self.lexicon.words or word in self.lexicon.term_words


class _Terms(NamedTuple):
    """Words of terms by their lower case, as they are written."""

    own: dict[str, str]  # of the row's keywords, in its text
    said: dict[str, str]  # of these, those in the prompt
    unsaid: dict[str, str]  # of other terms, in the prompt alone


NO_PERTURBATION = Perturbation()


def format_perturbation(perturbation: Perturbation, rows: Sequence[Row]) -> str:
    """Return in a line which languages have terms that can be respelled; "" if none is wanted."""
    if not (perturbation.changes_prompts or perturbation.contrast):
        return ""
    every = -(-len(rows) // MAX_COUNTED) or 1
    counts: dict[str, list[int]] = {}  # by language: rows with keywords, and those respelled
    for row in (rows[i] for i in range(0, len(rows), every)):
        if row.keywords:
            count = counts.setdefault(row.written_language, [0, 0])
            count[0] += 1
            count[1] += any(
                spelling.can_respell(term, row.written_language) for term in row.keywords
            )
    n_rows, n_respelled = map(sum, zip(*counts.values(), strict=True)) if counts else (0, 0)
    counted = f" (one row in {every} is counted)" if every > 1 else ""
    if not n_rows:
        return (
            f"no row has keywords{counted}: --respell, --lookalikes and --contrast change nothing"
        )
    if not n_respelled:
        text = (
            f"{format_count(n_rows, 'row')} with keywords{counted}, none of which can be "
            "respelled: --respell and --lookalikes change nothing"
        )
        return text + (
            ", and the second texts of --contrast have no prompt" if perturbation.contrast else ""
        )
    unruled = sorted(language for language, (_, n) in counts.items() if not n)
    rest = f"; no rules for {', '.join(unruled)}, which keep their spelling" if unruled else ""
    return f"rows whose keywords can be respelled: {n_respelled} of {n_rows}{counted}{rest}"


def replace_words(text: str, spellings: Mapping[str, str]) -> str:
    """Return a text with other spellings of words, given by lower case, in the case of the text."""
    if not spellings:
        return text

    def spelled(match: regex.Match[str]) -> str:
        word = match[0]
        other = spellings.get(word.casefold())
        return word if other is None else _in_case(word, other)

    return WORD.sub(spelled, text)


def _in_case(word: str, other: str) -> str:
    """Return another spelling in the case of a word; capitals within it stay, as in McKay."""
    if word.islower():
        return other.lower()
    if len(word) > 1 and word.isupper():
        return other.upper()
    return other[:1].upper() + other[1:]
