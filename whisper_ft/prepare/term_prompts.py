"""Prompts in which a term stands among lookalikes of it and other terms."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from whisper.tokenizer import get_tokenizer

from whisper_ft.data.keyword_prompts import MAX_PROMPT_TOKENS
from whisper_ft.text.spelling import lookalike
from whisper_ft.text.terms import normalize_text, term_count

MAX_LOOKALIKES = 2  # of a term
MAX_OTHERS = 20  # other terms of a prompt


def draw_prompt(
    text: str,
    keywords: Sequence[str],
    terms: Sequence[str],
    language: str,
    rng: random.Random,
    is_word: Callable[[str], bool],
) -> str:
    """Return a text's keywords, lookalikes of them and up to 20 other terms, in random order.

    No lookalike and no other term stands in the text. The prompt has at most as many ids as
    whisper's decoder keeps. Returns "" without keywords.
    """
    if not keywords:
        return ""
    alike = [
        lookalike(keyword, language, rng, is_word)
        for keyword in keywords
        for _ in range(rng.randint(1, MAX_LOOKALIKES))
    ]
    others = rng.sample(terms, min(rng.randint(0, MAX_OTHERS), len(terms)))
    listed = {normalize_text(keyword, cased=False): keyword for keyword in keywords}
    for term in (*alike, *others):
        key = normalize_text(term, cased=False)
        if term and key not in listed and not term_count(term, text, cased=False):
            listed[key] = term
    fitting = _fitting(list(listed.values()))
    rng.shuffle(fitting)
    return ", ".join(fitting)


def _fitting(terms: list[str]) -> list[str]:
    """Return the first terms, as many as fit into a prompt of either vocabulary."""
    while len(terms) > 1 and _n_tokens(", ".join(terms)) > MAX_PROMPT_TOKENS:
        terms = terms[:-1]
    return terms


def _n_tokens(text: str) -> int:
    tokenizers = (get_tokenizer(False), get_tokenizer(True))
    return max(len(t.encode(f" {text}", disallowed_special=())) for t in tokenizers)
