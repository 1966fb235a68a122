"""Other spellings of terms, and lookalikes."""

import random
import re

import pytest

from whisper_ft.text.spelling import can_respell, lookalike, respell
from whisper_ft.text.spelling_rules import ALIKE, BY_SCRIPT


def spellings(change, term, language="en", n=300, is_word=lambda word: False):
    rng = random.Random(term)
    return {change(term, language, rng, is_word) for _ in range(n)}


def test_a_spelling_differs_and_sounds_about_the_same():
    assert "Kathrin" in spellings(respell, "Kathryn") and "Cathryn" in spellings(respell, "Kathryn")
    assert "Quil" in spellings(respell, "Quill") and "kwil" in spellings(respell, "quil")
    for term in ("Kathryn", "Quill", "gathercole"):
        assert term not in spellings(respell, term) and "" not in spellings(respell, term)


def test_a_lookalike_is_one_sound_apart_and_keeps_the_beginning_or_the_end():
    found = spellings(lookalike, "Durazzo")
    assert {"Turazzo", "Durazza"} <= found
    for other in found:
        assert other[:2] == "Du" or other[-2:] == "zo"


@pytest.mark.parametrize("change", [respell, lookalike])
def test_names_of_several_words_keep_their_shape_and_case(change):
    for other in spellings(change, "Anna O'Kareny-Smyth"):
        assert re.fullmatch(r"[A-Z][a-z]+ [A-Z]+[a-z]*'[A-Z][a-z]+-[A-Z][a-z]+", other), other
    assert all(other.isupper() for other in spellings(change, "MCKAY"))
    assert all(other.islower() for other in spellings(change, "mckay"))


@pytest.mark.parametrize("change", [respell, lookalike])
def test_no_spelling_is_a_known_word(change):
    found = spellings(change, "quill")
    known = sorted(found)[0]
    assert known not in spellings(change, "quill", is_word=lambda word: word == known)
    assert spellings(change, "Quill", is_word=lambda word: True) == {""}


@pytest.mark.parametrize(
    ("language", "term", "spelling"),
    [
        *[("de", "Müller", "Müler"), ("de", "Weißhaupt", "Waißhaupt")],
        *[("fr", "Beaumont", "Bomont"), ("es", "González", "Gonsález")],
        *[("nl", "Wijnen", "Weinen"), ("pl", "Kowalczyk", "Kovalczyk")],
        *[("ru", "Гончарова", "Ганчарова"), ("el", "Νικολαΐδης", "Νηκολαΐδης")],
        *[("fi", "Järvinen", "Järvynen"), ("uk", "Шевченко", "Шивченко")],
    ],
)  # fmt: skip
def test_languages_have_their_own_rules_or_those_of_their_script(language, term, spelling):
    assert spelling in spellings(respell, term, language)
    assert spellings(lookalike, term, language) - {""}


@pytest.mark.parametrize(
    ("language", "term"),
    [
        *[("ja", "東京"), ("ar", "القاهرة"), ("th", "กรุงเทพ")],
        *[("ko", "서울"), ("hi", "दिल्ली"), ("vi", "Nguyễn")],
    ],
)  # fmt: skip
def test_scripts_and_languages_without_honest_rules_are_left_alone(language, term):
    assert spellings(respell, term, language) == spellings(lookalike, term, language) == {""}
    assert not can_respell(term, language)


def test_numbers_codes_short_words_and_mixed_scripts_keep_their_spelling():
    for term in ("X-41b", "COVID19", "a b", "Рaul", ""):  # the last name mixes Cyrillic and Latin
        assert spellings(respell, term) == {""}
    assert can_respell("the X-41b of Kathryn", "en")


def test_the_same_seed_gives_the_same_spelling():
    assert [
        respell("Kathryn Smyth", "en", random.Random(7), lambda _: False) for _ in range(2)
    ] == [respell("Kathryn Smyth", "en", random.Random(7), lambda _: False)] * 2


def test_every_rule_can_be_used():
    rules = [rule for script in BY_SCRIPT.values() for some in script for rule in some]
    for rule in rules + [rule for some in ALIKE.values() for rule in some]:
        assert rule.spellings and "" not in rule.grapheme.pattern.split("|")
        n_groups = rule.grapheme.groups
        assert all(int(n) <= n_groups for s in rule.spellings for n in re.findall(r"\\(\d)", s))
