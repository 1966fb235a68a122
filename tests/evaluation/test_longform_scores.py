"""Scores of whole recordings and silence."""

import json

import pytest
from helpers.longform import longform_sample

from whisper_ft.config.commands import LONGFORM_CONDITIONS
from whisper_ft.evaluation.longform_scores import LONGFORM_SCORES, score_longform
from whisper_ft.evaluation.longform_tables import format_longform
from whisper_ft.evaluation.scoring import ScoreValue

WORDS = " ".join(a + b for a in "abcdefgh" for b in "klmnp")


def test_scores_are_pooled():
    scores = score_longform(
        [
            longform_sample([(0, 20, "a b c d")], [(0, 20, "a b c")]),
            longform_sample([(0, 20, "e f")], [(0, 20, "e f")]),
            longform_sample([], [], no_speech_prob=0.9, avg_logprob=-1.5),
            longform_sample([], [(0, 1, "you")], no_speech_prob=0.5, avg_logprob=-0.5),
        ]
    )
    assert scores["none"]["wer"].rate == pytest.approx(1 / 6)
    assert scores["none"]["empty"].rate == 0.5 and scores.avg_logprob.rate == -1.0
    assert list(scores.by_condition) == ["none"]
    told = format_longform(scores)
    assert "2 recordings, 0.03 h\nprompt" in told and "\nnone" in told and " 16.7 % [" in told
    assert "2 silent rows: stay empty: 50 % (none); mean no_speech_prob 0.70" in told


def test_each_condition_is_scored_on_the_keywords_and_terms_of_its_prompts():
    segments = [(0, 60, "Ask Kathryn and Grey.")]
    sample = longform_sample(
        segments,
        [(0, 60, "Ask Catherine and Grey.")],
        outputs={
            "right_carried": [(0, 30, "Ask Kathryn and"), (30, 60, "Grey.")],
            "wrong": [(0, 60, "Ask Reid and Grey.")],
        },
        prompts={"right_carried": "Kathryn, Mohr", "wrong": "Reid"},
        keywords=("Kathryn",),
        prompt_terms=("Kathryn", "Mohr", "Reid"),
    )
    scores = score_longform([sample])
    assert [c for c in LONGFORM_CONDITIONS if c in scores.by_condition] == [
        "none",
        "right_carried",
        "wrong",
    ]
    assert {c: s["b_wer"].rate for c, s in scores.by_condition.items()} == {
        "none": 1.0,
        "right_carried": 0.0,
        "wrong": 1.0,
    }
    assert scores["right_carried"]["mended"] == ScoreValue(1, 1)
    assert scores["wrong"]["keyword_precision"] == ScoreValue(0, 1)
    assert scores["right_carried"]["segments_per_minute"].rate == 2.0
    told = format_longform(scores)
    assert "right, carried" in told and "keywords" in told


def test_loops_and_skips_are_counted_in_words_and_in_characters():
    said = [(0, 60, WORDS)]
    cut = " ".join(WORDS.split()[:32])
    scores = score_longform([longform_sample(said, [(0, 60, f"{cut} {'so ' * 10}")])])
    assert scores["none"]["loops"] == ScoreValue(1, 1)
    scores = score_longform([longform_sample(said, [(0, 60, cut)])])
    assert scores["none"]["skips"] == ScoreValue(1, 1)
    assert scores["none"]["skipped"] == ScoreValue(8, 40)
    for n_left_out, n_skips in ((15, 0), (16, 1)):  # twice as many characters as words
        text = "".join(chr(0x4E00 + i) for i in range(40))
        left = [(0, 60, text[n_left_out:])]
        scores = score_longform([longform_sample([(0, 60, text)], left, language="zh")])
        assert scores["none"]["skips"] == ScoreValue(n_skips, 1)


def test_segments_without_text_are_no_segments():
    written = [(0, 30, "a"), (30, 30, ""), (30, 90, "b")]
    scores = score_longform([longform_sample([(0, 90, "a b")], written, seconds=90.0)])
    assert scores["none"]["segments_per_minute"].rate == pytest.approx(2 / 1.5)


def test_intervals_are_over_whole_recordings():
    samples = [
        longform_sample([(0, 9, "a b")], [(0, 9, written)], recording=name)
        for name, written in (("r", "a b"), ("r", "x y"), ("s", "a y"), ("s", "x b"))
    ]
    assert score_longform(samples)["none"]["wer"].interval == (0.5, 0.5)


def test_boundaries_compare_where_both_stand_before_or_after_the_same_word():
    segments = [(0, 20, "red blue"), (20, 40, "green white"), (40, 60, "black pink")]
    output_segments = [
        (0, 19, "Red, blue."),  # ends a second before the reference's, and the next begins with it
        (20, 30, "green"),  # an end and a start where the reference has none
        (30, 41, "wide"),  # another word than the reference's: its end is not compared
        (41, 60, "black pink"),  # starts a second late
    ]
    scores = score_longform([longform_sample(segments, output_segments)])
    assert scores["none"]["boundary_error"] == ScoreValue(2.0, 5)
    assert scores["none"]["boundary_recall"] == ScoreValue(5, 6)
    assert "0.40 s" in format_longform(scores)


def test_boundaries_stand_between_characters_where_a_language_has_no_spaces():
    segments = [(0, 20, "東京"), (20, 40, "都に")]
    output_segments = [(0, 21.0, "東京"), (22.0, 40, "都に")]
    scores = score_longform([longform_sample(segments, output_segments, language="ja")])["none"]
    assert scores["boundary_error"].part == 1.0 + 2.0 and scores["boundary_recall"].rate == 1.0


def test_a_boundary_that_no_segment_has_is_told_and_none_is_no_zero():
    segments = [(0, 20, "a b"), (20, 40, "c d")]
    scores = score_longform([longform_sample(segments, [(0, 40, "a b c d")])])["none"]
    assert scores["boundary_error"] == ScoreValue(0.0, 2)  # its outer times alone
    assert scores["boundary_recall"].rate == 0.5
    scores = score_longform([longform_sample(segments, [])])
    assert scores["none"]["boundary_error"].rate is None
    assert scores["none"]["boundary_recall"].rate == 0.0
    assert "boundaries" not in format_longform(scores)


def test_a_recording_of_no_words_after_normalising_has_a_table():
    told = format_longform(score_longform([longform_sample([(0, 20, "Hmm.")], [])]))
    assert told.startswith("1 recording, 0.02 h\n") and "none" in told


def test_scores_are_json():
    written = json.loads(
        json.dumps(score_longform([longform_sample([(0, 20, "a")], [])]).to_json())
    )
    assert written["by_condition"]["none"]["wer"]["rate"] == 1.0
    assert set(LONGFORM_SCORES) | {"n_rows", "empty"} == set(written["by_condition"]["none"])
