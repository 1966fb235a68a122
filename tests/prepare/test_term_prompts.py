"""Prompts in which a term stands among lookalikes of it and other terms."""

import random

from whisper.tokenizer import get_tokenizer

from whisper_ft.prepare.term_prompts import draw_prompt

TERMS = ["Zyxin", "Leptomedusa", *(f"Term{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]


def draw_lists(text, keywords, terms, n_lists=50, is_word=lambda _: False):
    prompts = (
        draw_prompt(text, keywords, terms, "en", random.Random(seed), is_word)
        for seed in range(n_lists)
    )
    return [prompt.split(", ") for prompt in prompts]


def test_a_term_stands_among_lookalikes_of_it_and_other_terms():
    lists = draw_lists("I saw a Leptomedusa and Terma.", ["Leptomedusa"], TERMS)
    for listed in lists:
        assert listed.count("Leptomedusa") == 1 and len(listed) == len({*listed})
        lookalikes = {*listed} - {*TERMS}
        assert 1 <= len(lookalikes) <= 2
        assert all(word[:4] == "Lept" or word[-4:] == "dusa" for word in lookalikes)
        assert "Terma" not in listed  # it is said, though it is no keyword
    lengths = {len(listed) for listed in lists}
    assert min(lengths) <= 4 and max(lengths) >= 18
    assert len({listed.index("Leptomedusa") for listed in lists}) > 5


def test_a_lookalike_is_no_word_of_the_corpus_and_no_term_of_the_text():
    terms = ["Leptomedusa"]
    lookalikes = {w for listed in draw_lists("A Leptomedusa.", terms, []) for w in listed} - {
        *terms
    }
    assert len(lookalikes) > 5
    known = {word.lower() for word in lookalikes}
    lists = draw_lists("A Leptomedusa.", terms, [], is_word=known.__contains__)
    assert not {word for listed in lists for word in listed} & lookalikes
    lists = draw_lists(f"A Leptomedusa and {' and '.join(lookalikes)}.", terms, [])
    assert {word for listed in lists for word in listed} == {*terms}


def test_a_long_list_is_cut_so_that_the_right_term_stays():
    terms = [f"{letter}pneumonoultramicroscopicsilicovolcano" * 2 for letter in "abcdefghijklmnop"]
    lists = draw_lists(f"It is {terms[0]}.", terms[:1], terms)
    assert all(terms[0] in listed for listed in lists)
    for tokenizer in (get_tokenizer(False), get_tokenizer(True)):
        lengths = [len(tokenizer.encode(" " + ", ".join(listed))) for listed in lists]
        assert 150 < max(lengths) <= 223


def test_a_text_without_terms_gets_no_prompt():
    assert draw_lists("Hello.", [], TERMS) == [[""]] * 50
