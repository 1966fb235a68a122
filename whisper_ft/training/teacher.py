"""The model before training, as a teacher against forgetting."""

from __future__ import annotations

import copy

import torch
from whisper.model import ModelDimensions, Whisper

from whisper_ft.config.train import TrainConfig
from whisper_ft.models.loss import Teacher
from whisper_ft.models.memory_estimate import estimate_weight_bytes
from whisper_ft.models.parameters import cast_matrices


def make_teacher(
    stock: Whisper, config: TrainConfig, device: torch.device, amp_dtype: torch.dtype | None
) -> Teacher | None:
    """Return a frozen copy of the model before training on the device; None for `--kl-weight 0`.

    Its matrices have the dtype in which they are used. A frozen encoder is not copied.
    """
    if not config.kl_weight:
        return None
    parts = stock.decoder if config.encoder_is_frozen else stock
    frozen = copy.deepcopy(parts).requires_grad_(False).eval().to(device)
    cast_matrices(frozen, amp_dtype or torch.float32)
    if isinstance(frozen, Whisper):
        return Teacher(frozen.decoder, frozen.encoder, config.kl_weight)
    return Teacher(frozen, None, config.kl_weight)


def teacher_bytes(
    config: TrainConfig, amp_dtype: torch.dtype | None, dims: ModelDimensions, *, n_rows: int
) -> int:
    """Return what a teacher adds to a pass of `n_rows`: its weights and its distributions.

    These are the log-probabilities of both models and the teacher's probabilities, in float32, at
    half of the positions, as in `estimate_backward_bytes`.
    """
    if not config.kl_weight:
        return 0
    itemsize = (amp_dtype or torch.float32).itemsize
    weights = estimate_weight_bytes(dims, itemsize, decoder_alone=config.encoder_is_frozen)
    n_texts = n_rows * config.max_texts_per_row
    return weights + 3 * 4 * n_texts * int(dims.n_text_ctx) // 2 * int(dims.n_vocab)
