"""The prompts under which an evaluation decodes: right, none, wrong; the same for every model."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from whisper.tokenizer import get_tokenizer

from whisper_ft.data.keyword_prompts import keyword_prompt
from whisper_ft.data.prompts import example_rng, is_wrong
from whisper_ft.data.row import Row
from whisper_ft.text.terms import normalize_text, term_count

MAX_TRIES = 1000  # other rows' prompts looked at for a wrong one


@dataclass(frozen=True)
class PromptedRows:
    """Rows with the prompts under which an evaluation decodes them, the same for every model."""

    rows: Sequence[Row]
    rights: Sequence[str]  # "" where a row has neither prompt nor keywords
    wrongs: Sequence[str | None]  # None, which is not scored, where no other row's prompt is wrong
    terms: Sequence[str] = ()  # keywords of all rows, drawn or not

    def listed(self, number: int) -> list[str]:
        """A row's keywords, and those of other rows that stand in its right or wrong prompt."""
        prompts = f"{self.rights[number]}\n{self.wrongs[number] or ''}"
        held = normalize_text(prompts, cased=False)
        found = (
            term
            for term, key in self._keys
            if key in held and term_count(key, held)  # the cheap test first
        )
        return list(dict.fromkeys([*self.rows[number].keywords, *found]))

    @cached_property
    def _keys(self) -> list[tuple[str, str]]:
        return [(term, normalize_text(term, cased=False)) for term in self.terms]


def evaluation_rows(
    rows: Sequence[Row], *, seed: int, n_rows: int | None = None, n_distractors: int = 40
) -> PromptedRows:
    """Rows for an evaluation, at most `n_rows` of them, drawn by the seed; prompts by it too.

    Right: the row's own prompt, else its keywords among 40 distractors, else "". Wrong: the next
    right prompt, in a seeded permutation, that is not empty, of another recording and the same
    language, and holds none of the row's keywords.
    Prompts come from all rows, drawn or not, and fit whichever vocabulary a model has.
    """
    both = (get_tokenizer(False), get_tokenizer(True))

    @cache
    def right(i: int) -> str:
        if rows[i].prompt.strip():
            return rows[i].prompt
        return keyword_prompt(rows, i, example_rng(seed, 0, i), both, n_distractors=n_distractors)

    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    ring = [place for place, i in enumerate(order) if rows[i].prompt or rows[i].keywords]
    place_of = {i: place for place, i in enumerate(order)}
    n_drawn = len(rows) if n_rows is None else min(n_rows, len(rows))
    drawn = sorted(random.Random(f"rows {seed}").sample(range(len(rows)), n_drawn))
    wrongs: list[str | None] = []
    for i in drawn:
        first = bisect_right(ring, place_of[i])
        turns = range(first, first + min(len(ring), MAX_TRIES))
        following = (order[ring[turn % len(ring)]] for turn in turns)
        given = (right(j) for j in following if _apart(rows[i], rows[j]) and right(j).strip())
        wrongs.append(next((p for p in given if is_wrong(p, right(i), rows[i])), None))
    terms = list(dict.fromkeys(term for row in rows for term in row.keywords))
    return PromptedRows([rows[i] for i in drawn], [right(i) for i in drawn], wrongs, terms)


def _apart(row: Row, other: Row) -> bool:
    """Whether another row's prompt can be wrong: of the text's language, and no neighbour's."""
    same = bool(row.recording) and row.recording == other.recording
    return not same and row.written_language == other.written_language
