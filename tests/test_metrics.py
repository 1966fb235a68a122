"""Scores against cases counted by hand, and against jiwer."""

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisper_ft.metrics import (
    Count,
    bootstrap_interval,
    character_errors,
    keyword_hits,
    paired_interval,
    split_word_errors,
    term_count,
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


@pytest.mark.parametrize(
    ("term", "text", "count"),
    [
        ("Reid", "Reid, Reid's and Reid-Mohr.", 3),
        ("Reid", "Reids, McReid and reid", 0),
        ("Dr. Reid", "Ask Dr.\n Reid", 1),
        ("C++", "C++, not C+++", 2),
        ("Zoe\u0308", "Zo\u00eb", 1),  # NFC
        ("राम", "रामा", 0),  # a vowel sign makes it another word
        ("iPhone", "我用iPhone拍", 1),
        ("서울", "서울에 간다", 1),  # a particle is written on
        ("東京", "東京都に", 1),  # no spaces, no word boundaries
        ("B12", "B12 B123 1B12", 1),
        ("", "anything", 0),
    ],
)
def test_a_term_counts_as_a_whole_word_after_nfc(term, text, count):
    assert term_count(term, text) == count


def test_case_counts_only_where_the_corpus_is_cased():
    assert term_count("Reid", "reid") == 0
    assert term_count("Reid", "reid", cased=False) == 1


def test_a_keyword_hit_needs_as_many_as_were_said():
    assert keyword_hits(["Reid"], "Reid and Reid", "Reid and Reed") == Count(1, 2)
    assert keyword_hits(["Reid"], "Reid", "Reid Reid Reid") == Count(1, 1)  # no more than were said
    assert keyword_hits(["Reid", "Reid"], "Reid", "Reid") == Count(1, 1)  # listed twice, said once
    assert keyword_hits([], "Reid", "Reid") == Count(0, 0)


def test_an_interval_holds_the_pooled_rate_and_is_the_same_every_time():
    counts = [Count(i % 3, 10) for i in range(50)]
    low, high = bootstrap_interval(counts)
    assert low < sum(c.part for c in counts) / 500 < high
    assert (low, high) == bootstrap_interval(counts)
    assert bootstrap_interval([Count(0, 0)]) is None


def test_resampling_whole_recordings_is_wider_when_rows_of_one_are_alike():
    counts = [Count(5 * (i < 25), 10) for i in range(50)]
    groups = [f"recording {i // 25}" for i in range(50)]
    rows, recordings = bootstrap_interval(counts), bootstrap_interval(counts, groups)
    assert recordings[1] - recordings[0] > 1.5 * (rows[1] - rows[0])


def test_a_paired_interval_is_of_the_change_and_knows_that_rows_are_the_same():
    before = [Count(i % 5, 10) for i in range(60)]
    better = [Count(count.part + 1, 10) for count in before]
    assert paired_interval(before, better) == pytest.approx((0.1, 0.1))
    low, high = paired_interval(before, before[::-1])
    assert low < 0 < high
    grouped = paired_interval(before, before[::-1], [str(i // 30) for i in range(60)])
    assert grouped is not None and grouped != (low, high)
    assert paired_interval([Count(0, 0)], [Count(0, 0)]) is None
