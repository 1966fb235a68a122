"""Which share of the trained weights is the best."""

import pytest

from whisper_ft.evaluation.logged_interpolation import ShareScores
from whisper_ft.training.interpolation import choose_share


def several(*scores, others=(None,) * 5):
    """Scores of stock and of the shares, in the order in which they are tried."""
    shares = (0.0, 1.0, 0.75, 0.5, 0.25)
    return [
        ShareScores(share, value, loss, other)
        for share, (value, loss), other in zip(shares, scores, others, strict=True)
    ]


def test_the_best_share_is_chosen_never_stock_and_ties_go_to_the_lower_loss():
    scores = several((0.0, 0.0), (0.3, 1.0), (0.2, 1.0), (0.25, 0.5), (0.2, 0.9))
    assert choose_share(scores, "prompted_wer") == 0.25
    assert choose_share(scores, "keyword_recall") == 1.0  # more of it is better
    undefined = several((None, 1.0), (None, 0.7), (0.9, 0.9), (None, 0.8), (None, 0.6))
    assert choose_share(undefined, "b_wer") == 0.75
    assert choose_share(several(*[(None, 1.0)] * 5), "wer") == 1.0


@pytest.mark.parametrize(("half", "chosen"), [(0.1, 0.5), (0.104, 0.5), (0.11, 1.0)])
def test_half_is_chosen_unless_another_share_is_better_by_more_than_chance(half, chosen):
    scores = several((0.0, 0.0), (0.1, 1.0), (0.2, 1.0), (half, 2.0), (0.3, 1.0))
    assert choose_share(scores, "prompted_wer") == chosen


def test_a_share_that_loses_on_others_is_left_out_and_if_all_do_it_is_said(logged):
    scores = ((0.5, 1.0), (0.1, 1.0), (0.2, 1.0), (0.3, 1.0), (0.4, 1.0))
    kept = several(*scores, others=(0.04, 0.06, 0.046, 0.0449, 0.04))
    assert choose_share(kept, "wer") == 0.5 and logged() == ""
    lost = several(*scores, others=(0.04, 0.09, 0.08, 0.05, 0.06))
    assert choose_share(lost, "wer") == 0.5
    assert "by more than 0.5 points; 0.5 of the tuned weights, with the fewest" in logged()
