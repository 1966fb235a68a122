"""Tokens that spell terms of the prompt."""

import random

import pytest

from whisper_ft.data.bpe_dropout import DroppingTokenizer
from whisper_ft.data.term_tokens import find_term_tokens
from whisper_ft.text.tokens import IGNORE, Segment, build_example


def marked(tokenizer, text, prompt, keywords, spellings=None, **options):
    """Return the words of a text's targets that are marked, and whether a masked target is."""
    _, targets = build_example(tokenizer, text, prompt, **options)
    marks = find_term_tokens(tokenizer, targets, prompt, keywords, spellings or {})
    assert len(marks) == len(targets)
    assert not any(mark and target == IGNORE for mark, target in zip(marks, targets, strict=True))
    return tokenizer.decode([t for t, mark in zip(targets, marks, strict=True) if mark])


def test_the_tokens_of_terms_that_the_prompt_holds_are_found(tokenizer):
    text, prompt = "Call Zalvexo and Kathryn's Ögüt, now.", "Quill, ZALVEXO, Ögüt."
    keywords = ("Zalvexo", "Kathryn", "Ögüt")
    assert marked(tokenizer, text, prompt, keywords).split() == ["Zalvexo", "Ögüt"]


def test_each_occurrence_counts_and_parts_of_longer_words_do_not(english):
    text = "Reid told Reid about Reidville."
    assert marked(english, text, "Reid", ("Reid",)).split() == ["Reid", "Reid"]


def test_timestamps_stand_between_words(english):
    segments = [Segment(0.0, 1.0, "Call Reid"), Segment(1.0, 2.0, "Mohr now.")]
    found = marked(english, "Call Reid Mohr now.", "Reid, Mohr", ("Reid", "Mohr"),
                   segments=segments, timestamps=True)  # fmt: skip
    assert found.split() == ["Reid", "Mohr"]


def test_other_spellings_are_found(english):
    found = marked(english, "Call Kwil.", "Kwil", ("Quill",), {"quill": "Kwil"})
    assert found.split() == ["Kwil"]


@pytest.mark.parametrize(
    ("prompt", "keywords"), [("", ("Reid",)), ("Mohr", ("Reid",)), ("Reid", ())]
)
def test_without_a_term_in_the_prompt_nothing_is_marked(english, prompt, keywords):
    assert marked(english, "Call Reid.", prompt, keywords) == ""


def test_dropped_merges_change_tokens_and_not_what_they_spell(english):
    dropping = DroppingTokenizer(english, 0.5, random.Random(0))
    assert marked(dropping, "Call Zalvexo now.", "Zalvexo", ("Zalvexo",)).split() == ["Zalvexo"]
