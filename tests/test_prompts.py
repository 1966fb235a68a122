"""Which text stands before a row."""

import random
from collections import Counter

import pytest
from whisper.tokenizer import get_tokenizer

from whisper_ft.manifest import Row
from whisper_ft.metrics import term_count
from whisper_ft.prompts import (
    PROMPT_ROOM,
    PromptPolicy,
    evaluation_rows,
    glossary,
    parse_policy,
    visit_rng,
)

NO_PROMPTS, ALWAYS_OWN = PromptPolicy(own=0.0), PromptPolicy(own=1.0)
NAMES = [f"Name{chr(65 + i)}{chr(97 + j)}" for i in range(10) for j in range(10)]
ROWS = [Row(None, f"Call {name} now.", keywords=(name,)) for name in NAMES]  # type: ignore[arg-type]


def row(text="Hello.", **fields):
    return Row(None, text, **fields)


def drawn(policy, rows, index, tokenizer, seed=0, epoch=0):
    rng = visit_rng(seed, epoch, index)
    return policy(rows, index, rng, timestamps=False, tokenizer=tokenizer)


def test_the_own_prompt_is_given_at_its_rate_and_else_none(english):
    rows = [row(prompt="Quill, Zyxin.")]
    counts = Counter(drawn(PromptPolicy(own=0.5), rows, 0, english, epoch=e) for e in range(2000))
    assert set(counts) == {"", "Quill, Zyxin."}
    assert 900 < counts[""] < 1100


def test_a_row_with_keywords_and_no_prompt_gets_them_among_other_rows_terms(english):
    prompt = drawn(ALWAYS_OWN, ROWS, 3, english)
    terms = prompt.split(", ")
    assert NAMES[3] in terms
    assert 6 <= len(terms) <= 41
    assert set(terms) <= set(NAMES)


def test_a_rows_prompt_goes_before_its_keywords(english):
    rows = [row("Call Reid.", prompt="Reid, Vandel.", keywords=("Reid",)), *ROWS]
    assert drawn(ALWAYS_OWN, rows, 0, english) == "Reid, Vandel."


def test_a_row_with_neither_gets_none(english):
    assert drawn(ALWAYS_OWN, [row(), *ROWS], 0, english) == ""


def test_no_prompts_never_prompts(english):
    assert all(drawn(NO_PROMPTS, ROWS, i, english) == "" for i in range(len(ROWS)))


def test_every_visit_draws_anew_and_the_same_visit_the_same(english):
    one = [drawn(ALWAYS_OWN, ROWS, 3, english, epoch=epoch) for epoch in range(20)]
    assert one == [drawn(ALWAYS_OWN, ROWS, 3, english, epoch=epoch) for epoch in range(20)]
    assert len(set(one)) == 20
    assert one[0] != drawn(ALWAYS_OWN, ROWS, 3, english, seed=1)


def test_the_right_term_may_stand_anywhere_in_the_list(english):
    places = Counter()
    for epoch in range(400):
        terms = drawn(ALWAYS_OWN, ROWS, 3, english, epoch=epoch).split(", ")
        places[4 * terms.index(NAMES[3]) // len(terms)] += 1
    assert min(places.values()) > 60 and len(places) == 4


def test_what_is_said_is_no_distractor(english):
    rows = [
        row("Call Reid and Mohr.", keywords=("Reid",)),
        row("Mohr.", keywords=("Mohr", "Neill")),
    ]
    for seed in range(20):
        prompt = glossary(rows, 0, random.Random(seed), (english,), n_distractors=5)
        assert sorted(prompt.split(", ")) in (["Neill", "Reid"], ["Reid"])


def test_distractors_are_of_the_rows_language(english):
    rows = [row("Reid.", keywords=("Reid",)), row("Müller.", keywords=("Müller",), language="de")]
    assert glossary(rows, 0, random.Random(0), (english,), n_distractors=5) == "Reid"


def test_a_glossary_stops_before_the_decoders_cut_and_keeps_every_right_term(english):
    long = [row(f"Say {n}.", keywords=(f"{n} Pneumonoultramicroscopic {n}",)) for n in NAMES]
    for seed in range(20):
        prompt = glossary(long, 7, random.Random(seed), (english,), n_distractors=40)
        assert long[7].keywords[0] in prompt.split(", ")
        assert 150 < len(english.encode(" " + prompt)) <= PROMPT_ROOM


@pytest.mark.parametrize(("text", "own"), [("own=.3", 0.3), ("", 0.0), (" own=1 ,", 1.0)])
def test_a_mixture_is_written_as_kinds_and_shares(text, own):
    assert parse_policy(text) == PromptPolicy(own=own)


@pytest.mark.parametrize("text", ["own", "own=x", "own=1.1", "own=-.1", "onw=.5", "own=.5,own=.2"])
def test_a_wrong_mixture_is_named_with_its_remedy(text):
    with pytest.raises(ValueError, match=r"--prompts: .*(give|must|shares)"):
        parse_policy(text)


def test_right_prompts_of_an_evaluation_hold_40_distractors_the_same_every_time():
    one = evaluation_rows(ROWS, seed=3)
    assert one == evaluation_rows(ROWS, seed=3)
    assert {len(right.split(", ")) for right in one.rights} == {41}


def test_a_wrong_prompt_is_another_rows_and_holds_none_of_this_rows_keywords():
    chosen = evaluation_rows(ROWS, seed=3)
    for one, right, wrong in zip(chosen.rows, chosen.rights, chosen.wrongs, strict=True):
        assert wrong in set(chosen.rights) - {right, ""}
        assert not any(term_count(term, wrong) for term in one.keywords)


def test_without_another_prompt_there_is_no_wrong_one():
    rows = [
        row("Call Reid.", prompt="Reid."),
        row(),
        row("Reid?", prompt="REID!", keywords=("Reid",)),
    ]
    chosen = evaluation_rows(rows, seed=0)
    assert chosen.rights == ["Reid.", "", "REID!"]
    assert chosen.wrongs[2] is None  # the only other prompt holds its keyword
    assert chosen.wrongs[0] == "REID!" and chosen.wrongs[1] in ("Reid.", "REID!")


def test_prompts_are_the_same_whichever_vocabulary_a_model_has(english):
    long = [row(f"Say {n}.", keywords=(f"{n} Pneumonoultramicroscopic {n}",)) for n in NAMES]
    multilingual = get_tokenizer(True)
    for prompt in evaluation_rows(long, seed=0).rights:
        assert max(len(t.encode(" " + prompt)) for t in (english, multilingual)) <= PROMPT_ROOM


def test_a_draw_of_rows_keeps_the_prompts_they_have_among_all():
    everything = evaluation_rows(ROWS, seed=3)
    some = evaluation_rows(ROWS, seed=3, n_rows=10)
    assert len(some.rows) == 10
    for one, right, wrong in zip(some.rows, some.rights, some.wrongs, strict=True):
        i = ROWS.index(one)
        assert (right, wrong) == (everything.rights[i], everything.wrongs[i])
