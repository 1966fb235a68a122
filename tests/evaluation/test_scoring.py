"""What samples score, and the tables of it."""

import json
from dataclasses import replace

import pytest
from helpers.samples import SAMPLES, sample

from whisper_ft.evaluation.samples import CONDITIONS
from whisper_ft.evaluation.scoring import SCORES, Scores, ScoreValue, score
from whisper_ft.text.tokens import Segment


def test_scores_are_pooled_by_condition():
    scores = score(SAMPLES)
    assert scores["right"]["wer"] == ScoreValue(0, 6, (0.0, 0.0))
    assert (scores["none"]["wer"].part, scores["none"]["wer"].total) == (2, 6)
    assert scores["wrong"].n_rows == 1
    assert scores["none"]["keyword_recall"].rate == 0.0
    assert scores["right"]["keyword_recall"].rate == 1.0
    assert scores["wrong"]["loss"].rate == 0.75


def test_the_normaliser_hides_what_raw_scores_show():
    none = score(SAMPLES)["none"]
    assert none["raw_wer"].part == 5  # Catherine. / ask, Doctor, gray and now. in the other
    assert none["b_wer"].part == 1  # Catherine; gray is Grey to the normaliser
    assert none["u_wer"].part == 1  # now


def test_a_model_that_ignores_prompts_shows_no_difference_in_any_score():
    same = sample("Ask Reid now.", *["Ask for Mohr, Reid."] * 3, keywords=["Reid"],
                  prompts=("Reid, Quill.", "", "Mohr, Vandel."),
                  prompt_terms=("Reid", "Quill", "Mohr"),
                  segments=[Segment(0.0, 1.0, "Ask Reid now.")],
                  output_segments=[[Segment(0.0, 1.5, "Ask for Mohr, Reid.")]] * 3)  # fmt: skip
    silent = sample("", *["Thank you."] * 3)
    scores = score([same, silent] * 5)
    for name in SCORES.keys() - {"mended", "spoiled"}:  # these compare with no prompt
        assert scores["right"][name] == scores["none"][name] == scores["wrong"][name]
    assert scores["right"]["mended"].part == scores["right"]["spoiled"].part == 0
    assert [name for name in SCORES if scores["right"][name].rate is None] == []


def test_what_a_prompt_mends_and_spoils_is_counted_in_words_of_the_reference():
    # Without a prompt: Kathryn and now are wrong, call and Reid are right.
    one = sample("Call Kathryn Reid now.", "Call Kathryn read now.", "Call Catherine Reid.",
                 "Coal Catherine Reid now now.", prompts=("Kathryn.", "", "Mohr."))  # fmt: skip
    scores = score([one])
    assert scores["right"]["mended"] == ScoreValue(2, 2, None)
    assert scores["right"]["spoiled"] == ScoreValue(1, 2, None)
    assert (scores["wrong"]["mended"].part, scores["wrong"]["spoiled"].part) == (1, 1)
    assert scores["none"]["mended"].total == scores["none"]["spoiled"].total == 0


def test_a_row_without_a_prompt_has_nothing_to_obey():
    scores = score([sample("Call Reid.", "Call read.", "Call read.", None)])
    assert scores["right"]["mended"].rate is scores["right"]["spoiled"].rate is None


def test_chinese_is_scored_by_character_and_lower_case_corpora_without_case():
    scores = score([sample("今天天气好", "今天天汽好", "", "", language="zh")])
    assert (scores["right"]["wer"].part, scores["right"]["wer"].total) == (1, 5)
    assert scores["right"]["u_wer"].total == 0  # a sentence is no word
    for reference in ("call reid", "CALL REID"):
        one_case = score([sample(reference, "Call Reid.", "", "", keywords=[reference.split()[1]])])
        assert one_case["right"]["keyword_recall"].rate == 1.0


def test_intervals_resample_recordings_where_there_are_several():
    rows = [sample("a b c", "a b", "", "", recording=f"r{i // 4}") for i in range(8)]
    rows += [sample("a b c", "a b c", "", "", recording="r2") for i in range(4)]
    several = score(rows)["right"]["wer"].interval
    one = score([replace(row, recording="r") for row in rows])["right"]["wer"].interval
    assert several[1] - several[0] > one[1] - one[0] > 0


def test_a_checkpoint_that_copies_its_prompt_is_caught_by_the_leak_score():
    prompts = ("Reid Mohr Quill Zalvexo Smyth", "", "Vandel Geoff Neill Kathryn Brandt")
    honest = sample("Call her now.", *["Call her now."] * 3, prompts=prompts)
    copying = sample("Call her now.", prompts[0], "Call her now.", prompts[2], prompts=prompts)
    assert [score([honest])[c]["prompt_leak"].rate for c in CONDITIONS] == [0, 0, 0]
    assert [score([copying])[c]["prompt_leak"].rate for c in CONDITIONS] == [1, 0, 1]


def test_ten_characters_leak_where_words_have_no_spaces_and_seven_do_not():
    prompts = ("昨日の会議では予算案", "", "")
    for n, leaked in ((10, 10), (7, 0)):
        one = sample("ええ", prompts[0][:n], "", "", prompts=prompts, language="ja")
        assert score([one])["right"]["prompt_leak"].part == leaked


def test_a_prompts_word_that_was_not_said_costs_precision_not_recall():
    terms = ("Reid", "Mohr", "Quill")
    scores = score([sample("Ask Reid.", "Ask Reid, Mohr.", "ask", "Ask Quill.", keywords=["Reid"],
                           prompt_terms=terms)])  # fmt: skip
    assert [scores[c]["keyword_recall"].rate for c in CONDITIONS] == [1, 0, 0]
    assert [scores[c]["keyword_precision"].rate for c in CONDITIONS] == [0.5, None, 0]


def test_silence_and_speech_are_empty_apart():
    scores = score([sample("", "", "Thank you.", ""), sample("Hello.", "", "Hello.", "Hello.")])
    assert [scores[c]["empty"].rate for c in CONDITIONS] == [1, 0, 0]
    assert [scores[c]["hallucinated"].rate for c in CONDITIONS] == [0, 1, 0]


def test_a_loop_counts_as_repetition():
    scores = score([sample("Yes.", "Yes. yes. Yes. Yes.", "Yes.", "Yes.")])
    repetition = scores["right"]["repetition"]
    assert (repetition.part, repetition.total) == (2, 4)
    assert scores["none"]["repetition"].rate == 0


def test_times_are_compared_where_a_row_has_segments_of_its_own():
    right = [Segment(0.0, 1.2, "Hello."), Segment(1.4, 2.0, "You.")]
    timed = sample("Hello. You.", *["Hello. You."] * 3,
                   output_segments=[right, [Segment(0.0, 2.0, "Hello")], []],
                   segments=[Segment(0.0, 1.0, "Hello."), Segment(1.0, 2.0, "You.")])  # fmt: skip
    scores = score([timed, replace(timed, segments=())])
    assert scores["right"]["timestamp_error"].rate == pytest.approx((0.2 + 0.4) / 4)
    assert scores["none"]["timestamp_error"].rate == pytest.approx((0 + 1) / 2)
    assert scores["wrong"]["timestamp_error"].rate is None
    recalls = [scores[c]["timestamp_recall"].rate for c in CONDITIONS]
    assert recalls == [1, 0.5, 0]  # a time that the output lacks counts here alone


def test_every_score_that_is_named_is_counted_and_nothing_else():
    assert list(score(SAMPLES)["right"].values) == list(SCORES)


def test_scores_survive_json_and_one_that_is_missing_counts_as_not_counted():
    scores = score(SAMPLES)
    written = json.loads(json.dumps(scores.to_json()))
    assert written["right"]["wer"] == {"part": 0, "total": 6, "rate": 0.0, "interval": [0.0, 0.0]}
    assert Scores.from_json(written) == scores
    del written["right"]["prompt_leak"]
    assert Scores.from_json(written)["right"]["prompt_leak"] == ScoreValue()
    with pytest.raises(KeyError):
        Scores.from_json({"right": {"n_rows": 1}})
