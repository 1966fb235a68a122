"""Normalisers: whisper's, and one that keeps vowel signs and other marks."""

import unicodedata

import pytest
from helpers.samples import sample
from whisper.normalizers import BasicTextNormalizer

from whisper_ft.evaluation.best_score import best_score
from whisper_ft.evaluation.normalization import marked_normalizer, whisper_normalizer
from whisper_ft.evaluation.scoring import score


@pytest.mark.parametrize(
    ("language", "right", "wrong"),
    [
        ("ml", "കാലം", "കീലം"),
        ("hi", "कि", "की"),
        ("th", "ดี", "ดู"),
        ("bn", "কি", "কী"),
        ("ta", "கால்", "கீல்"),
        ("yo", "ẹ́", "ẹ̀"),
    ],
)
def test_a_wrong_vowel_or_tone_is_an_error_that_whispers_normaliser_hides(language, right, wrong):
    whispers, marked = (n(language, "transcribe") for n in (whisper_normalizer, marked_normalizer))
    assert whispers(right) == whispers(wrong)
    assert marked(right) != marked(wrong) and len(marked(right).split()) == 1


@pytest.mark.parametrize(
    ("language", "text", "same"),
    [
        ("tr", "İstanbul ILIK", "istanbul ılık"),
        ("az", "İşıq", "işıq"),
        ("ar", "كَتَبَ", "كتب"),
        ("ar", "كـــتب", "كتب"),
        ("he", "שָׁלוֹם", "שלום"),
        ("hi", unicodedata.normalize("NFD", "क़लम"), "क़लम"),
        ("vi", unicodedata.normalize("NFD", "Tiếng Việt"), "tiếng việt"),
        ("de", "Straße, 5 €! (lacht) [Musik]", "straße 5"),
        ("fr", "C’est ❤️ l'été", "c est l été"),
        ("en", "Mr. Grey's color", "mister gray is color"),
    ],
)
def test_what_is_written_in_two_ways_is_the_same(language, text, same):
    marked = marked_normalizer(language, "transcribe")
    assert marked(text) == marked(same) == same


@pytest.mark.parametrize("language", ["de", "fr", "es", "ru", "pl", "cs", "el", "zh", "ja", "ko"])
def test_where_marks_are_part_of_letters_it_is_whispers(language):
    text = {"ru": "Ёлка, йод!", "el": "Καλημέρα, κόσμε", "zh": "你好，世界", "ja": "「ガ」です。",
            "ko": "안녕, 세계"}.get(language, "Čeština à l'œuvre: ñandú, ąę — Äpfel")  # fmt: skip
    assert marked_normalizer(language, "transcribe")(text) == " ".join(
        BasicTextNormalizer()(text).split()
    )


def test_a_translation_is_english():
    assert marked_normalizer("hi", "translate")("It's") == "it is"


def test_the_score_that_chooses_sees_vowels():
    right, wrong = (
        score([sample("राम कि", *[text] * 3, language="hi")]) for text in ("राम कि", "राम की")
    )
    assert wrong["right"]["wer"].rate == right["right"]["wer"].rate == 0.0
    assert wrong["right"]["marked_wer"].rate == 0.5
    assert best_score(right, "prompted_wer") == 0.0 and best_score(wrong, "prompted_wer") == 0.5
