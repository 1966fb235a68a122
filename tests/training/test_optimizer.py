"""The learning rate and what has weight decay."""

import pytest
import whisper

from whisper_ft.training.optimizer import learning_rate, parameter_groups, peak_lr


def test_the_learning_rate_rises_to_its_peak_and_falls_to_0_linearly():
    rates = [learning_rate(update, 10, 4, 1.0) for update in range(10)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])
    assert learning_rate(0, 10, 0, 1.0) == 1.0


def test_weight_decay_is_for_matrices_alone(model):
    decayed, other = parameter_groups(model, 0.1)
    assert decayed["weight_decay"] == 0.1 and other["weight_decay"] == 0
    assert min(p.ndim for p in decayed["params"]) == 2
    assert max(p.ndim for p in other["params"]) == 1
    assert len(decayed["params"]) + len(other["params"]) == len(list(model.parameters()))


def test_the_default_learning_rate_is_a_fortieth_of_pre_trainings(model):
    small = whisper.model.ModelDimensions(80, 1500, 768, 12, 12, 51865, 448, 768, 12, 12)
    assert peak_lr(small) == pytest.approx(1.25e-5)
    with pytest.raises(ValueError, match="--lr: a model of width 32"):
        peak_lr(model.dims)
