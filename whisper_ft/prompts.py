"""Which text stands before a row: a random policy in training, fixed conditions in evaluation."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, fields

from whisper.tokenizer import Tokenizer, get_tokenizer

from whisper_ft.manifest import Row
from whisper_ft.metrics import plain, term_count

PROMPT_ROOM = 223  # ids of a prompt that whisper's decoder keeps: n_text_ctx // 2 - 1
DISTRACTORS = (5, 40)  # terms of other rows in a training glossary, at least and at most
MAX_TRIES = 1000  # other rows' prompts looked at for a wrong one
MAX_DRAWS = 50  # other rows looked at for each distractor wanted, before going on with fewer


@dataclass(frozen=True)
class PromptPolicy:
    """How a training visit's prompt is drawn: each kind's share of the visits, the rest none."""

    own: float = 0.5  # the row's prompt; where it has none, its keywords among others'

    def __call__(
        self,
        rows: Sequence[Row],
        index: int,
        rng: random.Random,
        *,
        timestamps: bool,
        tokenizer: Tokenizer,
    ) -> str | list[int]:
        """The prompt of one visit to rows[index]; "" is none. All chance comes from `rng`.

        `timestamps`, whether the visit's targets have them, was drawn before: pre-training put
        timestamps in the prompt exactly then, which kinds that quote earlier text must follow.
        """
        if rng.random() >= self.own:
            return ""
        return own_prompt(rows, index, rng, (tokenizer,), n_distractors=rng.randint(*DISTRACTORS))


def parse_policy(text: str) -> PromptPolicy:
    """The policy that `own=.5` writes. Raises ValueError with what is wrong."""
    rates: dict[str, float] = {}
    kinds = [field.name for field in fields(PromptPolicy)]
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, _, number = part.partition("=")
        if kind not in kinds or kind in rates:
            raise ValueError(
                f"--prompts: {part}: give each of {', '.join(kinds)} once, as kind=share"
            )
        try:
            rates[kind] = float(number)
        except ValueError:
            raise ValueError(f"--prompts: {part}: the share must be a number, as own=.5") from None
    if not all(0 <= rate <= 1 for rate in rates.values()) or sum(rates.values()) > 1:
        raise ValueError(f"--prompts: {text}: shares lie between 0 and 1 and add up to at most 1")
    return PromptPolicy(**{**dict.fromkeys(kinds, 0.0), **rates})


def own_prompt(
    rows: Sequence[Row],
    index: int,
    rng: random.Random,
    tokenizers: Sequence[Tokenizer],
    *,
    n_distractors: int,
) -> str:
    """The row's prompt; where it has none, a glossary of its keywords; "" without either."""
    row = rows[index]
    return row.prompt or glossary(rows, index, rng, tokenizers, n_distractors=n_distractors)


def glossary(
    rows: Sequence[Row],
    index: int,
    rng: random.Random,
    tokenizers: Sequence[Tokenizer],
    *,
    n_distractors: int,
) -> str:
    """The row's keywords, shuffled among keywords that other rows of its language have.

    Terms stop before 223 ids by any of the tokenizers, right ones coming first, so that the
    decoder's cut from the left takes none; "" for a row without keywords.
    """
    row = rows[index]
    if not row.keywords:
        return ""
    text = plain(row.text, cased=False)
    terms: dict[str, str] = {}  # by how they compare, so that no term comes twice
    room = PROMPT_ROOM

    def add(term: str) -> None:
        nonlocal room
        if (key := plain(term, cased=False)) not in terms:
            ids = (t.encode(f" {term},", disallowed_special=()) for t in tokenizers)
            if (n_ids := max(map(len, ids))) <= room:
                terms[key] = term
                room -= n_ids

    for keyword in row.keywords:
        add(keyword)
    n_right = len(terms)
    for _ in range(MAX_DRAWS * n_distractors):
        other = rows[rng.randrange(len(rows))]
        if len(terms) == n_right + n_distractors:
            break
        if other.keywords and other.language == row.language:
            term = rng.choice(other.keywords)
            if not term_count(term, text, cased=False):  # what is said is no distractor
                add(term)
    shuffled = list(terms.values())
    rng.shuffle(shuffled)
    return ", ".join(shuffled)


def visit_rng(seed: int, visit: int, index: int) -> random.Random:
    """All chance of one visit to a row, whichever worker or resumed run makes it."""
    return random.Random(f"{seed} {visit} {index}")


@dataclass(frozen=True)
class PromptedRows:
    """Rows with the prompts under which an evaluation decodes them, the same for every model."""

    rows: Sequence[Row]
    rights: Sequence[str]  # "" where a row has neither prompt nor keywords
    wrongs: Sequence[str | None]  # None, which is not scored, where no other row's prompt is wrong


def evaluation_rows(
    rows: Sequence[Row], *, seed: int, n_rows: int | None = None, n_distractors: int = 40
) -> PromptedRows:
    """Rows for an evaluation, at most `n_rows` of them, drawn by the seed; prompts by it too.

    Right: the row's own prompt, else its keywords among 40 distractors, else "". Wrong: the next
    right prompt, in a seeded permutation, that is not empty and holds none of the row's keywords.
    Prompts come from all rows, drawn or not, and fit whichever vocabulary a model has.
    """
    both = (get_tokenizer(False), get_tokenizer(True))
    rights = [
        own_prompt(rows, i, visit_rng(seed, 0, i), both, n_distractors=n_distractors)
        for i in range(len(rows))
    ]
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    ring = [place for place, i in enumerate(order) if rights[i].strip()]  # of rows with a prompt
    place_of = {i: place for place, i in enumerate(order)}
    n_drawn = len(rows) if n_rows is None else min(n_rows, len(rows))
    drawn = sorted(random.Random(f"rows {seed}").sample(range(len(rows)), n_drawn))
    wrongs: list[str | None] = []
    for i in drawn:
        first = bisect_right(ring, place_of[i])
        turns = range(first, first + min(len(ring), MAX_TRIES))
        following = (rights[order[ring[turn % len(ring)]]] for turn in turns)
        wrongs.append(next((p for p in following if _is_wrong(p, rights[i], rows[i])), None))
    return PromptedRows([rows[i] for i in drawn], [rights[i] for i in drawn], wrongs)


def _is_wrong(prompt: str, right: str, row: Row) -> bool:
    held = plain(prompt, cased=False)
    return prompt != right and not any(term_count(k, held, cased=False) for k in row.keywords)
