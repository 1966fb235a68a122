"""Rows in the style of what was heard in them."""

from pathlib import Path

import pytest

from whisper_ft.data.row import Row
from whisper_ft.prepare.restored_row import is_finished, restore_row
from whisper_ft.text.tokens import Segment

AUDIO = Path("a.wav")
HEARD = (
    Segment(0.0, 2.0, "Call Doctor Quill,"),
    Segment(2.4, 4.0, "he is in Room 7."),
    Segment(4.0, 5.0, "Thank you."),
)
TEXT = "call doctor quill he is in room seven thank you"
LATER = "and all of it is said much later on"


def test_a_row_takes_text_segments_and_keywords_from_what_was_heard():
    row = Row(AUDIO, TEXT, keywords=("doctor quill", "seven", "zyxin"))
    restored = restore_row(row, HEARD, {})
    assert not restored.problem
    assert restored.row.text == "Call Doctor Quill, he is in Room seven. Thank you."
    assert restored.row.keywords == ("Doctor Quill", "seven", "zyxin")
    assert [(s.start, s.end) for s in restored.row.segments] == [(s.start, s.end) for s in HEARD]
    assert [s.text for s in restored.row.segments] == [
        "Call Doctor Quill,",
        "he is in Room seven.",
        "Thank you.",
    ]


def test_unheard_words_join_the_sentence_that_they_belong_to():
    heard = (Segment(0.0, 1.0, "Stop now."), Segment(1.0, 2.0, "Go on."))
    restored = restore_row(Row(AUDIO, "stop now and go on friend"), heard, {"go": "go"}).row
    assert [segment.text for segment in restored.segments] == ["Stop now.", "And go on. Friend"]


def test_a_segment_of_which_no_word_remains_is_left_out():
    row = Row(AUDIO, "call doctor quill he is in room seven")
    restored = restore_row(row, HEARD, {}).row
    assert restored.text == "Call Doctor Quill, he is in Room seven."
    assert len(restored.segments) == 2


def test_segments_that_a_row_has_keep_their_times():
    own = (Segment(0.5, 3.0, "call doctor quill he is in room"), Segment(3.0, 5.0, "seven"))
    row = Row(AUDIO, "call doctor quill he is in room seven", segments=own)
    segments = restore_row(row, HEARD, {}).row.segments
    assert [(s.start, s.end) for s in segments] == [(0.5, 3.0), (3.0, 5.0)]
    assert [s.text for s in segments] == ["Call Doctor Quill, he is in Room", "seven."]


def test_the_style_that_a_text_has_stays():
    cased = Row(AUDIO, "Call doctor Quill he is in room seven thank you")
    assert restore_row(cased, HEARD, {}).row.text == (
        "Call doctor Quill, he is in room seven. thank you."
    )
    punctuated = Row(AUDIO, "call doctor quill; he is in room seven; thank you")
    assert restore_row(punctuated, HEARD, {}).row.text == (
        "Call Doctor Quill; he is in Room seven; Thank you"
    )
    assert is_finished(Row(AUDIO, "Yes.", segments=(Segment(0, 1, "Yes."),)))
    assert not is_finished(Row(AUDIO, "Yes."))


@pytest.mark.parametrize(
    "text, heard, problem",
    [
        ("call doctor quill", (), "no words were heard"),
        ("an entirely other sentence it is", HEARD, "0% of its words were heard"),
        (f"{TEXT} {TEXT} {LATER}", HEARD * 2, "9 words one after the other"),
    ],
)
def test_a_row_in_which_something_else_was_heard_stays_as_it_is(text, heard, problem):
    restored = restore_row(Row(AUDIO, text), heard, {})
    assert problem in restored.problem and restored.row == Row(AUDIO, text)


def test_japanese_takes_its_punctuation_by_the_letter():
    row = Row(AUDIO, "今日は雨です行きます", language="ja")
    heard = (Segment(0.0, 1.0, "今日は、雨です。"), Segment(1.0, 2.0, "行きます。"))
    restored = restore_row(row, heard, {}).row
    assert [s.text for s in restored.segments] == ["今日は、雨です。", "行きます。"]
    assert restored.text == "今日は、雨です。 行きます。"
