"""One optimiser step over all of its batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from whisper_ft.data.loader import Batch
from whisper_ft.runtime.out_of_memory import describe_out_of_memory, is_out_of_memory
from whisper_ft.training.optimizer import MAX_GRAD_NORM


class NonFiniteError(Exception):
    """A loss, gradient or weight that is not a finite number; the message names the rows."""


class OutOfMemoryError(Exception):
    """Too little memory for a batch of `n_rows`; the weights are unchanged."""

    def __init__(self, n_rows: int, error: Exception) -> None:
        super().__init__(describe_out_of_memory(error))
        self.n_rows = n_rows


class StepResult(NamedTuple):
    """The numbers of one optimiser step."""

    loss: float  # nats per target token
    grad_norm: float  # before clipping; not finite if fp16's scaler skipped the step
    n_targets: int
    n_rows: int
    n_fallbacks: int
    skipped: bool


def train_step(
    prompted_loss: nn.Module,
    batches: Sequence[Batch],
    optimizer: Optimizer,
    scaler: GradScaler,
    amp_dtype: torch.dtype | None = None,
) -> StepResult:
    """Take one optimiser step over several batches, in which every learned token weighs the same.

    `prompted_loss` maps a batch to its summed loss: `models.loss.PromptedLoss`, or a wrapper of it.
    Raises NonFiniteError for a loss or gradient norm that is not finite, unless fp16's scaler
    handles it by skipping the step, and OutOfMemoryError for a batch that does not fit in memory.
    The weights are unchanged after either.
    """
    device = next(prompted_loss.parameters()).device
    n_targets = sum(batch.n_targets for batch in batches)
    losses = []
    optimizer.zero_grad(set_to_none=True)
    for batch in batches:
        try:
            on_device = batch.to(device)
            with torch.autocast(device.type, dtype=amp_dtype, enabled=amp_dtype is not None):
                loss = prompted_loss(on_device) / n_targets
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
    return StepResult(
        loss=sum(values),
        grad_norm=grad_norm,
        n_targets=n_targets,
        n_rows=sum(len(batch.places) for batch in batches),
        n_fallbacks=sum(batch.n_fallbacks for batch in batches),
        skipped=scaler.get_scale() < scale,
    )


def _places(batches: Sequence[Batch]) -> str:
    return ", ".join(place for batch in batches for place in batch.places)
