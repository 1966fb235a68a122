"""Terms are found in texts as whole words, and transcripts in prompts."""

import pytest

from whisper_ft.text.terms import is_distinctive, normalize_text, reveals_text, term_count


@pytest.mark.parametrize(
    ("term", "text", "count"),
    [
        ("Reid", "Reid, Reid's and Reid-Mohr.", 3),
        ("Reid", "Reids, McReid and reid", 0),
        ("Dr. Reid", "Ask Dr.\n Reid", 1),
        ("C++", "C++, not C+++", 2),
        ("Zoe\u0308", "Zo\u00eb", 1),  # NFC
        ("राम", "रामा", 0),  # a vowel sign makes it another word
        ("iPhone", "我用iPhone拍", 1),
        ("서울", "서울에 간다", 1),  # a particle is written on
        ("東京", "東京都に", 1),  # no spaces, no word boundaries
        ("B12", "B12 B123 1B12", 1),
        ("", "anything", 0),
    ],
)
def test_a_term_counts_as_a_whole_word_after_nfc(term, text, count):
    assert term_count(term, text) == count


def test_case_can_be_ignored():
    assert term_count("Reid", "reid") == 0
    assert term_count("Reid", "reid", cased=False) == 1


def test_normalised_texts_are_nfc_with_single_spaces_and_keep_their_case_unless_told():
    assert normalize_text(" Zoe\u0308  \n Straße ") == "Zo\u00eb Straße"
    assert normalize_text("Straße", cased=False) == "strasse"


def test_a_prompt_reveals_a_long_text_that_it_contains_and_a_short_one_that_it_is():
    assert reveals_text("Before. Call Doctor Quill right now. After.", "call doctor quill right")
    assert reveals_text("Yes.", "yes.") and not reveals_text("Yes. No.", "yes.")
    assert not reveals_text("", "") and not reveals_text("anything", " ")


def test_a_text_is_distinctive_by_its_words_or_where_there_are_no_spaces_by_its_letters():
    assert is_distinctive("a b c d") and not is_distinctive("a b c")
    assert is_distinctive("東" * 20) and not is_distinctive("東" * 19)
