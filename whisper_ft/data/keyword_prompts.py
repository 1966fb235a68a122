"""Keyword prompts: a row's keywords among keywords of other rows, as users list terms."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from whisper.tokenizer import Tokenizer

from whisper_ft.data.row import Row
from whisper_ft.data.rows import row_keywords, row_writing
from whisper_ft.text.glossary import write_like
from whisper_ft.text.terms import normalize_text, reveals_text, term_count

MAX_PROMPT_TOKENS = 223  # ids of a prompt that whisper's decoder keeps: n_text_ctx // 2 - 1
MAX_DRAWS = 50  # rows drawn for each distractor wanted; after them a prompt has fewer

GLOSSARY_RATE = 0.5  # of the distractors, if there is a glossary


class Wording(NamedTuple):
    """How terms become a text."""

    before: str
    between: str
    after: str


COMMAS = Wording("", ", ", "")
WORDINGS = (COMMAS, COMMAS, Wording("Glossary: ", ", ", "."), Wording("Vocabulary:\n", "\n", ""))


def keyword_prompt(
    rows: Sequence[Row],
    index: int,
    rng: random.Random,
    tokenizers: Sequence[Tokenizer],
    *,
    n_distractors: int,
    drop_rate: float = 0.0,
    wording: Wording = COMMAS,
    max_tokens: int = MAX_PROMPT_TOKENS,
    glossary: Sequence[str] = (),
) -> str:
    """Return a row's keywords, shuffled among those of rows of the same language and style.

    About half of the others are terms of the `glossary`, if there is one, in the case of the row.
    Each of the row's keywords is dropped at `drop_rate`. The prompt has at most `max_tokens` ids
    by every tokenizer, and the row's keywords are added first, so that the decoder's cut from the
    left removes none. Returns "" for a row without keywords, or if the prompt reveals its text.
    """
    row = rows[index]
    if not row.keywords:
        return ""
    text = normalize_text(row.text, cased=False)
    terms = _TermList(tokenizers, wording, max_tokens)
    for keyword in row.keywords:
        if not drop_rate or rng.random() >= drop_rate:
            terms.add(keyword)
    n_right = len(terms)
    for term in _other_terms(rows, row, rng, glossary, MAX_DRAWS * n_distractors):
        if not term_count(term, text, cased=False):  # a term of the text is no distractor
            terms.add(term)
        if len(terms) == n_right + n_distractors:
            break
    joined = terms.join(rng)
    if reveals_text(joined, row.text):  # a keyword that is a sentence
        return ""
    return f"{wording.before}{joined}{wording.after}" if joined else ""


class _TermList:
    """Different terms whose prompt has at most a number of ids."""

    def __init__(self, tokenizers: Sequence[Tokenizer], wording: Wording, max_tokens: int) -> None:
        self._tokenizers = tokenizers
        self._between = wording.between
        self._terms: dict[str, str] = {}  # by their normalized text, so that none comes twice
        self._n_free = max_tokens - self._count_tokens(wording.before + wording.after)
        self._mark = wording.between.rstrip(" ")
        self._space = wording.between[len(self._mark) :]  # its ids belong to the term after it

    def __len__(self) -> int:
        return len(self._terms)

    def add(self, term: str) -> None:
        """Add a term if it is new and fits."""
        key = normalize_text(term, cased=False)
        if key in self._terms:
            return
        n_tokens = self._count_tokens(f"{self._space}{term}{self._mark}")
        if n_tokens <= self._n_free:
            self._terms[key] = term
            self._n_free -= n_tokens

    def join(self, rng: random.Random) -> str:
        """Return the terms in random order as one text."""
        shuffled = list(self._terms.values())
        rng.shuffle(shuffled)
        return self._between.join(shuffled)

    def _count_tokens(self, text: str) -> int:
        return max(len(t.encode(text, disallowed_special=())) for t in self._tokenizers)


def _other_terms(
    rows: Sequence[Row], row: Row, rng: random.Random, glossary: Sequence[str], n_draws: int
) -> Iterator[str]:
    """Yield keywords of random rows whose texts have the language and style of a row's text.

    Half of the draws are terms of the glossary.
    """
    n_rows, writing = len(rows), row.writing
    for _ in range(n_draws):
        if glossary and rng.random() < GLOSSARY_RATE:
            yield write_like(rng.choice(glossary), writing.style.case)
            continue
        index = rng.randrange(n_rows)
        if row_writing(rows, index) == writing and (keywords := row_keywords(rows, index)):
            yield rng.choice(keywords)
