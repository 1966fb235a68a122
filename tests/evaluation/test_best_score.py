"""The score that chooses best.pt."""

import pytest
from helpers.samples import sample

from whisper_ft.evaluation.best_score import best_score, format_best_score, is_higher_better
from whisper_ft.evaluation.scoring import score

ONE = sample("a b c d", "a b c d", "a b c x", "a b x x", keywords=["a"])


def test_a_right_prompt_weighs_half_and_no_and_a_wrong_one_a_quarter_each():
    assert best_score(score([ONE]), "prompted_wer") == 0.5 * 0 + 0.25 * 0.25 + 0.25 * 0.5


def test_a_condition_without_rows_has_no_weight():
    no_wrong = score([sample("a b c d", "a b c x", "a b x x", None)])
    assert best_score(no_wrong, "prompted_wer") == pytest.approx((0.5 * 0.25 + 0.25 * 0.5) / 0.75)
    assert best_score(score([]), "prompted_wer") is None


def test_other_scores_are_those_under_right_prompts():
    assert best_score(score([ONE]), "keyword_recall") == 1.0
    assert is_higher_better("keyword_recall") and not is_higher_better("prompted_wer")
    assert format_best_score("prompted_wer", 0.125) == "12.5 %"
    assert format_best_score("loss", 0.125) == "0.12"
