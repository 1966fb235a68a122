"""The kinds of prompt that an example can get, and the previous text of a recording."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

from whisper.tokenizer import Tokenizer

from whisper_ft.data.keyword_prompts import MAX_PROMPT_TOKENS, WORDINGS, keyword_prompt
from whisper_ft.data.row import Row
from whisper_ft.data.rows import row_writing
from whisper_ft.text.terms import normalize_text, reveals_text, term_count
from whisper_ft.text.tokens import (
    encode_prompt,
    encode_segments,
    encode_text,
    keep_last,
    timestamp_id,
)

RIGHT_KINDS = ("own", "previous", "keywords", "carried", "style")
DROP_RATE = 0.1  # share of a row's keywords that its keyword prompt lacks: users' lists do too
# With all 223 ids, `carry_initial_prompt` would leave no id for the previous text
MAX_CARRIED_TOKENS = MAX_PROMPT_TOKENS - 1
DANGLING_RATE = 0.5  # pre-training's prompts end with a cut segment's start, `transcribe`'s do not
MAX_WRONG_DRAWS = 20  # rows drawn for a wrong prompt
MAX_STYLE_DRAWS = 50  # rows drawn for a style prompt

Prompt: TypeAlias = str | list[int]  # text or ids; empty is no prompt


@dataclass(frozen=True)
class PromptDraw:
    """The draw of a prompt for rows[index].

    The methods named after RIGHT_KINDS return a prompt of that kind, empty if the row has none.
    """

    rows: Sequence[Row]
    index: int
    rng: random.Random
    timestamps: bool
    tokenizer: Tokenizer
    distractors: tuple[int, int]  # in a keyword prompt, at least and at most
    glossary: tuple[str, ...] = ()  # terms among which the keywords of a prompt stand
    avoided: str = ""  # another recording whose texts are not used

    @cached_property
    def row(self) -> Row:
        return self.rows[self.index]

    def right(self, shares: Mapping[str, float]) -> Prompt:
        """Return a prompt of a kind drawn by the shares, among the kinds that the row has."""
        remaining = dict(shares)
        while remaining:
            kind = self.rng.choices(list(remaining), list(remaining.values()))[0]
            prompt: Prompt = getattr(self, kind)()
            if prompt:
                return prompt
            del remaining[kind]
        return ""

    def own(self) -> Prompt:
        """Return the row's prompt."""
        return self.row.prompt.strip()

    def previous(self) -> list[int]:
        """Return the ids of the previous text: that of the rows before it in its recording."""
        return previous_ids(
            self.rows, self.index, self.rng, timestamps=self.timestamps, tokenizer=self.tokenizer
        )

    def keywords(self, max_tokens: int = MAX_PROMPT_TOKENS) -> str:
        """Return the row's keywords among distractors."""
        return keyword_prompt(
            self.rows,
            self.index,
            self.rng,
            (self.tokenizer,),
            n_distractors=self.rng.randint(*self.distractors),
            drop_rate=DROP_RATE,
            wording=self.rng.choice(WORDINGS),
            max_tokens=max_tokens,
            glossary=self.glossary,
        )

    def carried(self) -> Prompt:
        """Return the prompt of a later window of `transcribe(carry_initial_prompt=True)`.

        It is the row's prompt or keywords, then the previous text.
        """
        first = self.row.prompt.strip() or self.keywords(MAX_CARRIED_TOKENS)
        ids = keep_last(encode_prompt(self.tokenizer, first), MAX_CARRIED_TOKENS)
        previous = self.previous()
        return [*ids, *previous[-(MAX_PROMPT_TOKENS - len(ids)) :]] if ids and previous else ""

    def style(self) -> Prompt:
        """Return another text in the row's style; none if all rows drawn have one style."""
        style, text = self.row.style, self.row.text
        others = [self.rows[i] for i in self._others(MAX_STYLE_DRAWS) if self.rows[i].text.strip()]
        if all(other.style == style for other in others):
            return ""
        alike = (other.text for other in others if other.style == style)
        return next((other for other in alike if not reveals_text(other, text)), "")

    def wrong(self, shares: Mapping[str, float]) -> Prompt:
        """Return a prompt of another row that holds none of this row's keywords.

        The other row's text has the style of this row's, so that a prompt's style keeps its
        meaning.
        """
        shares = shares or dict.fromkeys(("own", "previous", "keywords"), 1.0)
        for i in self._others(MAX_WRONG_DRAWS):
            if self.row.text.strip() and self.rows[i].style != self.row.style:
                continue
            prompt = replace(self, index=i, avoided=self.row.recording).right(shares)
            text = prompt if isinstance(prompt, str) else self.tokenizer.decode(prompt)
            if prompt and is_wrong_prompt(text, self.row.prompt, self.row):
                return prompt
        return ""

    def _others(self, n_draws: int) -> Iterator[int]:
        """Draw rows and yield those in the language of the row's text, of another recording."""
        n_rows, language = len(self.rows), self.row.written_language
        excluded = (self.row.recording, self.avoided)
        for _ in range(n_draws):
            i = self.rng.randrange(n_rows)
            if row_writing(self.rows, i).language != language:
                continue
            recording = self.rows[i].recording
            if recording not in excluded if recording else i != self.index:
                yield i


def is_wrong_prompt(prompt: str, right: str, row: Row) -> bool:
    """Return whether a prompt differs from the right one and holds neither text nor keywords."""
    normalized = normalize_text(prompt, cased=False)
    return (
        normalized != normalize_text(right, cased=False)
        and not reveals_text(prompt, row.text)
        and not any(term_count(keyword, normalized, cased=False) for keyword in row.keywords)
    )


def previous_ids(
    rows: Sequence[Row],
    index: int,
    rng: random.Random,
    *,
    timestamps: bool,
    tokenizer: Tokenizer,
) -> list[int]:
    """Return the last 223 ids of a row's previous text: the texts before it in its recording.

    They have timestamps exactly when the target has (Whisper paper, section 2.3). As in
    `transcribe`, segments without text or length are left out. If the row before was cut in a
    segment, pre-training's prompts end with that segment's start, and `transcribe`'s do not: half
    of ours do.
    """
    ids: list[int] = []
    for row, is_nearest in previous_rows(rows, index):
        if not row.text.strip():
            continue
        if not timestamps:
            ids = encode_text(tokenizer, row.text) + ids
        else:
            segments = row.resolved_segments(row.duration or 0.0)
            whole = [
                s for s in segments if s.text.strip() and s.end is not None and s.end > s.start
            ]
            ids = (encode_segments(tokenizer, whole) if whole else []) + ids
            if is_nearest and segments[-1].end is None and rng.random() < DANGLING_RATE:
                ids.append(timestamp_id(tokenizer, segments[-1].start))
        if len(ids) >= MAX_PROMPT_TOKENS:
            break
    return keep_last(ids, MAX_PROMPT_TOKENS)


def previous_rows(rows: Sequence[Row], index: int) -> Iterator[tuple[Row, bool]]:
    """Yield (row, whether it is the nearest) before a row in its recording, nearest first."""
    i = index
    while i > 0 and rows[i].continues(rows[i - 1]):
        i -= 1
        yield rows[i], i == index - 1
