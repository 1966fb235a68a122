"""Which text stands before a row in training: a mixture of kinds, drawn anew at every visit."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from whisper.tokenizer import Tokenizer

from whisper_ft.data.keyword_prompts import MAX_PROMPT_TOKENS, WORDINGS, keyword_prompt
from whisper_ft.data.row import Row
from whisper_ft.text.terms import normalize_text, reveals_text, term_count
from whisper_ft.text.tokens import (
    encode_prompt,
    encode_segments,
    encode_text,
    keep_last,
    timestamp_id,
)

RIGHT_KINDS = ("own", "previous", "keywords", "carried", "style")
KINDS = (*RIGHT_KINDS, "wrong")
DROP_RATE = 0.1  # of right terms: a glossary is not always complete
MAX_CARRIED_TOKENS = (
    MAX_PROMPT_TOKENS - 1
)  # with all 223, `carry_initial_prompt` would keep no glossary at all
DANGLING_RATE = 0.5  # pre-training's prompts end with a cut segment's start, `transcribe`'s do not
MAX_TRIES = 20  # other rows looked at for a wrong prompt
MAX_COUNTED = 20_000  # rows looked at to tell which kinds of prompt there are
MAX_LOOKS = 50  # other rows looked at for one written alike

Prompt = str | list[int]


@dataclass(frozen=True)
class PromptPolicy:
    """How a training visit's prompt is drawn: each kind's share of the visits, the rest none.

    A kind that a row lacks passes its share to the row's other kinds, `wrong` apart.
    """

    own: float = 0.0
    previous: float = 0.0
    keywords: float = 0.0
    carried: float = 0.0
    style: float = 0.0
    wrong: float = 0.0
    distractors: tuple[int, int] = (5, 40)  # in a glossary, at least and at most

    def __call__(
        self,
        rows: Sequence[Row],
        index: int,
        rng: random.Random,
        *,
        timestamps: bool,
        tokenizer: Tokenizer,
    ) -> Prompt:
        """The prompt of one visit to rows[index], text or ids; empty is none.

        All chance comes from `rng`. `timestamps`, whether the visit's targets have them, was drawn
        before: pre-training put timestamps in the prompt exactly then.
        """
        visit = _Visit(rows, index, rng, timestamps, tokenizer, self.distractors)
        shares = {kind: getattr(self, kind) for kind in RIGHT_KINDS if getattr(self, kind)}
        draw = rng.random()
        if draw < self.wrong:
            return visit.wrong(shares)
        if draw >= self.wrong + sum(shares.values()):
            return ""
        # silence has no words that a prompt could be right about
        return visit.right(shares) or (visit.wrong(shares) if not rows[index].text.strip() else "")


def parse_policy(text: str, distractors: tuple[int, int]) -> PromptPolicy:
    """The policy that `own=.3,previous=.2` writes. Raises ValueError with what is wrong."""
    rates: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, _, number = part.partition("=")
        if kind not in KINDS or kind in rates:
            raise ValueError(
                f"--prompts: {part}: give each of {', '.join(KINDS)} once, as kind=share"
            )
        try:
            rates[kind] = float(number)
        except ValueError:
            raise ValueError(f"--prompts: {part}: the share must be a number, as own=.5") from None
    if not all(0 <= rate <= 1 for rate in rates.values()) or sum(rates.values()) > 1 + 1e-9:
        raise ValueError(f"--prompts: {text}: shares lie between 0 and 1 and add up to at most 1")
    if distractors[0] > distractors[1]:
        raise ValueError(f"--distractors: {distractors}: give the fewest, then the most")
    return PromptPolicy(**rates, distractors=distractors)


def coverage(policy: PromptPolicy, rows: Sequence[Row], every: int = 1) -> dict[str, int]:
    """How many of every so manieth row have each right kind that a policy draws."""
    seen = range(0, len(rows), every)
    spoken = (row for row in map(rows.__getitem__, seen) if row.text.strip())
    styles = {(row.written_language, row.style) for row in spoken}
    languages = Counter(language for language, _ in styles)
    counts = Counter[str]()
    for i in seen:
        row = rows[i]
        previous = any(before.text.strip() for before, _ in _before(rows, i))
        own, keywords = bool(row.prompt.strip()), bool(row.keywords)
        counts["own"] += own
        counts["previous"] += previous
        counts["keywords"] += keywords
        counts["carried"] += previous and (own or keywords)
        counts["style"] += bool(row.text.strip()) and languages[row.written_language] > 1
    return {kind: counts[kind] for kind in RIGHT_KINDS if getattr(policy, kind)}


def coverage_line(policy: PromptPolicy, rows: Sequence[Row]) -> str:
    """The same of a part of very many rows, for a person, in a line; "" for no right kind."""
    every = -(-len(rows) // MAX_COUNTED) or 1
    counts = coverage(policy, rows, every)
    if not counts:
        return ""
    if not any(counts.values()):
        return f"no row has a prompt of the kinds {', '.join(counts)}: training goes without"
    told = ", ".join(f"{kind} {n}" for kind, n in counts.items())
    return f"of {len(range(0, len(rows), every))} rows have a prompt of each kind: {told}"


def example_rng(seed: int, visit: int, index: int) -> random.Random:
    """All chance of one visit to a row, whichever worker or resumed run makes it."""
    return random.Random(f"{seed} {visit} {index}")


@dataclass(frozen=True)
class _Visit:
    """A visit to rows[index]; each kind is a method that gives its prompt, "" where it has none."""

    rows: Sequence[Row]
    index: int
    rng: random.Random
    timestamps: bool
    tokenizer: Tokenizer
    distractors: tuple[int, int]
    avoided: str = ""  # another recording whose texts are not taken

    @property
    def row(self) -> Row:
        return self.rows[self.index]

    def right(self, shares: dict[str, float]) -> Prompt:
        """A prompt of a kind drawn by the shares, among those that the row has."""
        left = dict(shares)
        while left:
            kind = self.rng.choices(list(left), list(left.values()))[0]
            if prompt := getattr(self, kind)():
                return prompt
            del left[kind]
        return ""

    def own(self) -> Prompt:
        return self.row.prompt.strip()

    def previous(self) -> Prompt:
        return previous_ids(
            self.rows, self.index, self.rng, timestamps=self.timestamps, tokenizer=self.tokenizer
        )

    def keywords(self, room: int = MAX_PROMPT_TOKENS) -> str:
        return keyword_prompt(
            self.rows,
            self.index,
            self.rng,
            (self.tokenizer,),
            n_distractors=self.rng.randint(*self.distractors),
            drop_rate=DROP_RATE,
            wording=self.rng.choice(WORDINGS),
            room=room,
        )

    def carried(self) -> Prompt:
        """What `transcribe(initial_prompt=..., carry_initial_prompt=True)` sends after a while."""
        first = self.row.prompt.strip() or self.keywords(MAX_CARRIED_TOKENS)
        ids = keep_last(encode_prompt(self.tokenizer, first), MAX_CARRIED_TOKENS)
        history = self.previous()
        return [*ids, *history[-(MAX_PROMPT_TOKENS - len(ids)) :]] if ids and history else ""

    def style(self) -> Prompt:
        """Another text of the row's case and punctuation; none where all are written alike."""
        others = [self.rows[i] for i in self._others(MAX_LOOKS) if self.rows[i].text.strip()]
        alike = (
            other.text
            for other in others
            if other.style == self.row.style and not reveals_text(other.text, self.row.text)
        )
        several = any(other.style != self.row.style for other in others)
        return next(alike, "") if several else ""

    def wrong(self, shares: dict[str, float]) -> Prompt:
        """What another row would get: none that holds this row's keywords.

        It is written as this row is, so that a prompt's style goes on to mean something.
        """
        shares = shares or dict.fromkeys(("own", "previous", "keywords"), 1.0)
        for i in self._others(MAX_TRIES):
            if self.row.text.strip() and self.rows[i].style != self.row.style:
                continue
            prompt = replace(self, index=i, avoided=self.row.recording).right(shares)
            text = prompt if isinstance(prompt, str) else self.tokenizer.decode(prompt)
            if prompt and is_wrong(text, self.row.prompt, self.row):
                return prompt
        return ""

    def _others(self, n: int) -> Iterator[int]:
        """At most n random rows in the language of the row's text, none of its recording."""
        for _ in range(n):
            i = self.rng.randrange(len(self.rows))
            other, row = self.rows[i], self.row
            taken = (row.recording, self.avoided)
            apart = other.recording not in taken if other.recording else i != self.index
            if apart and other.written_language == row.written_language:
                yield i


def is_wrong(prompt: str, right: str, row: Row) -> bool:
    """Whether a prompt is another than the right one, and holds neither text nor keywords."""
    held = normalize_text(prompt, cased=False)
    return (
        held != normalize_text(right, cased=False)
        and not reveals_text(prompt, row.text)
        and not any(term_count(k, held, cased=False) for k in row.keywords)
    )


def previous_ids(
    rows: Sequence[Row],
    index: int,
    rng: random.Random,
    *,
    timestamps: bool,
    tokenizer: Tokenizer,
) -> list[int]:
    """The last 223 ids of the texts before a row in its recording; none at its beginning.

    With timestamps exactly when the target has them (Whisper paper, section 2.3), each row's own;
    like `transcribe`, without segments that say nothing or take no time.
    Where the row before was cut in a segment, pre-training had that segment's start at the end of
    the prompt, and `transcribe` does not send it: it stands there half of the time.
    """
    ids: list[int] = []
    for row, is_nearest in _before(rows, index):
        if not row.text.strip():
            continue
        if not timestamps:
            ids = encode_text(tokenizer, row.text) + ids
        else:
            segments = row.resolved_segments(row.duration or 0.0)
            said = [s for s in segments if s.text.strip() and s.end is not None and s.end > s.start]
            ids = (encode_segments(tokenizer, said) if said else []) + ids
            if is_nearest and segments[-1].end is None and rng.random() < DANGLING_RATE:
                ids.append(timestamp_id(tokenizer, segments[-1].start))
        if len(ids) >= MAX_PROMPT_TOKENS:
            break
    return keep_last(ids, MAX_PROMPT_TOKENS)


def _before(rows: Sequence[Row], index: int) -> Iterator[tuple[Row, bool]]:
    """(row, whether it is the nearest) of the rows before one in its recording, backwards."""
    i = index
    while i > 0 and rows[i].continues(rows[i - 1]):
        i -= 1
        yield rows[i], i == index - 1
