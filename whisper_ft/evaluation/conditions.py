"""Choose the right and wrong prompts of an evaluation, the same for every model."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from whisper.tokenizer import get_tokenizer

from whisper_ft.data.found_keywords import AS_GIVEN
from whisper_ft.data.keyword_prompts import keyword_prompt
from whisper_ft.data.prompt_kinds import is_wrong_prompt
from whisper_ft.data.prompts import example_rng
from whisper_ft.data.row import Row
from whisper_ft.text.terms import normalize_text, term_count

MAX_TRIES = 1000  # other rows' prompts tried as the wrong prompt of a row


@dataclass(frozen=True)
class PromptedRows:
    """Rows with the prompts under which an evaluation decodes them, the same for every model."""

    rows: Sequence[Row]
    right_prompts: Sequence[str]  # "" when a row has neither prompt nor keywords
    wrong_prompts: Sequence[str | None]  # None, not decoded: no other row's prompt can serve
    terms: Sequence[str] = ()  # keywords of all rows, drawn or not, and of the glossary
    keyword_source: str = AS_GIVEN  # by what the rows' keywords were found

    def prompts(self, number: int) -> dict[str, str | None]:
        """Return the prompts of the row with this index, by condition."""
        right, wrong = self.right_prompts[number], self.wrong_prompts[number]
        return {"right": right, "none": "", "wrong": wrong}

    def subset(self, numbers: Sequence[int]) -> PromptedRows:
        """Return the rows with these indices, with their prompts."""
        return PromptedRows(
            [self.rows[number] for number in numbers],
            [self.right_prompts[number] for number in numbers],
            [self.wrong_prompts[number] for number in numbers],
            self.terms,
            self.keyword_source,
        )

    def prompt_terms(self, number: int) -> list[str]:
        """Return a row's keywords, and other rows' keywords that its prompts hold."""
        prompts = f"{self.right_prompts[number]}\n{self.wrong_prompts[number] or ''}"
        plain_prompts = normalize_text(prompts, cased=False)
        others = (
            term
            for term, key in self._plain_terms
            if key in plain_prompts and term_count(key, plain_prompts)  # the cheap test first
        )
        return list(dict.fromkeys([*self.rows[number].keywords, *others]))

    @cached_property
    def _plain_terms(self) -> list[tuple[str, str]]:
        return [(term, normalize_text(term, cased=False)) for term in self.terms]


def evaluation_rows(
    rows: Sequence[Row],
    *,
    seed: int,
    n_rows: int | None = None,
    n_distractors: int = 40,
    glossary: Sequence[str] = (),
    keyword_source: str = AS_GIVEN,
) -> PromptedRows:
    """Draw at most `n_rows` rows and their prompts by the seed.

    The right prompt is the row's own, or else its keywords among `n_distractors` others, of which
    about half are terms of the `glossary` if there is one, or else "". The wrong prompt is the next
    right prompt, in a seeded permutation, that is not empty, of the same language and another
    recording, and holds none of the row's keywords.
    Prompts come from all rows, drawn or not, and fit both vocabularies, so every model gets the
    same.
    """
    both = (get_tokenizer(False), get_tokenizer(True))

    @cache
    def right(i: int) -> str:
        if rows[i].prompt.strip():
            return rows[i].prompt
        return keyword_prompt(
            rows,
            i,
            example_rng(seed, 0, i),
            both,
            n_distractors=n_distractors,
            glossary=glossary,
        )

    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    ring = [place for place, i in enumerate(order) if rows[i].prompt or rows[i].keywords]
    place_of = {i: place for place, i in enumerate(order)}
    n_drawn = len(rows) if n_rows is None else min(n_rows, len(rows))
    drawn = sorted(random.Random(f"rows {seed}").sample(range(len(rows)), n_drawn))
    wrong_prompts: list[str | None] = []
    for i in drawn:
        first = bisect_right(ring, place_of[i])
        turns = range(first, first + min(len(ring), MAX_TRIES))
        following = (order[ring[turn % len(ring)]] for turn in turns)
        others = (
            right(j) for j in following if is_unrelated(rows[i], rows[j]) and right(j).strip()
        )
        wrong = (p for p in others if is_wrong_prompt(p, right(i), rows[i]))
        wrong_prompts.append(next(wrong, None))
    terms = dict.fromkeys([*(term for row in rows for term in row.keywords), *glossary])
    return PromptedRows(
        [rows[i] for i in drawn],
        [right(i) for i in drawn],
        wrong_prompts,
        list(terms),
        keyword_source,
    )


def is_unrelated(row: Row, other: Row) -> bool:
    """Return whether two rows share their text's language but not their recording."""
    same_recording = bool(row.recording) and row.recording == other.recording
    return not same_recording and row.written_language == other.written_language
