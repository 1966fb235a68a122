"""The average of models lies between them."""

import pytest
import torch
from helpers.models import random_whisper

from whisper_ft.models.averaging import average, mix_into
from whisper_ft.models.loading import LoadedModel

HEADS = "ABzY8"


@pytest.fixture
def models():
    return [LoadedModel(random_whisper(seed=0), None), LoadedModel(random_whisper(seed=1), HEADS)]


def test_without_weights_every_model_counts_the_same_and_the_first_known_heads_stay(models):
    averaged = average(models)
    middle = sum(loaded.model.encoder.conv1.weight for loaded in models) / 2
    assert torch.allclose(averaged.model.encoder.conv1.weight, middle)
    assert averaged.alignment_heads == HEADS


def test_weights_are_the_shares_of_the_models(models):
    states = [loaded.model.state_dict() for loaded in models]
    for name, tensor in average(models, [0.25, 0.75]).model.state_dict().items():
        assert torch.equal(tensor, 0.25 * states[0][name] + 0.75 * states[1][name]), name


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_mixed_in_place_the_weights_are_those_of_the_average(models, share):
    first, second = models
    wanted = average([first, second], [share, 1 - share]).model.state_dict()
    before = {name: tensor.clone() for name, tensor in second.model.state_dict().items()}
    mix_into(first.model, second.model, share)
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(tensor, wanted[name]), name
        assert torch.equal(second.model.state_dict()[name], before[name]), name


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        ([1.0], "1 for 2 checkpoints: give one for each"),
        ([0.5, 1.0], "they add up to 1.5: they must add up to 1"),
    ],
)
def test_weights_that_do_not_fit_the_models_are_refused(models, weights, problem):
    with pytest.raises(ValueError, match=problem):
        average(models, weights)


def test_models_of_different_sizes_are_refused(models):
    with pytest.raises(ValueError, match=r"models of different sizes cannot be averaged \(n_mels"):
        average([models[0], LoadedModel(random_whisper(51866), None)])
