"""Language tags of all kinds become Whisper's codes."""

import pytest

from whisper_ft.text.languages import whisper_code


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("ger", "de"),
        ("deu", "de"),
        ("DE", "de"),
        ("pt_BR", "pt"),
        ("zh-HK", "yue"),
        ("zh-TW", "zh"),
        ("cmn", "zh"),
        ("nb-NO", "no"),
        ("nn-NO", "nn"),
        ("jv", "jw"),
        ("tgl", "tl"),
        ("iw", "he"),
        ("haw", "haw"),
        ("German", "de"),
        ("", ""),
        ("part1", ""),
        ("hsb", ""),  # Upper Sorbian, which Whisper lacks
    ],
)
def test_language_tags_of_all_kinds_are_whispers_codes(tag, code):
    assert whisper_code(tag) == code
