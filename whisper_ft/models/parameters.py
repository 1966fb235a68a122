"""A model's parameters: their number, their precision, and which are trained."""

from __future__ import annotations

from typing import Literal, TypeVar

import torch
from torch import nn
from whisper.model import Whisper

Model = TypeVar("Model", bound=nn.Module)
Trained = Literal["all", "decoder", "self-attention"]  # what of a model is trained


def cast_matrices(model: Model, dtype: torch.dtype) -> Model:
    """Store a model's or a decoder's matrices in a dtype, and return the model.

    Whisper casts all of them but the embeddings at every use, so results stay the same. Layer norms
    and the decoder's positions stay in float32, in which whisper adds them up.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Embedding):
            module.to(dtype)
    return model


def set_trained(model: Whisper, trained: Trained) -> None:
    """Exclude all else from training; a frozen encoder then runs without gradients.

    "decoder" freezes the encoder. "self-attention" is the decoder's, the only layers in which text
    reads a prompt.
    """
    if trained != "all":
        model.encoder.requires_grad_(False)
    if trained == "self-attention":
        model.decoder.requires_grad_(False)
        for block in model.decoder.blocks:
            block.attn.requires_grad_(True)


def n_parameters(model: nn.Module, *, trainable: bool = False) -> int:
    """Return how many numbers a model has, or only those that are trained."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)
