"""A row's keywords among other rows'."""

import random

from helpers.manifests import NAMED_ROWS, NAMES, row

from whisper_ft.data.keyword_prompts import MAX_PROMPT_TOKENS, WORDINGS, keyword_prompt


def terms_of(index, seed=0, rows=NAMED_ROWS, *, tokenizer, **options):
    options = {"n_distractors": 20, **options}
    return keyword_prompt(rows, index, random.Random(seed), (tokenizer,), **options)


def test_a_term_of_the_text_is_no_distractor(english):
    rows = [
        row("Call Reid and Mohr.", keywords=("Reid",)),
        row("Mohr.", keywords=("Mohr", "Neill")),
    ]
    for seed in range(20):
        prompt = keyword_prompt(rows, 0, random.Random(seed), (english,), n_distractors=5)
        assert sorted(prompt.split(", ")) in (["Neill", "Reid"], ["Reid"])


def test_distractors_are_of_the_rows_language(english):
    rows = [row("Reid.", keywords=("Reid",)), row("Müller.", keywords=("Müller",), language="de")]
    assert keyword_prompt(rows, 0, random.Random(0), (english,), n_distractors=5) == "Reid"


def test_a_keyword_prompt_stays_within_the_decoders_limit_and_keeps_every_keyword(english):
    long = [row(f"Say {n}.", keywords=(f"{n} Pneumonoultramicroscopic {n}",)) for n in NAMES]
    for seed in range(20):
        prompt = keyword_prompt(long, 7, random.Random(seed), (english,), n_distractors=40)
        assert long[7].keywords[0] in prompt.split(", ")
        assert 150 < len(english.encode(" " + prompt)) <= MAX_PROMPT_TOKENS


def test_the_terms_are_keywords_of_the_row_and_of_other_rows(english):
    terms = terms_of(3, tokenizer=english).split(", ")
    assert NAMES[3] in terms and len(terms) == 21
    assert set(terms) <= set(NAMES)


def test_a_row_without_keywords_has_no_keyword_prompt(english):
    assert terms_of(0, rows=[row(), *NAMED_ROWS], tokenizer=english) == ""


def test_distractors_have_the_style_of_the_row(english):
    rows = [row("call reid", keywords=("reid",)), row("ask mohr", keywords=("mohr",)), *NAMED_ROWS]
    for seed in range(20):
        prompt = terms_of(0, seed, rows, n_distractors=5, tokenizer=english)
        assert set(prompt.split(", ")) <= {"reid", "mohr"}


def test_each_right_term_is_dropped_at_the_given_rate(english):
    rows = [row("Call Reid and Mohr.", keywords=("Reid", "Mohr")), *NAMED_ROWS]
    prompts = [terms_of(0, seed, rows, drop_rate=0.1, tokenizer=english) for seed in range(2000)]
    dropped = sum(2 - ("Reid" in prompt) - ("Mohr" in prompt) for prompt in prompts)
    assert 340 < dropped < 460  # of 4000


def test_every_wording_stays_within_the_token_limit(tokenizer):
    long = [row(f"Say {n}.", keywords=(f"{n} Pneumonoultramicroscopic",)) for n in NAMES]
    long = [r.__class__(**{**vars(r), "language": tokenizer.language or "en"}) for r in long]
    shapes = set()
    for wording in WORDINGS:
        for seed in range(10):
            options = {"wording": wording, "max_tokens": 100, "n_distractors": 40}
            prompt = terms_of(7, seed, long, tokenizer=tokenizer, **options)
            assert 70 < len(tokenizer.encode(" " + prompt)) <= 100
            assert long[7].keywords[0] in prompt
            shapes.add((prompt.split(" ")[0] == "Glossary:", "\n" in prompt))
    assert shapes == {(False, False), (True, False), (False, True)}


def test_a_keyword_that_is_the_whole_sentence_makes_no_keyword_prompt(english):
    rows = [*NAMED_ROWS, row("Turn left at Oak now.", keywords=("Turn left at Oak now.", "Oak"))]
    for seed in range(20):
        assert not terms_of(len(rows) - 1, seed, rows, tokenizer=english, n_distractors=5)


def test_about_half_of_the_distractors_are_of_the_glossary_in_the_case_of_the_row(english):
    glossary = [f"Term{i}x" for i in range(200)]
    terms = terms_of(3, tokenizer=english, glossary=glossary).split(", ")
    n_listed = sum(term in glossary for term in terms)
    assert 4 <= n_listed <= 16 and len(terms) == 21 and NAMES[3] in terms
    lower = [row(f"call {n.lower()} now", keywords=(n.lower(),)) for n in NAMES]
    prompt = terms_of(3, rows=lower, tokenizer=english, glossary=glossary)
    assert "term" in prompt and prompt == prompt.lower()


def test_without_a_glossary_the_prompts_are_what_they_were(english):
    assert terms_of(3, tokenizer=english, glossary=()) == terms_of(3, tokenizer=english)


def test_a_term_of_the_glossary_that_the_text_has_is_no_distractor(english):
    rows = [row("Call Reid and Mohr.", keywords=("Reid",))]
    prompt = terms_of(0, rows=rows, tokenizer=english, glossary=("Mohr", "Ann"))
    assert sorted(prompt.split(", ")) == ["Ann", "Reid"]
