"""Average the weights of several models."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from whisper.model import Whisper

from whisper_ft.models.loading import LoadedModel
from whisper_ft.text.counts import format_count

SUM_TOLERANCE = 1e-3  # thirds are given as 0.333


def average(models: Sequence[LoadedModel], weights: Sequence[float] = ()) -> LoadedModel:
    """Return a model whose weights are the weighted mean of those of `models`.

    `weights` has one number for each model (default: equal weights); they add up to 1. A model
    between stock and fine-tuned weights forgets less than the latter (Wortsman et al. 2022,
    "Robust fine-tuning of zero-shot models"). The alignment heads are those of the first model that
    has any. Raises ValueError for models of different sizes and for weights that do not fit.
    """
    if problem := find_weight_problem(weights, len(models)):
        raise ValueError(f"weights: {problem}")
    weights = normalized_weights(weights, len(models))
    dims = models[0].model.dims
    for name in vars(dims):
        sizes = [getattr(loaded.model.dims, name) for loaded in models]
        if len(set(sizes)) > 1:
            raise ValueError(
                f"models of different sizes cannot be averaged ({name}: {sizes}): give models of "
                "one size"
            )
    states = [loaded.model.state_dict() for loaded in models]
    model = Whisper(dims)
    model.load_state_dict({name: _weighted_sum(states, weights, name) for name in states[0]})
    heads = [loaded.alignment_heads for loaded in models if loaded.alignment_heads]
    return LoadedModel(model, heads[0] if heads else None)


@torch.no_grad()
def mix_into(model: Whisper, other: Whisper, share: float) -> None:
    """Replace a model's weights in place by `share` of them and the rest of another's.

    The result equals that of `average`, and takes no memory for a third model. Both are on one
    device and of one size.
    """
    others = other.state_dict()
    for name, tensor in model.state_dict().items():
        tensor.copy_(share * tensor + (1 - share) * others[name])


def normalized_weights(weights: Sequence[float], n_models: int) -> tuple[float, ...]:
    """Return weights that add up to exactly 1; equal ones if none are given."""
    weights = weights or (1 / n_models,) * n_models
    return tuple(weight / sum(weights) for weight in weights)


def find_weight_problem(weights: Sequence[float], n_models: int) -> str:
    """Return why some models cannot be averaged with these weights, or ""."""
    if weights and len(weights) != n_models:
        given = f"{len(weights)} for {format_count(n_models, 'checkpoint')}"
        return f"{given}: give one for each checkpoint"
    if weights and not math.isclose(sum(weights), 1, abs_tol=SUM_TOLERANCE):
        return f"they add up to {sum(weights):g}: they must add up to 1"
    return ""


def _weighted_sum(
    states: Sequence[dict[str, Tensor]], weights: Sequence[float], name: str
) -> Tensor | int:
    return sum(weight * state[name] for state, weight in zip(states, weights, strict=True))
