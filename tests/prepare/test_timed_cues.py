"""Timed words become cues."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from whisper_ft.prepare.timed_cues import LONGEST, cut_cues
from whisper_ft.prepare.timed_words import TimedWord
from whisper_ft.text.alignment import split_words


def cues(text, seconds=0.4, pauses=None):
    """Return the cues of a text whose words last some seconds; `pauses` follow some words."""
    timed, now = [], 0.0
    for word in split_words(text):
        timed.append(TimedWord(word, now, now + seconds))
        now += seconds + (pauses or {}).get(word.core, 0.0)
    return [cue.text for cue in cut_cues(timed, "text.txt")]


def test_a_cue_ends_with_a_sentence():
    assert cues("He went far away. She stayed. Nobody asked why she did.") == [
        "He went far away.",
        "She stayed. Nobody asked why she did.",  # two words are too short for a cue
    ]


def test_a_long_sentence_is_cut_at_a_comma_and_without_one_at_a_pause():
    text = "a b c, d e f g h i j k l, m n o"
    assert cues(text) == ["a b c, d e f g h i j k l,", "m n o"]
    text = text.replace(",", "")
    assert cues(text, pauses={"b": 0.5, "l": 0.5}) == ["a b c d e f g h i j k l", "m n o"]


def test_a_long_pause_ends_a_cue_at_once():
    assert cues("a b c d", pauses={"b": 1.2}) == ["a b", "c d"]


def test_speech_without_pauses_is_cut_in_the_end():
    assert [len(text.split()) for text in cues("a " * 50)] == [20, 20, 10]


@given(st.text("ab .,-", min_size=1, max_size=200))
def test_cues_hold_all_words_in_order_and_are_no_longer_than_a_window(text):
    timed = [TimedWord(word, float(i), i + 1.0) for i, word in enumerate(split_words(text))]
    made = list(cut_cues(timed, ""))
    kept = [word.core for cue in made for word in split_words(cue.text)]
    assert kept == [t.word.core for t in timed]
    assert all(first.end <= second.start for first, second in pairwise(made))
    assert all("-" in cue.text or cue.end - cue.start <= LONGEST + 1 for cue in made)
