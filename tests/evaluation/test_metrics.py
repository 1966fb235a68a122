"""Scores against cases counted by hand, and against jiwer."""

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisper_ft.evaluation.metrics import (
    Count,
    alignment,
    boundary_errors,
    character_errors,
    keyword_precision,
    keyword_recall,
    leaked_words,
    split_word_errors,
    time_words,
    word_errors,
)


def test_word_errors_counted_by_hand():
    assert word_errors("call doctor quill now", "call doctor quilt right now") == Count(2, 4)
    assert word_errors("call doctor quill", "call quill") == Count(1, 3)
    assert word_errors("same words", "same words") == Count(0, 2)
    assert word_errors("two words", "") == Count(2, 2)


def test_words_for_a_silent_reference_are_all_errors_of_none():
    assert word_errors("", "thank you") == Count(2, 0)
    assert word_errors("", "") == Count(0, 0)
    assert Count(2, 0).rate is None


def test_character_errors_leave_white_space_out():
    assert character_errors("你好 世界", "你好世") == Count(1, 4)
    assert character_errors("ab c", "a bd") == Count(1, 3)


words = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), min_size=1, max_size=12)


@settings(deadline=None)
@given(words, words)
def test_summed_counts_are_jiwers_rate(reference, hypothesis):
    count = word_errors(" ".join(reference), " ".join(hypothesis))
    assert count.rate == pytest.approx(jiwer.wer(" ".join(reference), " ".join(hypothesis)))


def test_errors_split_into_biased_words_and_the_rest():
    biased, other = split_word_errors(
        "call doctor quill now", "call doctor quilt today now", {"quill"}
    )
    assert biased == Count(1, 1)  # quill -> quilt
    assert other == Count(1, 3)  # today
    biased, other = split_word_errors("call now", "call quill now", {"quill"})
    assert (biased, other) == (Count(1, 0), Count(0, 2))  # an inserted biased word counts as biased


@settings(deadline=None)
@given(words, words, st.sets(st.sampled_from("abcde")))
def test_the_split_adds_up_to_all_errors(reference, hypothesis, biased_words):
    reference, hypothesis = " ".join(reference), " ".join(hypothesis)
    biased, other = split_word_errors(reference, hypothesis, biased_words)
    assert biased.plus(other) == word_errors(reference, hypothesis)


def test_a_keyword_hit_needs_as_many_as_were_said():
    assert keyword_recall(["Reid"], "Reid and Reid", "Reid and Reed") == Count(1, 2)
    assert keyword_recall(["Reid"], "Reid", "Reid Reid Reid") == Count(
        1, 1
    )  # no more than were said
    assert keyword_recall(["Reid", "Reid"], "Reid", "Reid") == Count(1, 1)  # listed twice
    assert keyword_recall([], "Reid", "Reid") == Count(0, 0)


@settings(deadline=None)
@given(words, words)
def test_the_alignments_stretches_add_up_to_jiwers_measures(reference, hypothesis):
    measures = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    sizes = dict.fromkeys(("equal", "substitute", "delete", "insert"), 0)
    for kind, start, end, hyp_start, hyp_end in alignment(reference, hypothesis):
        sizes[kind] += max(end - start, hyp_end - hyp_start)
    assert list(sizes.values()) == [
        measures.hits,
        measures.substitutions,
        measures.deletions,
        measures.insertions,
    ]


@settings(deadline=None)
@given(st.text("abc ", max_size=20), st.text("abc ", max_size=20))
def test_characters_are_jiwers_where_there_is_no_white_space(reference, hypothesis):
    reference, hypothesis = reference.replace(" ", ""), hypothesis.replace(" ", "")
    if reference:
        expected = jiwer.cer(reference, hypothesis)
        assert character_errors(reference, hypothesis).rate == pytest.approx(expected)


def test_precision_counts_prompt_words_that_were_not_said():
    listed = ["Reid", "Mohr", "Quill"]
    assert keyword_precision(listed, "Ask Reid.", "Ask Reid.") == Count(1, 1)
    assert keyword_precision(listed, "Ask Reid.", "Ask Mohr and Reid.") == Count(1, 2)
    assert keyword_precision(listed, "Ask Reid.", "Reid, Reid.") == Count(1, 2)  # said once
    assert keyword_precision(listed, "Ask Reid.", "ask reed") == Count(0, 0)
    assert keyword_precision(["Reid"], "ask reid", "ask Reid", cased=False) == Count(1, 1)


def leaked(prompt, reference, hypothesis):
    return leaked_words(prompt.split(), reference.split(), hypothesis.split())


def test_a_copied_run_of_the_prompt_leaks_and_one_that_was_said_does_not():
    prompt = "the meeting of last week with doctor quill"
    assert leaked(prompt, "call her now", "meeting of last week call her now") == Count(4, 7)
    assert leaked(prompt, "call her now", "last week with her now") == Count(0, 5)  # three in a row
    said = "the meeting of last week was long"
    assert leaked(prompt, said, said) == Count(0, 7)
    # what is right stays right, though the run goes on into the prompt
    assert leaked(prompt, "the meeting of last week", f"{prompt}") == Count(3, 8)
    assert leaked("", "call", "call her right now") == Count(0, 4)


def test_a_short_prompt_leaks_as_a_whole():
    assert leaked("jon reid", "call her", "call jon reid") == Count(2, 3)
    assert leaked("reid", "call her", "call reid") == Count(0, 2)  # that is precision's


def test_all_of_an_output_that_is_the_prompt_is_leaked():
    assert leaked("alpha beta gamma delta", "one two", "alpha beta gamma delta") == Count(4, 4)


@given(words, words, words)
def test_a_leak_is_in_a_run_of_the_prompt_that_the_reference_lacks(prompt, reference, hypothesis):
    """Every word counted alone, against all runs there are."""
    copied = set()
    for start in range(len(hypothesis)):
        for end in range(start + min(4, max(2, len(prompt))), len(hypothesis) + 1):
            run = hypothesis[start:end]
            held, said = (
                any(run == text[i : i + len(run)] for i in range(len(text)))
                for text in (prompt, reference)
            )
            longer = any(
                hypothesis[s:e] == prompt[i : i + e - s]
                for s in range(start + 1)
                for e in range(end, len(hypothesis) + 1)
                for i in range(len(prompt))
                if e - s > len(run)
            )
            if held and not said and not longer:
                copied.update(range(start, end))
    for kind, _, _, first, last in alignment(reference, hypothesis):
        if kind == "equal":
            copied -= set(range(first, last))
    assert leaked_words(prompt, reference, hypothesis) == Count(len(copied), len(hypothesis))


def test_boundaries_are_compared_before_and_after_the_same_words():
    reference = time_words([(0.0, 1.0, "a b"), (1.5, 2.0, "c"), (2.0, None, "d")], str.split)
    assert reference.starts == {0: 0.0, 2: 1.5, 3: 2.0} and reference.ends == {1: 1.0, 2: 2.0}
    hypothesis = time_words([(0.2, 1.0, "a b"), (1.0, 2.5, "c x")], str.split)
    seconds, compared = boundary_errors(reference, hypothesis)
    assert seconds == Count(pytest.approx(0.2 + 0.0 + 0.5), 3)  # starts of a and c, the end of b
    assert compared == Count(3, 5)
    assert time_words([(0.0, 1.0, "...")], lambda text: []).words == []
