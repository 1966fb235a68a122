"""A row's keywords among keywords of other rows: the list of terms that a prompt often is."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from whisper.tokenizer import Tokenizer

from whisper_ft.data.row import Row
from whisper_ft.data.rows import row_keywords, row_writing
from whisper_ft.text.terms import normalize_text, reveals_text, term_count

MAX_PROMPT_TOKENS = 223  # ids of a prompt that whisper's decoder keeps: n_text_ctx // 2 - 1
MAX_DRAWS = 50  # other rows looked at for each distractor wanted, before going on with fewer


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
    room: int = MAX_PROMPT_TOKENS,
) -> str:
    """The row's keywords, shuffled among keywords that other rows of its language and style have.

    Each right one is left out at `drop_rate`. Terms stop before `room` ids by any of the
    tokenizers, right ones coming first, so that the decoder's cut from the left takes none. ""
    for a row without keywords, or with one that is its whole text.
    """
    row = rows[index]
    if not row.keywords:
        return ""
    text = normalize_text(row.text, cased=False)
    terms: dict[str, str] = {}  # by how they compare, so that no term comes twice
    room -= _n_ids(tokenizers, wording.before + wording.after)
    mark = wording.between.rstrip(" ")
    space = wording.between[len(mark) :]  # before a term, where it is part of the term's ids

    def add(term: str) -> None:
        nonlocal room
        key, n_ids = normalize_text(term, cased=False), _n_ids(tokenizers, f"{space}{term}{mark}")
        if key not in terms and n_ids <= room:
            terms[key] = term
            room -= n_ids

    for keyword in row.keywords:
        if not drop_rate or rng.random() >= drop_rate:
            add(keyword)
    n_right = len(terms)
    for term in _other_terms(rows, row, rng, MAX_DRAWS * n_distractors):
        if not term_count(term, text, cased=False):  # what is said is no distractor
            add(term)
        if len(terms) == n_right + n_distractors:
            break
    shuffled = list(terms.values())
    rng.shuffle(shuffled)
    joined = wording.between.join(shuffled)
    if reveals_text(joined, row.text):  # a keyword that is a sentence
        return ""
    return f"{wording.before}{joined}{wording.after}" if joined else ""


def _other_terms(rows: Sequence[Row], row: Row, rng: random.Random, n_draws: int) -> Iterator[str]:
    """Keywords of random rows that are in the language of a row's text and written as it is."""
    n_rows, writing = len(rows), row.writing
    for _ in range(n_draws):
        index = rng.randrange(n_rows)
        if row_writing(rows, index) == writing and (keywords := row_keywords(rows, index)):
            yield rng.choice(keywords)


def _n_ids(tokenizers: Sequence[Tokenizer], text: str) -> int:
    return max(len(t.encode(text, disallowed_special=())) for t in tokenizers)
