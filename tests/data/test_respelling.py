"""Terms in other spellings, in prompt and text alike."""

import random
import re
from dataclasses import replace

import pytest
from helpers.manifests import row

from whisper_ft.data.respelling import (
    Lexicon,
    Perturbation,
    format_perturbation,
    replace_words,
)

ROWS = [
    row("Call Kathryn McKay at the Oslo office.", keywords=("Kathryn McKay", "Oslo")),
    *(row(f"Ask {name} now.", keywords=(name,)) for name in ("Vandel", "Quill", "Durazzo")),
]
LEXICON = Lexicon.of_rows(ROWS)
PROMPT = "Glossary: Vandel, Kathryn McKay, Quill, Oslo, Durazzo."
ODD = Perturbation(respell=1.0, lexicon=LEXICON)


def draws(perturbation, prompt=PROMPT, index=0, n=200):
    return [perturbation(prompt, ROWS[index], random.Random(seed)) for seed in range(n)]


def spelled(text, drawn):
    return replace_words(text, drawn.spellings)


def test_the_text_spells_a_term_as_the_prompt_does():
    for drawn in draws(ODD):
        text = spelled(ROWS[0].text, drawn)
        name = text.split(" at ")[0].removeprefix("Call ")
        assert name != "Kathryn McKay" and f", {name}," in drawn.prompt
        assert text.startswith("Call ") and " at the " in text and text.endswith(" office.")
        assert drawn.prompt.startswith("Glossary: ") and drawn.prompt.count(",") == 4


def test_names_keep_their_shape_and_their_capitals():
    for drawn in draws(ODD):
        first, last = spelled("Kathryn McKay", drawn).split()
        assert first[0].isupper() and first[1:].islower()
        assert sum(map(str.isupper, last)) >= 1 and last[0].isupper()
        assert spelled("KATHRYN kathryn", drawn) == f"{first.upper()} {first.lower()}"


def test_about_half_of_the_unsaid_terms_are_respelled_whether_or_not_a_right_one_stands_there():
    for prompt in (PROMPT, "Vandel, Quill, Durazzo"):
        drawn = [re.findall(r"\w+", d.prompt) for d in draws(ODD, prompt)]
        kept = [name in words for words in drawn for name in ("Vandel", "Quill")]
        assert 0.4 < sum(kept) / len(kept) < 0.6


def test_a_term_that_the_prompt_lacks_keeps_its_spelling_in_the_text():
    for drawn in draws(ODD, "Vandel, Quill, Durazzo"):
        assert spelled(ROWS[0].text, drawn) == ROWS[0].text


def test_respelling_has_its_rate_and_without_it_nothing_changes():
    half = Perturbation(respell=0.5, lexicon=LEXICON)
    assert 70 < sum(bool(drawn.spellings) for drawn in draws(half)) < 130
    assert all(d.prompt == PROMPT and not d.spellings for d in draws(Perturbation()))


def test_no_spelling_is_a_word_of_the_corpus():
    words = {word for drawn in draws(ODD) for word in drawn.spellings.values()}
    assert words and not {word.casefold() for word in words} & LEXICON.words


def test_common_words_of_a_term_and_words_of_other_texts_keep_their_spelling():
    rows = [row("The University of Oslo.", keywords=("University of Oslo",))]
    rows += [row("He studied at the university of another town.")] * 30
    lexicon = Lexicon.of_rows(rows)
    assert lexicon.term_words.words == {"oslo"}
    drawn = Perturbation(respell=1.0, lexicon=lexicon)(
        "University of Oslo", rows[0], random.Random(0)
    )
    assert drawn.prompt.startswith("University of ") and drawn.prompt != "University of Oslo"


@pytest.mark.parametrize("prompt", [PROMPT, "Vandel, Quill, Durazzo"])
def test_a_lookalike_takes_the_place_of_an_unsaid_term_and_the_text_stays(prompt):
    beside = Perturbation(lookalikes=1.0, lexicon=LEXICON)
    n_changed = 0
    for drawn in draws(beside, prompt):
        assert spelled(ROWS[0].text, drawn) == ROWS[0].text and drawn.prompt.count(
            ","
        ) == prompt.count(",")
        assert ("Kathryn McKay" in drawn.prompt) == ("Kathryn McKay" in prompt)
        n_changed += drawn.prompt != prompt
    assert n_changed == 200


def test_words_are_replaced_whole_and_in_their_case():
    assert replace_words("Quill's quills, QUILL; quill", {"quill": "kwil"}) == (
        "Kwil's quills, KWIL; kwil"
    )
    assert replace_words("Ärger, ärger", {"ärger": "erger"}) == "Erger, erger"


def test_a_summary_says_what_can_be_respelled_and_which_languages_have_no_rules():
    rows = [*ROWS, replace(row("東京で会う", keywords=("東京",)), language="ja")]
    perturbation = Perturbation(0.5, 0.0, 0.0, Lexicon.of_rows(rows))
    said = format_perturbation(perturbation, rows)
    assert said.startswith("rows whose keywords can be respelled: 4 of 5; no rules for ja")
    assert format_perturbation(Perturbation(), rows) == ""
    assert "none of which can be respelled" in format_perturbation(perturbation, rows[-1:])
    repeated = Perturbation(contrast=0.5, lexicon=perturbation.lexicon)
    assert "--contrast have no prompt" in format_perturbation(repeated, rows[-1:])
    assert "no row has keywords" in format_perturbation(perturbation, [row("Hello.")])


def test_a_contrast_differs_from_the_first_prompt_in_the_right_terms_alone():
    contrast = Perturbation(contrast=1.0, lexicon=LEXICON)
    drawn = [contrast.draw_contrast(PROMPT, ROWS[0], random.Random(seed)) for seed in range(200)]
    respelled = [d for d in drawn if d.spellings]
    without = [d for d in drawn if d.prompt and not d.spellings]
    assert 8 < len(respelled) < 35 and 8 < len(without) < 35  # the others have no prompt
    for d in respelled + without:
        assert re.sub(r"Kathryn|McKay|Oslo", "x", PROMPT) == re.sub(
            "|".join(set(re.findall(r"\w+", d.prompt)) - set(re.findall(r"\w+", PROMPT))),
            "x",
            d.prompt,
        )
    for d in respelled:  # the text follows the prompt
        assert spelled("Kathryn McKay", d) in d.prompt
    for d in without:  # the right terms gave way to lookalikes, and the text stays
        assert "Kathryn" not in d.prompt and "Oslo" not in d.prompt


def test_where_words_have_no_spaces_the_contrast_has_no_prompt():
    chinese = row("我在北京大学学习语言", keywords=("北京大学",), language="zh")
    contrast = Perturbation(contrast=1.0, lexicon=Lexicon.of_rows([chinese]))
    assert contrast.draw_contrast("清华大学, 北京大学", chinese, random.Random(0)) == ("", {})
    assert contrast.draw_contrast("清华大学", chinese, random.Random(0)) is None


def test_without_a_right_term_or_a_rate_there_is_no_contrast():
    contrast = Perturbation(contrast=1.0, lexicon=LEXICON)
    assert contrast.draw_contrast("Vandel, Quill", ROWS[0], random.Random(0)) is None
    assert Perturbation(lexicon=LEXICON).draw_contrast(PROMPT, ROWS[0], random.Random(0)) is None
    half = Perturbation(contrast=0.5, lexicon=LEXICON)
    drawn = [half.draw_contrast(PROMPT, ROWS[0], random.Random(seed)) for seed in range(400)]
    assert 150 < sum(map(bool, drawn)) < 250
