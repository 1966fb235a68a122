"""The mixture of prompts in training."""

from collections import Counter
from dataclasses import replace

import pytest
from helpers.manifests import NAMED_ROWS, row
from helpers.prompts import TALK, draw_prompt, draw_prompts, prompt_text

from whisper_ft.data.prompts import (
    PromptPolicy,
    describe_few_terms,
    format_coverage,
    parse_policy,
    prompt_coverage,
)


def test_kinds_are_drawn_at_their_rates_and_the_rest_get_none(english):
    rows = [row("Call Reid.", prompt="Vandel.", keywords=("Reid",))]
    policy = PromptPolicy(own=0.3, keywords=0.2, distractors=(0, 0))
    kinds = Counter(
        draw_prompt(policy, rows, 0, english, pass_number=number) for number in range(4000)
    )
    assert 1080 < kinds["Vandel."] < 1320
    assert 1850 < kinds[""] < 2300  # half, and those whose only term was dropped
    assert sum("Reid" in prompt and kinds[prompt] > 0 for prompt in kinds) >= 2


def test_a_kind_that_a_row_lacks_passes_its_share_to_the_rows_others(english):
    policy = PromptPolicy(own=0.3, previous=0.2, wrong=0.0)
    prompts = draw_prompts(policy, TALK, 1, english, n=2000)
    assert 900 < sum(bool(prompt) for prompt in prompts) < 1100
    assert {prompt_text(p, english) for p in prompts if p} == {" Sentence one."}


def test_a_row_that_has_none_of_the_kinds_gets_no_prompt(english):
    policy = PromptPolicy(own=0.5, previous=0.3, keywords=0.1, carried=0.1)
    assert not any(
        draw_prompt(policy, TALK, 0, english, pass_number=number) for number in range(100)
    )


def test_no_shares_never_prompt(english):
    assert not any(draw_prompt(PromptPolicy(), NAMED_ROWS, i, english) for i in range(100))


def test_every_pass_draws_another_prompt_and_the_same_pass_the_same_one(english):
    policy = PromptPolicy(keywords=1.0)
    one = draw_prompts(policy, NAMED_ROWS, 3, english, n=20)
    assert one == [
        draw_prompt(policy, NAMED_ROWS, 3, english, pass_number=number) for number in range(20)
    ]
    assert len(set(one)) == 20
    assert one[0] != draw_prompt(policy, NAMED_ROWS, 3, english, seed=1)


def test_a_mixture_is_parsed_from_kinds_and_shares():
    assert parse_policy("own=.3, wrong=.05,", (1, 2)) == PromptPolicy(
        own=0.3, wrong=0.05, distractors=(1, 2)
    )
    assert parse_policy("", (5, 40)) == PromptPolicy()
    assert parse_policy("own=.7,previous=.1,wrong=.2", (5, 40)).own == 0.7  # 1 up to rounding


@pytest.mark.parametrize("text", ["own", "own=x", "own=1.1", "own=-.1", "onw=.5", "own=.5,own=.2"])
def test_a_wrong_mixture_is_named_with_its_remedy(text):
    with pytest.raises(ValueError, match=r"--prompts: .*(give|must|shares)"):
        parse_policy(text, (5, 40))
    with pytest.raises(ValueError, match=r"--distractors: .*the minimum, then the maximum"):
        parse_policy("own=.5", (40, 5))


def test_coverage_counts_the_rows_with_each_kind_that_is_drawn():
    rows = [
        row("one two", recording="r", audio="0.wav", duration=1.0, prompt="a", keywords=("one",)),
        row("three four", recording="r", audio="1.wav", duration=1.0, keywords=("four",)),
        row("five", duration=1.0),
    ]
    rows = [replace(one, follows=i > 0) for i, one in enumerate(rows)]
    every = parse_policy("own=.1,previous=.1,keywords=.1,carried=.1,style=.1,wrong=.1", (0, 1))
    assert prompt_coverage(every, rows) == {
        "own": 1, "previous": 1, "keywords": 2, "carried": 1, "style": 0
    }  # fmt: skip
    assert format_coverage(PromptPolicy(own=0.5, keywords=0.1), rows) == (
        "rows with each kind of prompt, of 3: own 1, keywords 2"
    )
    assert format_coverage(PromptPolicy(wrong=0.5), rows) == ""
    assert format_coverage(PromptPolicy(), rows) == "--prompts gives no prompts: training uses none"
    assert format_coverage(PromptPolicy(own=0.5, style=0.1), rows[2:]) == (
        "no row has a prompt of the kinds own, style: training will use no prompts of these kinds: "
        "give rows `prompt`; or texts in several styles of writing"
    )


def test_lists_that_rows_have_too_few_terms_for_are_told():
    rows = [row(f"Call {name}.", keywords=(name,)) for name in ("Reid", "Vandel", "Vandel")]
    lists = PromptPolicy(keywords=0.5, distractors=(2, 4))
    assert "rows have only 2 different keywords" in describe_few_terms(lists, rows)
    assert describe_few_terms(replace(lists, distractors=(1, 4)), rows) == ""
    assert describe_few_terms(replace(lists, glossary=("Quill",)), rows) == ""
    longer = replace(lists, distractors=(3, 4), glossary=("Quill",))
    assert "rows and --glossary have only 3 different" in describe_few_terms(longer, rows)
    assert describe_few_terms(replace(lists, keywords=0.0), rows) == ""
    assert describe_few_terms(lists, [row("Call.")]) == ""  # the coverage says that none has any
