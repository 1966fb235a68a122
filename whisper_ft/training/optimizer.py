"""The optimiser and the learning rate, as in pre-training (Whisper paper, appendix F)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW
from whisper.model import ModelDimensions, Whisper

from whisper_ft.models.safe_load import plain_dict

BETAS, EPS, WEIGHT_DECAY, MAX_GRAD_NORM = (0.9, 0.98), 1e-6, 0.1, 1.0
MOMENTS = ("exp_avg", "exp_avg_sq")


def make_optimizer(model: Whisper, lr: float) -> AdamW:
    """Return AdamW over the trainable parameters; it updates them in one pass over memory."""
    groups = parameter_groups(model, WEIGHT_DECAY)
    return AdamW(groups, lr=lr, betas=BETAS, eps=EPS, fused=True)


def restore_moments(optimizer: AdamW, saved: Any) -> None:
    """Restore the moments of a saved optimiser, but none of its settings.

    Raises ValueError for moments that are not laid out in memory as the parameters are: the fused
    update would write past their end.
    """
    saved, settings = plain_dict(saved), optimizer.state_dict()["param_groups"]
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    for index, moments in saved.items():
        if index not in range(len(trained)) or set(moments) != {"step", "exp_avg", "exp_avg_sq"}:
            raise ValueError(f"moments of a parameter {index!r}")
        for name, shape in (("step", torch.Size()), *((n, trained[index].shape) for n in MOMENTS)):
            tensor = moments[name]
            if not isinstance(tensor, Tensor) or tensor.layout != torch.strided:
                raise ValueError(f"{name} of parameter {index} is not a tensor of numbers")
            if tensor.shape != shape or tensor.dtype != torch.float32:
                raise ValueError(
                    f"{name} of parameter {index}: {tensor.dtype} {tuple(tensor.shape)}"
                )
            if not tensor.is_contiguous() or tensor.untyped_storage().nbytes() < tensor.nbytes:
                raise ValueError(f"{name} of parameter {index} claims more numbers than are stored")
    optimizer.load_state_dict({"state": saved, "param_groups": settings})


def learning_rate(update: int, total: int, warmup: int, peak: float) -> float:
    """Return the rate of an update, counted from 0: linear up to the peak, then down to 0."""
    if update < warmup:
        return peak * (update + 1) / warmup
    return peak * max(0, total - update) / max(1, total - warmup)


# Peak learning rates of pre-training, by model width.
PRETRAINING_LR = {384: 1.5e-3, 512: 1e-3, 768: 5e-4, 1024: 2.5e-4, 1280: 1.75e-4}
# Self-attention alone takes a higher rate: see "Recipes" in benchmarks/NOTES.md.
FINE_TUNING_SHARE = {"all": 1 / 40, "self-attention": 1 / 10}


def peak_lr(dims: ModelDimensions, layers: str = "all") -> float:
    """Return a share of the model's peak rate in pre-training, by the layers that are trained.

    Raises ValueError for a width that no published model has.
    """
    if dims.n_audio_state not in PRETRAINING_LR:
        raise ValueError(
            f"--lr: a model of width {dims.n_audio_state} has no default rate: give one"
        )
    return PRETRAINING_LR[dims.n_audio_state] * FINE_TUNING_SHARE[layers]


def parameter_groups(model: Whisper, weight_decay: float) -> list[dict[str, Any]]:
    """Group trainable parameters: decay for matrices, none for biases and layer norms."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
