"""Estimate how much memory a training step needs, without allocating it."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from whisper.audio import N_FRAMES
from whisper.model import ModelDimensions, Whisper

from whisper_ft.models.layers import use_activation_checkpointing, use_fast_layers
from whisper_ft.models.loss import decoder_states, encode
from whisper_ft.models.parameters import Trained, n_parameters, set_trained

RUNTIME_BYTES = 0.45e9  # torch, whisper and what they import, measured in a process on Linux


def estimate_peak_bytes(
    dims: ModelDimensions,
    batch_size: int,
    *,
    trained: Trained = "all",
    gradient_checkpointing: bool = False,
    amp_dtype: torch.dtype | None = torch.bfloat16,
    n_tokens: int | None = None,
    texts_per_row: int = 1,
) -> int:
    """Return the most bytes that a step needs: `estimate_backward_bytes` and a layer's own results.

    Both grow by the same amount with every layer, so models of one and two layers are enough to
    extrapolate from. The arguments are those of `estimate_backward_bytes`.
    """

    def backward_bytes(
        n_encoder_layers: int, n_decoder_layers: int, *, trained: Trained, recomputed: bool
    ) -> int:
        return estimate_backward_bytes(
            replace(dims, n_audio_layer=n_encoder_layers, n_text_layer=n_decoder_layers),
            batch_size,
            trained=trained,
            gradient_checkpointing=recomputed,
            amp_dtype=amp_dtype,
            n_tokens=n_tokens,
            texts_per_row=texts_per_row,
        )

    recomputed = gradient_checkpointing
    smallest = backward_bytes(1, 1, trained=trained, recomputed=recomputed)
    per_encoder_layer = backward_bytes(2, 1, trained=trained, recomputed=recomputed) - smallest
    per_decoder_layer = backward_bytes(1, 2, trained=trained, recomputed=recomputed) - smallest
    total = smallest
    total += (int(dims.n_audio_layer) - 1) * per_encoder_layer
    total += (int(dims.n_text_layer) - 1) * per_decoder_layer
    if trained != "all" or recomputed:  # then one encoder layer's own results come and go
        stored, not_stored = (
            backward_bytes(2, 1, trained="all", recomputed=r)
            - backward_bytes(1, 1, trained="all", recomputed=r)
            for r in (False, True)
        )
        total += stored - not_stored
    return total


def estimate_backward_bytes(
    dims: ModelDimensions,
    batch_size: int,
    *,
    trained: Trained = "all",
    gradient_checkpointing: bool = False,
    amp_dtype: torch.dtype | None = torch.bfloat16,
    n_tokens: int | None = None,
    texts_per_row: int = 1,
) -> int:
    """Return the bytes that are allocated when the backward pass of a step begins.

    Texts have `n_tokens` tokens (default: the most that fit), half of them learned. A row has more
    texts than one if some are learned a second time. Weights, gradients and the optimiser's moments
    are counted. The activations that the forward pass stores for the backward pass are found by a
    forward pass on fake tensors, which have shapes but no memory.
    """
    n_tokens = n_tokens or dims.n_text_ctx
    n_texts = batch_size * texts_per_row
    n_learned = n_texts * n_tokens // 2
    stored: dict[int, Tensor] = {}

    def store(tensor: Tensor) -> Tensor:
        if not (tensor.is_leaf and tensor.requires_grad):
            stored[id(tensor.untyped_storage())] = tensor
        return tensor

    with FakeTensorMode():
        model = Whisper(dims)
        use_fast_layers(model)
        set_trained(model, trained)
        if gradient_checkpointing:
            use_activation_checkpointing(model)
        mel = torch.zeros(batch_size, dims.n_mels, N_FRAMES)
        tokens = torch.zeros(n_texts, n_tokens, dtype=torch.long)
        with (
            saved_tensors_hooks(store, lambda tensor: tensor),
            torch.autocast("cpu", dtype=amp_dtype, enabled=amp_dtype is not None),
        ):
            features = encode(model.encoder, mel)
            if texts_per_row > 1:
                features = features.repeat_interleave(texts_per_row, dim=0)
            states = decoder_states(model.decoder, tokens, features)
            weight = model.decoder.token_embedding.weight
            logits = F.linear(states.flatten(0, 1)[:n_learned], weight.to(states.dtype)).float()
            F.cross_entropy(logits, torch.zeros(n_learned, dtype=torch.long), reduction="sum")
        activations = sum(tensor.untyped_storage().nbytes() for tensor in stored.values())
        weights = 4 * n_parameters(model) + 12 * n_parameters(model, trainable=True)
    # Log-probabilities and two gradients through them in float32, and one in half precision.
    logits_and_gradients = 14 * n_learned * int(dims.n_vocab)
    return weights + activations + logits_and_gradients


def estimate_weight_bytes(dims: ModelDimensions, itemsize: int, *, decoder_alone: bool) -> int:
    """Return the bytes of a model's weights, or of its decoder's, at `itemsize` bytes each."""
    with FakeTensorMode():
        model = Whisper(dims)
        return itemsize * n_parameters(model.decoder if decoder_alone else model)
