"""Words of two texts, aligned."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisper_ft.text.alignment import Block, agreement, align_words, join_words, split_words

TEXTS = (
    'He said, "Well-known things" - and left.',
    "U.S. (that is) 3.5 o'clock; 20% dogs'",
    "नमस्ते दुनिया।",
    "«Да», – сказал он.",
)


@pytest.mark.parametrize("text", TEXTS)
def test_the_words_of_a_text_join_to_the_text(text):
    assert join_words(split_words(text)) == text


@settings(deadline=None)
@given(st.text("aB1 .,-'\"\u0301京", max_size=30), st.booleans())
def test_no_letter_is_lost(text, by_character):
    joined = join_words(split_words(text, by_character=by_character))
    assert [c for c in joined if c.isalnum()] == [c for c in text if c.isalnum()]
    if any(c.isalnum() for c in text):
        assert "".join(joined.split()) == "".join(text.split())


def test_punctuation_belongs_to_the_word_that_it_touches():
    quoted, hyphenated, last = split_words('"So well-known."')[:3]
    assert (quoted.prefix, quoted.core, quoted.suffix, quoted.joined) == ('"', "So", "", False)
    assert (hyphenated.core, hyphenated.suffix, hyphenated.joined) == ("well", "-", True)
    assert (last.core, last.suffix) == ("known", '."')


def test_a_text_without_letters_has_no_words():
    assert split_words("... -- !") == [] and split_words("") == []


def test_where_words_have_no_spaces_each_letter_is_one():
    words = split_words("今日は、雨。", by_character=True)
    assert [word.core for word in words] == ["今", "日", "は", "雨"]
    assert [word.suffix for word in words] == ["", "", "、", "。"]


def test_case_and_apostrophes_do_not_count():
    reference, heard = split_words("dont tell o'neil"), split_words("Don’t tell O'Neil!")
    assert align_words(reference, heard) == [Block(True, 0, 3, 0, 3)]


def test_neighbouring_errors_are_one_block():
    blocks = align_words(split_words("a b c d e"), split_words("A, x y d f e"))
    assert blocks == [
        Block(True, 0, 1, 0, 1),
        Block(False, 1, 3, 1, 3),
        Block(True, 3, 4, 3, 4),
        Block(False, 4, 4, 4, 5),
        Block(True, 4, 5, 5, 6),
    ]
    assert agreement(blocks) == 3 / 5


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_blocks_hold_every_word_of_both_texts_in_order(reference, heard):
    blocks = align_words(split_words(" ".join(reference)), split_words(" ".join(heard)))
    own = [i for block in blocks for i in range(block.start, block.end)]
    other = [i for b in blocks for i in range(b.hypothesis_start, b.hypothesis_end)]
    assert own == list(range(len(reference))) and other == list(range(len(heard)))
    agreeing = (b for b in blocks if b.agrees)
    assert all(
        reference[b.start : b.end] == heard[b.hypothesis_start : b.hypothesis_end] for b in agreeing
    )


def test_a_text_without_words_agrees_in_nothing():
    assert agreement(align_words([], split_words("a b"))) == 0
    assert agreement(align_words(split_words("a b"), [])) == 0
