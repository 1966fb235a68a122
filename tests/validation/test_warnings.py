"""Usable rows that may contain a mistake."""

import pytest
from helpers.manifests import row
from helpers.validation import ENGLISH, write_and_check
from whisper.tokenizer import get_tokenizer

from whisper_ft.validation.warnings import row_warnings


def warnings_of(seconds=2.0, **fields):
    usable = row(**fields)
    tokenizer = get_tokenizer(True, language=usable.language, task=usable.task)
    return list(row_warnings(usable, usable.resolved_segments(seconds), tokenizer))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": "See [this] & that."}, "text: '[ ]': stock decoding never writes it"),
        ({"text": "2024"}, "text: '2024': no letters"),
        ({"text": "Привет всем", "language": "en"}, "text: mostly in Cyrillic letters"),
        ({"text": "hello there", "language": "ru"}, "text: mostly in Latin letters"),
        (
            {"text": "你好", "language": "ja", "task": "translate"},
            "text: mostly in Cjk letters: is it English?",
        ),
        (
            {"text": "cafe\u0301 there"},
            r"text: 1 decomposed letter, such as 'e\u0301': `python -m whisper_ft prepare repair",
        ),
        ({"text": "None"}, "text: a missing value written as text, such as 'None': write what"),
        ({"text": "  "}, "text: only white space: it counts as silence"),
        ({"text": "a" * 70}, "text: 35.0 characters per second"),
        ({"text": "o", "seconds": 2.0}, "text: 0.5 characters per second"),
        (
            {"text": "Call Ann at noon.", "prompt": "Ann. call  ann at NOON."},
            "prompt: contains the whole text",
        ),
        (
            {"text": "turn left at Oak", "keywords": ("turn left at Oak",)},
            "keywords: one contains the whole text",
        ),
    ],
)
def test_a_row_that_may_be_wrong_has_a_warning_with_the_value(fields, words):
    (warning,) = warnings_of(**fields)
    assert warning.startswith(words)


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "Hello, there. It's 5 o'clock!"},
        {"text": "日本語のカタカナ", "language": "ja"},
        {"text": "안녕하세요", "language": "ko"},
        {"text": "Zdravo svima", "language": "sr"},
        {"text": "Здраво свима", "language": "sr"},
        {"text": "Hello there", "language": "ja", "task": "translate"},
        {"text": "नमस्ते दुनिया", "language": "hi"},
        {"text": "Yes, Ann.", "prompt": "Yes, Ann. No, Ann."},  # too short to be a leak
        {"text": ""},
    ],
)
def test_a_usual_row_has_no_warning(fields):
    assert warnings_of(**fields) == []


def checked(folder, *rows, vocabulary=ENGLISH):
    rows = [{"audio": "a.wav", "text": "Call Reid.", **fields} for fields in rows]
    return write_and_check(folder, *rows, vocabulary=vocabulary)


def segment(start, end, text):
    return {"start": start, "end": end, "text": text}


def test_a_late_first_timestamp_is_a_warning(folder):
    found = checked(folder, {"segments": [segment(1.1, 2, "Call Reid.")]})
    assert "the first starts at 1.1 s: stock decoding writes no" in str(found.warnings[0])
    assert not checked(folder, {"segments": [segment(1.0, 2, "Call Reid.")]}).warnings


def test_what_may_be_a_mistake_is_a_warning_and_the_row_stays(folder):
    found = checked(
        folder,
        {"segments": [{"start": 0, "end": 1, "text": "Call"}]},
        {"prompt": "word " * 300},
        {"text": "word " * 230},
        {"keywords": ["reid"]},
    )
    assert not found.problems and len(found.rows) == 4
    fields = [warning.what.split(":")[0] for warning in found.warnings]
    assert fields == ["segments", "prompt", "text", "text", "keywords"]
    assert "the first 77 are cut" in found.warnings[1].what
