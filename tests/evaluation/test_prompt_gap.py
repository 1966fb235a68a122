"""What a right prompt saves, and the warning that it saves nothing more."""

import json

from helpers.samples import sample

from whisper_ft.evaluation.prompt_gap import (
    PromptGaps,
    PromptLosses,
    describe_learned_by_heart,
)
from whisper_ft.evaluation.scoring import score


def test_the_gap_is_what_the_right_prompt_saves_in_nats_per_token():
    losses = PromptLosses.of_scores(score([sample("a b", "", "", "", losses=(1.0, 3.0, 4.0))]))
    assert losses.gap == 0.5  # 4 tokens
    assert PromptLosses.from_json(json.loads(json.dumps(losses.to_json()))) == losses
    assert PromptLosses.of_scores(score([])).gap is None


def test_texts_are_known_by_heart_once_training_rows_need_no_prompt_and_dev_rows_do():
    stock = PromptGaps(train=0.2, dev=0.2)
    assert PromptGaps(train=0.01, dev=0.2).learned_by_heart(stock)
    assert not PromptGaps(train=0.15, dev=0.2).learned_by_heart(stock)  # both still read
    assert not PromptGaps(train=0.01, dev=0.01).learned_by_heart(stock)  # nobody needs a prompt
    assert not PromptGaps(0.0, 0.2).learned_by_heart(PromptGaps(-0.1, 0.2))  # stock never did
    assert PromptGaps.of(None, 0.1) is None


def test_the_warning_says_what_closed_and_what_to_do():
    said = describe_learned_by_heart(PromptGaps(0.2, 0.3), PromptGaps(0.01, 0.25))
    assert "0.01 nats per token on training rows (0.20 before training)" in said
    assert "0.25 on dev rows (0.30 before training)" in said and "--lr" in said
