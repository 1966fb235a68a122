"""A model's parameters: how many, which are trained, in which precision."""

from __future__ import annotations

import torch
from torch import nn
from whisper.model import Whisper


def cast_matrices(model: Whisper, dtype: torch.dtype) -> Whisper:
    """Keep a model's matrices in a dtype, to which whisper casts all but embeddings at every use.

    Layer norms and the decoder's positions are added up in float32, as whisper does.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Embedding):
            module.to(dtype)
    return model


def freeze_encoder(model: Whisper) -> None:
    """Leave the encoder as it is; it then runs without gradients."""
    model.encoder.requires_grad_(False)


def n_parameters(model: nn.Module, *, trainable: bool = False) -> int:
    """How many numbers a model holds, or trains."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)
