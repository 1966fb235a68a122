"""The prompt policy of training: a mixture of kinds of prompt, drawn anew for every example."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from whisper.tokenizer import Tokenizer

from whisper_ft.data.prompt_kinds import RIGHT_KINDS, Prompt, PromptDraw, previous_rows
from whisper_ft.data.row import Row
from whisper_ft.data.rows import row_keywords
from whisper_ft.text.counts import format_count
from whisper_ft.text.terms import normalize_text

KINDS = (*RIGHT_KINDS, "wrong")
MAX_COUNTED = 20_000  # rows whose kinds of prompt are counted for a summary


@dataclass(frozen=True)
class PromptPolicy:
    """The share of examples that get each kind of prompt; the rest get none.

    If a row lacks a kind, its other kinds get that share, except `wrong`.
    """

    own: float = 0.0
    previous: float = 0.0
    keywords: float = 0.0
    carried: float = 0.0
    style: float = 0.0
    wrong: float = 0.0
    distractors: tuple[int, int] = (5, 40)  # in a keyword prompt, at least and at most
    glossary: tuple[str, ...] = field(default=(), repr=False)  # half of the distractors, if any

    @property
    def gives_prompts(self) -> bool:
        """Whether any example gets a prompt."""
        return any(getattr(self, kind) for kind in KINDS)

    def __call__(
        self,
        rows: Sequence[Row],
        index: int,
        rng: random.Random,
        *,
        timestamps: bool,
        tokenizer: Tokenizer,
    ) -> Prompt:
        """Draw the prompt of one example of rows[index]: text or ids, empty for none.

        Only `rng` is drawn from. `timestamps` says whether the targets have timestamps: previous
        text then has them too, as in pre-training.
        """
        draw = PromptDraw(rows, index, rng, timestamps, tokenizer, self.distractors, self.glossary)
        shares = {kind: getattr(self, kind) for kind in RIGHT_KINDS if getattr(self, kind)}
        number = rng.random()
        if number < self.wrong:
            return draw.wrong(shares)
        if number >= self.wrong + sum(shares.values()):
            return ""
        # silence has no words that a prompt could be right about
        return draw.right(shares) or (draw.wrong(shares) if not rows[index].text.strip() else "")


def parse_policy(
    text: str, distractors: tuple[int, int], glossary: tuple[str, ...] = ()
) -> PromptPolicy:
    """Return the policy for a text such as `own=.3,previous=.2`. Raises ValueError."""
    rates: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, _, number = part.partition("=")
        if kind not in KINDS or kind in rates:
            raise ValueError(
                f"--prompts: {part}: give each of {', '.join(KINDS)} at most once, as kind=share"
            )
        try:
            rates[kind] = float(number)
        except ValueError:
            raise ValueError(f"--prompts: {part}: the share must be a number, as own=.5") from None
    if not all(0 <= rate <= 1 for rate in rates.values()) or sum(rates.values()) > 1 + 1e-9:
        raise ValueError(f"--prompts: {text}: shares lie between 0 and 1 and add up to at most 1")
    if distractors[0] > distractors[1]:
        raise ValueError(f"--distractors: {distractors}: give the minimum, then the maximum")
    return PromptPolicy(**rates, distractors=distractors, glossary=glossary)


NEEDS = {  # what rows must have for a kind of prompt
    "own": "`prompt`",
    "keywords": "`keywords`",
    "previous": "`recording`, and write them in its order",
    "carried": "`recording`, and write them in its order",
    "style": "texts in several styles of writing",
}


def prompt_coverage(policy: PromptPolicy, rows: Sequence[Row], every: int = 1) -> dict[str, int]:
    """Count the rows that have each right kind of a policy, among every `every`-th row."""
    indices = range(0, len(rows), every)
    spoken = (row for row in map(rows.__getitem__, indices) if row.text.strip())
    writings = {row.writing for row in spoken}
    n_styles = Counter(writing.language for writing in writings)
    counts = Counter[str]()
    for i in indices:
        row = rows[i]
        previous = any(earlier.text.strip() for earlier, _ in previous_rows(rows, i))
        own, keywords = bool(row.prompt.strip()), bool(row.keywords)
        counts["own"] += own
        counts["previous"] += previous
        counts["keywords"] += keywords
        counts["carried"] += previous and (own or keywords)
        counts["style"] += bool(row.text.strip()) and n_styles[row.written_language] > 1
    return {kind: counts[kind] for kind in RIGHT_KINDS if getattr(policy, kind)}


def format_coverage(policy: PromptPolicy, rows: Sequence[Row]) -> str:
    """Return `prompt_coverage` of at most MAX_COUNTED rows as a line; "" where all are wrong."""
    every = -(-len(rows) // MAX_COUNTED) or 1
    counts = prompt_coverage(policy, rows, every)
    if not counts:
        return "" if policy.wrong else "--prompts gives no prompts: training uses none"
    if not any(counts.values()):
        remedies = "; or ".join(dict.fromkeys(NEEDS[kind] for kind in counts))
        return (
            f"no row has a prompt of the kinds {', '.join(counts)}: training will use no prompts "
            f"of these kinds: give rows {remedies}"
        )
    listed = ", ".join(f"{kind} {n}" for kind, n in counts.items())
    return f"rows with each kind of prompt, of {len(range(0, len(rows), every))}: {listed}"


def describe_few_terms(policy: PromptPolicy, rows: Sequence[Row]) -> str:
    """Return a warning if rows and glossary hold too few terms for lists; "" for enough."""
    fewest = policy.distractors[0]
    if not policy.keywords:
        return ""
    terms = {normalize_text(term, cased=False) for term in policy.glossary}
    for index in range(len(rows)):
        terms.update(normalize_text(term, cased=False) for term in row_keywords(rows, index))
        if len(terms) > fewest:
            return ""
    if not terms:  # the coverage of kinds says so
        return ""
    sources, more = "rows", "a --glossary"
    if policy.glossary:
        sources, more = "rows and --glossary", "terms to --glossary"
    return (
        f"--distractors: {fewest} at least: {sources} have only "
        f"{format_count(len(terms), 'different keyword')}, so lists are shorter and much alike: "
        f"add rows with other keywords, or {more}"
    )


def example_rng(seed: int, pass_number: int, index: int) -> random.Random:
    """Return the random generator of one example, the same in every worker and resumed run."""
    return random.Random(f"{seed} {pass_number} {index}")
