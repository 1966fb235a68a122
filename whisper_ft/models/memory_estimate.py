"""How much memory a step of training needs, found without taking it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from whisper.audio import N_FRAMES
from whisper.model import ModelDimensions, Whisper

from whisper_ft.models.layers import use_activation_checkpointing, use_fast_layers
from whisper_ft.models.loss import decoder_states, encode
from whisper_ft.models.parameters import freeze_encoder, n_parameters

# torch, whisper and what they import, before the first weight: as seen in a process on Linux.
RUNTIME_BYTES = 0.45e9


def estimate_peak_bytes(
    dims: ModelDimensions,
    batch_size: int,
    *,
    frozen: bool = False,
    recomputed: bool = False,
    **settings: Any,
) -> int:
    """What a step takes at most, in bytes: `held_bytes`, and what a layer works with.

    Both grow by as much with every layer, so that one and two of each are enough to look at.
    """

    def held(n_encoder_layers: int, n_decoder_layers: int, **more: Any) -> int:
        layers = {"n_audio_layer": n_encoder_layers, "n_text_layer": n_decoder_layers}
        return estimate_backward_bytes(replace(dims, **layers), batch_size, **more, **settings)

    ways: dict[str, Any] = {"frozen": frozen, "recomputed": recomputed}
    least = held(1, 1, **ways)
    of_encoder, of_decoder = held(2, 1, **ways) - least, held(1, 2, **ways) - least
    total = least + (dims.n_audio_layer - 1) * of_encoder + (dims.n_text_layer - 1) * of_decoder
    if frozen or recomputed:  # then a layer's own results come and go
        total += (held(2, 1) - held(1, 1)) - (
            held(2, 1, recomputed=True) - held(1, 1, recomputed=True)
        )
    return total


def estimate_backward_bytes(
    dims: ModelDimensions,
    batch_size: int,
    *,
    frozen: bool = False,
    recomputed: bool = False,
    amp_dtype: torch.dtype | None = torch.bfloat16,
    n_tokens: int | None = None,
) -> int:
    """What is held when backward begins, for rows of n_tokens (default: the longest), half learned.

    Weights, gradients and moments are counted; what the forward pass keeps for the backward pass
    is found by a forward pass on tensors that have shapes and no memory.
    """
    n_tokens = n_tokens or dims.n_text_ctx
    n_learned = batch_size * n_tokens // 2
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if not (tensor.is_leaf and tensor.requires_grad):
            kept[id(tensor.untyped_storage())] = tensor
        return tensor

    with FakeTensorMode():
        model = Whisper(dims)
        use_fast_layers(model)
        if frozen:
            freeze_encoder(model)
        if recomputed:
            use_activation_checkpointing(model)
        mel = torch.zeros(batch_size, dims.n_mels, N_FRAMES)
        tokens = torch.zeros(batch_size, n_tokens, dtype=torch.long)
        with (
            saved_tensors_hooks(keep, lambda tensor: tensor),
            torch.autocast("cpu", dtype=amp_dtype, enabled=amp_dtype is not None),
        ):
            states = decoder_states(model.decoder, tokens, encode(model.encoder, mel)).flatten(0, 1)
            weight = model.decoder.token_embedding.weight
            logits = F.linear(states[:n_learned], weight.to(states.dtype)).float()
            F.cross_entropy(logits, torch.zeros(n_learned, dtype=torch.long), reduction="sum")
        activations = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
        weights = 4 * n_parameters(model) + 12 * n_parameters(model, trainable=True)
    return weights + activations + 8 * n_learned * dims.n_vocab  # logits and their gradient
