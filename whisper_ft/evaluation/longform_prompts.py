"""Choose the right and wrong initial prompts of whole recordings, the same for every model."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain, islice

from whisper.tokenizer import Tokenizer, get_tokenizer

from whisper_ft.data.keyword_prompts import keyword_prompt
from whisper_ft.data.prompt_kinds import MAX_CARRIED_TOKENS, is_wrong_prompt
from whisper_ft.data.prompts import example_rng
from whisper_ft.data.row import Row
from whisper_ft.evaluation.conditions import PromptedRows, is_unrelated
from whisper_ft.evaluation.longform_recordings import draw_recordings
from whisper_ft.text.terms import normalize_text, term_count

MAX_RIGHT_TERMS = 30  # of a recording's keywords in its glossary, which leaves room for others
MAX_OTHERS = 50  # other recordings whose prompts are tried, and whose terms are in a wrong one


def prompt_recordings(
    recordings: Sequence[Row],
    *,
    seed: int,
    n_distractors: int = 40,
    total_seconds: float | None = None,
) -> PromptedRows:
    """Return recordings with their prompts; draw at most `total_seconds` of them if it is given.

    The right prompt is the one that all rows of a recording share, or else a glossary: up to
    `MAX_RIGHT_TERMS` of its rows' keywords, chosen by the seed, among `n_distractors` keywords of
    other recordings; or else "". The returned rows' keywords are then those in the glossary.
    The wrong prompt is that of another recording of the same language, and its glossary leaves out
    what this recording says. Prompts come from all recordings, drawn or not, and have at most 222
    ids in both vocabularies, so that `carry_initial_prompt` keeps all of them.
    """
    prompts = _Prompts(recordings, seed, n_distractors)
    drawn: Sequence[int] = range(len(recordings))
    if total_seconds is not None:
        drawn = draw_recordings(recordings, total_seconds, seed)
    right = [prompts.right(i) for i in drawn]
    rows = [
        replace(recordings[i], keywords=prompts.scored_keywords(i, prompt))
        for i, prompt in zip(drawn, right, strict=True)
    ]
    terms = list(dict.fromkeys(term for row in recordings for term in row.keywords))
    wrong = [prompts.wrong(i, prompt) for i, prompt in zip(drawn, right, strict=True)]
    return PromptedRows(rows, right, wrong, terms)


class _Prompts:
    """The prompts of recordings, by index."""

    def __init__(self, recordings: Sequence[Row], seed: int, n_distractors: int) -> None:
        self._recordings = recordings
        self._seed = seed
        self._n_distractors = n_distractors
        self._tokenizers = (get_tokenizer(False), get_tokenizer(True))
        self._own = [_shared_prompt(row, self._tokenizers) for row in recordings]
        self._order = list(range(len(recordings)))  # in which others are tried as wrong prompts
        random.Random(f"wrong {seed}").shuffle(self._order)
        self._place_of = {i: place for place, i in enumerate(self._order)}

    @cached_property
    def _glossary_rows(self) -> list[Row]:
        """The recordings, with at most MAX_RIGHT_TERMS keywords each."""
        return [
            replace(row, keywords=_sample(row.keywords, f"terms {self._seed} {i}"))
            for i, row in enumerate(self._recordings)
        ]

    def right(self, i: int) -> str:
        """Return the right prompt of a recording, "" if it has none."""
        return self._own[i] or self._glossary(self._glossary_rows, i, example_rng(self._seed, 0, i))

    def scored_keywords(self, i: int, right: str) -> tuple[str, ...]:
        """Return the keywords of a recording that its right prompt could help with."""
        keywords = self._recordings[i].keywords
        if self._own[i] or not right:
            return keywords
        plain = normalize_text(right, cased=False)
        return tuple(k for k in keywords if term_count(k, plain, cased=False))

    def wrong(self, i: int, right: str) -> str | None:
        """Return the prompt of the next other recording that can serve as the wrong one."""
        recording = self._recordings[i]
        others = list(islice(self._others(i), MAX_OTHERS))
        text = normalize_text(recording.text, cased=False)
        unsaid = [_without_said(self._glossary_rows[j], text) for j in others]
        rng = random.Random(f"wrong {self._seed} {i}")
        for place, j in enumerate(others):
            prompt = self._own[j] or self._glossary(unsaid, place, rng)
            if prompt and is_wrong_prompt(prompt, right, recording):
                return prompt
        return None

    def _others(self, i: int) -> Iterator[int]:
        """Yield other recordings with a prompt, of the same language, in seeded order."""
        recording = self._recordings[i]
        place = self._place_of[i]
        for j in chain(self._order[place + 1 :], self._order[:place]):
            other = self._recordings[j]
            has_prompt = self._own[j] or other.keywords
            if has_prompt and is_unrelated(recording, other):
                yield j

    def _glossary(self, rows: Sequence[Row], i: int, rng: random.Random) -> str:
        return keyword_prompt(
            rows,
            i,
            rng,
            self._tokenizers,
            n_distractors=self._n_distractors,
            max_tokens=MAX_CARRIED_TOKENS,
        )


def _sample(terms: Sequence[str], seed: str) -> tuple[str, ...]:
    return tuple(random.Random(seed).sample(terms, min(MAX_RIGHT_TERMS, len(terms))))


def _without_said(row: Row, text: str) -> Row:
    """Return a row without the keywords that occur in a plain text."""
    unsaid = []
    for term in row.keywords:
        key = normalize_text(term, cased=False)
        if key not in text or not term_count(key, text, cased=False):  # the cheap test first
            unsaid.append(term)
    return replace(row, keywords=tuple(unsaid))


def _shared_prompt(recording: Row, tokenizers: Sequence[Tokenizer]) -> str:
    """Return the prompt that all rows of a recording have, or its end if it is too long to carry.

    Returns "" if they have none, or different ones.
    """
    prompts = {part.prompt.strip() for part in recording.parts or (recording,)}
    if len(prompts) > 1:
        return ""
    (prompt,) = prompts
    while prompt and any(_n_tokens(prompt, t) > MAX_CARRIED_TOKENS for t in tokenizers):
        prompt = (prompt.partition(" ")[2] or prompt[1:]).strip()
    return prompt


def _n_tokens(prompt: str, tokenizer: Tokenizer) -> int:
    return len(tokenizer.encode(f" {prompt}", disallowed_special=()))
