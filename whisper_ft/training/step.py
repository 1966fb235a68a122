"""One optimiser step over all of its batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer
from whisper.model import Whisper

from whisper_ft.data.loader import Batch
from whisper_ft.models.loss import encode, summed_loss
from whisper_ft.runtime.out_of_memory import is_out_of_memory, reason
from whisper_ft.training.optimizer import MAX_GRAD_NORM


class NonFiniteError(Exception):
    """A loss or gradient that is not a finite number; its words name the rows."""


class OutOfMemoryError(Exception):
    """Too little memory for a batch of `n_rows`; the weights are as they were."""

    def __init__(self, n_rows: int, error: Exception) -> None:
        super().__init__(reason(error))
        self.n_rows = n_rows


def train_step(
    model: Whisper,
    batches: Sequence[Batch],
    optimizer: Optimizer,
    scaler: GradScaler,
    amp_dtype: torch.dtype | None = None,
) -> dict[str, Any]:
    """One optimiser step over all its batches; every learned token weighs the same.

    Raises NonFiniteError, with the weights as they were, for a loss that is not finite, and for
    a gradient norm that is not unless fp16's scaler handles it by skipping the step; so it raises
    ShortageError for a batch that memory has no room for.
    """
    device = model.device
    n_targets = sum(batch.n_targets for batch in batches)
    losses = []
    optimizer.zero_grad(set_to_none=True)
    for batch in batches:
        try:
            on_device = batch.to(device)
            with torch.autocast(device.type, dtype=amp_dtype, enabled=amp_dtype is not None):
                features = _features(model, on_device, amp_dtype)
                loss = summed_loss(model, features, on_device.tokens, on_device.targets)
                loss = loss / n_targets
            scaler.scale(loss).backward()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise OutOfMemoryError(len(batch.places), error) from None
        losses.append(loss.detach())
    values = torch.stack(losses).tolist()
    if not all(map(math.isfinite, values)):
        bad = [b for b, v in zip(batches, values, strict=True) if not math.isfinite(v)]
        raise NonFiniteError(f"the loss is not a finite number on {_places(bad)}")
    scaler.unscale_(optimizer)
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    grad_norm = float(nn.utils.clip_grad_norm_(trained, MAX_GRAD_NORM))
    if not math.isfinite(grad_norm) and not scaler.is_enabled():
        raise NonFiniteError(f"the gradient norm is {grad_norm} on {_places(batches)}")
    scale = scaler.get_scale()
    scaler.step(optimizer)
    scaler.update()
    return {
        "loss": sum(values),
        "grad_norm": grad_norm,
        "n_targets": n_targets,
        "n_rows": sum(len(batch.places) for batch in batches),
        "n_fallbacks": sum(batch.n_fallbacks for batch in batches),
        "skipped": scaler.get_scale() < scale,
    }


def _features(model: Whisper, batch: Batch, amp_dtype: torch.dtype | None) -> Tensor:
    """What the decoder listens to, in the precision that the encoder would give it."""
    if batch.features is not None:
        return batch.features.to(amp_dtype or torch.float32)
    assert batch.mel is not None
    return encode(model, batch.mel)


def _places(batches: Sequence[Batch]) -> str:
    return ", ".join(place for batch in batches for place in batch.places)
