"""Loops and skips of a decoder."""

from hypothesis import given
from hypothesis import strategies as st

from whisper_ft.evaluation.derailment import looped_words, n_loops, skips
from whisper_ft.evaluation.metrics import Count

words = st.lists(st.sampled_from("abcd"), max_size=8)


def looped(reference, hypothesis):
    return looped_words(reference.split(), hypothesis.split())


def test_loops_are_third_and_later_copies_that_the_reference_lacks():
    assert looped("a b", "a b") == Count(0, 2)
    assert looped("so", "so so so so") == Count(2, 4)
    assert looped("x", "thank you thank you thank you thank you") == Count(4, 8)
    assert looped("no no no no", "no no no no") == Count(0, 4)  # it was said
    assert looped("a", "a b a b") == Count(0, 4)  # twice is no loop
    assert looped("", "") == Count(0, 0)


@given(words, st.integers(3, 6))
def test_copies_of_anything_loop(unit, n):
    assert looped_words([], unit * n).part >= (n - 2) * len(unit)


def numbered(start, end):
    return [f"w{i}" for i in range(start, end)]


def test_a_loop_is_a_long_run_of_copies_that_was_not_said():
    said = numbered(0, 20)
    looping = [*said, *["thank", "you"] * 6, *numbered(20, 30), *["so"] * 10]
    assert n_loops(said, looping) == 2
    assert n_loops(said, [*said, *["no"] * 9]) == 0  # seven copies too many: an ordinary error
    assert n_loops([*said, *["no"] * 10], [*["no"] * 10, *said]) == 0  # it was said, elsewhere


def test_a_loop_of_a_whole_window_is_found_in_a_text_of_an_hour_soon():
    window, hour = numbered(0, 100), numbered(100, 9000)
    assert n_loops(hour, [*hour[:4000], *window * 3, *hour[4000:]]) == 1


def test_a_skip_is_a_long_stretch_of_words_that_are_left_out():
    said = numbered(0, 60)
    written = [*said[:10], *said[18:30], *said[37:]]
    assert skips(said, written) == [range(10, 18)]  # eight words; seven are an ordinary error
    assert skips(said, []) == [range(60)]
    assert skips(said, numbered(100, 160)) == []  # wrong words are not left out
    assert skips([], said) == []
