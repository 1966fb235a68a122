"""A model's parameters: their number, their precision, and which are trained."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn
from whisper.model import Whisper

Model = TypeVar("Model", bound=nn.Module)


def cast_matrices(model: Model, dtype: torch.dtype) -> Model:
    """Store a model's or a decoder's matrices in a dtype, and return the model.

    Whisper casts all of them but the embeddings at every use, so results stay the same. Layer norms
    and the decoder's positions stay in float32, in which whisper adds them up.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Embedding):
            module.to(dtype)
    return model


def freeze_encoder(model: Whisper) -> None:
    """Exclude the encoder from training; it then runs without gradients."""
    model.encoder.requires_grad_(False)


def train_self_attention(model: Whisper) -> None:
    """Train the decoder's self-attention alone, the only layers in which text reads a prompt."""
    model.requires_grad_(False)
    for block in model.decoder.blocks:
        block.attn.requires_grad_(True)


def n_parameters(model: nn.Module, *, trainable: bool = False) -> int:
    """Return how many numbers a model has, or only those that are trained."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)
