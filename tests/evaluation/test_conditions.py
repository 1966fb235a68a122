"""The prompts under which an evaluation decodes."""

import pytest
from helpers.manifests import NAMED_ROWS, NAMES, row
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.keyword_prompts import MAX_PROMPT_TOKENS, keyword_prompt
from whisper_ft.evaluation import conditions
from whisper_ft.evaluation.conditions import PromptedRows, evaluation_rows
from whisper_ft.text.terms import term_count


def test_a_rows_terms_are_its_keywords_and_those_of_others_that_a_prompt_holds():
    first, second = row("Call Reid.", keywords=("Reid",)), row("Ask Mohr.", keywords=("Mohr", "Q"))
    prompted = PromptedRows(
        [first, second], ["Mohrs, Quill.", ""], [None, "reid,  Mohr"], ["Reid", "Mohr", "Q"]
    )
    assert prompted.prompt_terms(0) == ["Reid"]  # Mohr and Q stand within longer words
    assert prompted.prompt_terms(1) == ["Mohr", "Q", "Reid"]


def test_terms_are_found_in_prompts_whatever_their_case_spaces_and_normal_form():
    terms = ["Zo\u00eb", "New York", "reid"]
    prompted = PromptedRows([row("Hi.")], ["Zoe\u0308, New\nYork, REID"], [None], terms)
    assert prompted.prompt_terms(0) == terms


def test_a_wrong_prompt_is_of_the_language_and_of_another_recording():
    rows = [
        row("Call Reid.", prompt="Reid.", recording="r"),
        row("Call Mohr.", prompt="Mohr.", recording="r"),
        row("Ruf Vogt.", prompt="Vogt.", language="de"),
        row("Call Smyth.", prompt="Smyth."),
    ]
    for seed in range(5):
        wrongs = evaluation_rows(rows, seed=seed).wrong_prompts
        assert wrongs[0] == wrongs[1] == "Smyth." and wrongs[2] is None
        assert wrongs[3] in ("Reid.", "Mohr.")


def test_right_prompts_of_an_evaluation_hold_40_distractors_the_same_every_time():
    one = evaluation_rows(NAMED_ROWS, seed=3)
    assert one == evaluation_rows(NAMED_ROWS, seed=3)
    assert {len(right.split(", ")) for right in one.right_prompts} == {41}


def test_a_wrong_prompt_is_another_rows_and_holds_none_of_this_rows_keywords():
    chosen = evaluation_rows(NAMED_ROWS, seed=3)
    for one, right, wrong in zip(
        chosen.rows, chosen.right_prompts, chosen.wrong_prompts, strict=True
    ):
        assert wrong in set(chosen.right_prompts) - {right, ""}
        assert not any(term_count(term, wrong) for term in one.keywords)


def test_without_another_prompt_there_is_no_wrong_one():
    rows = [
        row("Call Reid.", prompt="Reid."),
        row(),
        row("Reid?", prompt="REID!", keywords=("Reid",)),
    ]
    chosen = evaluation_rows(rows, seed=0)
    assert chosen.right_prompts == ["Reid.", "", "REID!"]
    assert chosen.wrong_prompts[2] is None  # the only other prompt holds its keyword
    assert chosen.wrong_prompts[0] == "REID!" and chosen.wrong_prompts[1] in ("Reid.", "REID!")


@pytest.mark.slow
def test_prompts_are_the_same_whichever_vocabulary_a_model_has(english):
    long = [row(f"Say {n}.", keywords=(f"{n} Pneumonoultramicroscopic {n}",)) for n in NAMES]
    multilingual = get_tokenizer(True)
    for prompt in evaluation_rows(long, seed=0).right_prompts:
        assert (
            max(len(t.encode(" " + prompt)) for t in (english, multilingual)) <= MAX_PROMPT_TOKENS
        )


def test_a_draw_of_rows_keeps_the_prompts_they_have_among_all():
    everything = evaluation_rows(NAMED_ROWS, seed=3)
    some = evaluation_rows(NAMED_ROWS, seed=3, n_rows=10)
    assert len(some.rows) == 10
    for one, right, wrong in zip(some.rows, some.right_prompts, some.wrong_prompts, strict=True):
        i = NAMED_ROWS.index(one)
        assert (right, wrong) == (everything.right_prompts[i], everything.wrong_prompts[i])


def test_prompts_are_made_only_for_the_rows_drawn_and_their_wrong_ones(monkeypatch):
    made = []

    def counted(rows, i, *args, **options):
        made.append(i)
        return keyword_prompt(rows, i, *args, **options)

    monkeypatch.setattr(conditions, "keyword_prompt", counted)
    evaluation_rows(NAMED_ROWS, seed=3, n_rows=2)
    assert len(made) == len(set(made)) and 2 < len(made) < len(NAMED_ROWS) / 2


def test_a_prompt_of_white_space_is_none_and_keywords_stand_in_for_it():
    rows = [row("Call Reid.", prompt=" ", keywords=("Reid",)), row("Ask Ann.", keywords=("Ann",))]
    assert "Reid" in evaluation_rows(rows, seed=0).right_prompts[0]


def test_terms_of_a_glossary_stand_in_lists_and_are_known_as_prompt_terms():
    glossary = [f"Term{i}x" for i in range(50)]
    chosen = evaluation_rows(NAMED_ROWS, seed=0, glossary=glossary, keyword_source="glossary 1")
    assert all(any(term in prompt for term in glossary) for prompt in chosen.right_prompts)
    terms = chosen.prompt_terms(0)
    assert terms[0] == NAMES[0] and {*terms} & {*glossary}
    assert chosen.subset([1]).keyword_source == chosen.keyword_source == "glossary 1"
