"""How weights change: the optimiser, its schedule, and one step over all its batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import AdamW, Optimizer
from whisper.model import Whisper

from whisper_ft.data.dataset import Batch
from whisper_ft.models.loss import encode, parameter_groups, summed_loss
from whisper_ft.models.safe_load import entries
from whisper_ft.runtime.out_of_memory import is_shortage, reason

# As in pre-training (Whisper paper, appendix F).
BETAS, EPS, WEIGHT_DECAY, MAX_GRAD_NORM = (0.9, 0.98), 1e-6, 0.1, 1.0
MOMENTS = ("exp_avg", "exp_avg_sq")


class NonFiniteError(Exception):
    """A loss or gradient that is not a finite number; its words name the rows."""


class ShortageError(Exception):
    """Too little memory for a batch of `n_rows`; the weights are as they were."""

    def __init__(self, n_rows: int, error: Exception) -> None:
        super().__init__(reason(error))
        self.n_rows = n_rows


def make_optimizer(model: Whisper, lr: float) -> AdamW:
    """AdamW over what is trained, as in pre-training; all of an update in one pass over memory."""
    groups = parameter_groups(model, WEIGHT_DECAY)
    return AdamW(groups, lr=lr, betas=BETAS, eps=EPS, fused=True)


def restore_moments(optimizer: AdamW, saved: Any) -> None:
    """Take over the moments of a saved optimiser, but none of its settings.

    Raises ValueError for any that do not lie in memory as the parameters do: the fused update
    writes to as many numbers as those have, whatever is there.
    """
    saved, settings = entries(saved), optimizer.state_dict()["param_groups"]
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    for index, moments in saved.items():
        if index not in range(len(trained)) or set(moments) != {"step", "exp_avg", "exp_avg_sq"}:
            raise ValueError(f"moments of a parameter {index!r}")
        for name, shape in (("step", torch.Size()), *((n, trained[index].shape) for n in MOMENTS)):
            tensor = moments[name]
            if not isinstance(tensor, Tensor) or tensor.layout != torch.strided:
                raise ValueError(f"{name} of parameter {index} is no tensor of numbers")
            if tensor.shape != shape or tensor.dtype != torch.float32:
                raise ValueError(
                    f"{name} of parameter {index}: {tensor.dtype} {tuple(tensor.shape)}"
                )
            if not tensor.is_contiguous() or tensor.untyped_storage().nbytes() < tensor.nbytes:
                raise ValueError(f"{name} of parameter {index} claims more than is stored")
    optimizer.load_state_dict({"state": saved, "param_groups": settings})


def learning_rate(update: int, total: int, warmup: int, peak: float) -> float:
    """Of the update with this number, from 0: linear from near 0 to the peak, then to 0."""
    if update < warmup:
        return peak * (update + 1) / warmup
    return peak * max(0, total - update) / max(1, total - warmup)


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
            if not is_shortage(error):
                raise
            raise ShortageError(len(batch.places), error) from None
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
