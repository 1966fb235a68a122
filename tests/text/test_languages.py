"""Language tags of all kinds become Whisper's codes."""

import pytest

from whisper_ft.text.languages import check_language, nearest_languages, whisper_code


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("ger", "de"),
        ("deu", "de"),
        ("DE", "de"),
        ("pt_BR", "pt"),
        ("zh-HK", "yue"),
        ("zh-TW", "zh"),
        ("zh-Hant-HK", "yue"),
        ("zh-Hans-CN", "zh"),
        ("cmn", "zh"),
        ("nb-NO", "no"),
        ("nn-NO", "nn"),
        ("jv", "jw"),
        ("tgl", "tl"),
        ("iw", "he"),
        ("haw", "haw"),
        ("German", "de"),
        ("eng", "en"),
        ("arb", "ar"),
        ("pes", "fa"),
        ("zsm", "ms"),
        ("jp", "ja"),
        ("yue", "yue"),
        ("fil", "tl"),
        ("nb", "no"),
        ("en-GB", "en"),
        ("es-419", "es"),
        ("zh-Hant-TW", "zh"),
        ("Castilian", "es"),
        ("", ""),
        ("x-klingon", ""),
        ("part1", ""),
        ("hsb", ""),  # Upper Sorbian, which Whisper lacks
    ],
)
def test_language_tags_of_all_kinds_are_whispers_codes(tag, code):
    assert whisper_code(tag) == code


@pytest.mark.parametrize(
    ("tag", "nearest"), [("eo", ["en"]), ("gn", ["es"]), ("ckb", ["ar"]), ("kmr", ["tr"])]
)
def test_near_languages_of_one_that_whisper_lacks_are_named(tag, nearest):
    assert nearest_languages(tag) == nearest
    with pytest.raises(ValueError, match=f"or that of a near one: {nearest[0]}"):
        check_language(tag)


def test_what_is_no_language_has_no_near_one():
    assert nearest_languages("nonsense") == [] == nearest_languages("x1")
    with pytest.raises(ValueError, match=r"--language: 'klingon': .*such as en$"):
        check_language("klingon")
