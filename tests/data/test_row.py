"""A row's own answers: how its text is written, and how its problems are shown."""

import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from whisper_ft.data.row import WORD_PUNCTUATION, Problem, text_style


def style_by_definition(text):
    """Return (case, whether punctuated), one character at a time."""
    case = "lower" if text == text.lower() else "upper" if text == text.upper() else "mixed"
    punctuation = (c for c in text if unicodedata.category(c).startswith("P"))
    return case, any(c not in WORD_PUNCTUATION for c in punctuation)


@given(st.text() | st.text("aB'’-.¿。—", max_size=5))
def test_a_style_is_case_and_unicodes_punctuation(text):
    assert text_style(text) == style_by_definition(text)


def test_every_character_has_the_style_of_its_unicode_category():
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        assert text_style(character)[1] == style_by_definition(character)[1], hex(code)


def test_a_problem_is_printed_on_one_line_without_control_characters():
    said = str(Problem("x.jsonl:1", "audio: a\x1b[2J\nx.jsonl:9: forged.wav: no such file"))
    assert "\x1b" not in said and "\n" not in said and "\\x1b[2J\\nx.jsonl:9" in said
    assert str(Problem("x.jsonl:1", "日本語\u3000é")) == "x.jsonl:1: 日本語\u3000é"
