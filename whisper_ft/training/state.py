"""All that an exact resume needs, as `state.pt` keeps it."""

from __future__ import annotations

import math
import reprlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from whisper.model import ModelDimensions, Whisper

from whisper_ft.models.loading import LoadedModel
from whisper_ft.models.safe_load import find_mismatch, load_plain, plain_dict, set_alignment_heads
from whisper_ft.runtime.out_of_memory import is_out_of_memory
from whisper_ft.training.checkpoint import RUN_FORMAT, format_problem, new_run


@dataclass
class Progress:
    """How far a run is, and its best evaluation."""

    step: int = 0  # optimiser steps taken, and so the position in the sampler
    n_updates: int = 0  # steps that changed weights: one that fp16 skips changes none
    evaluated_step: int = -1  # step of the last evaluation
    stock_score: float | None = None  # of --best-by, before the first step
    stock_train_gap: float | None = None  # see evaluation/prompt_gap.py
    stock_dev_gap: float | None = None
    best_step: int = -1
    best_score: float | None = None  # of --best-by
    best_loss: float = math.inf
    rows_per_pass: int = 0  # once memory ran out; 0: --batch-size
    n_without_improvement: int = 0  # evaluations since the best one

    def update_best(
        self, score: float | None, loss: float, *, higher_is_better: bool = False
    ) -> bool:
        """Compare an evaluation after step 0 with the best one; return whether it is better.

        Ties go to the lower loss, and a score that does not exist is worse than any.
        """
        new, best = (
            math.inf if value is None else -value if higher_is_better else value
            for value in (score, self.best_score)
        )
        if (new, loss) < (best, self.best_loss):
            self.best_step, self.best_score, self.best_loss = self.step, score, loss
            self.n_without_improvement = 0
            return True
        self.n_without_improvement += 1
        return False

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Progress:
        """Read the fields of a saved one. Raises ValueError or TypeError for anything else."""
        progress = cls(**saved)
        for name, value in vars(progress).items():
            default = getattr(cls, name)
            is_number = type(value) is int or (type(value) is float and type(default) is not int)
            if not is_number and not (value is None and default is None):
                raise ValueError(f"{name} is {reprlib.repr(value)}")
        counts = (progress.step, progress.n_updates, progress.rows_per_pass)
        if min(*counts, progress.n_without_improvement) < 0 or progress.n_updates > progress.step:
            raise ValueError(f"{progress.n_updates} updates in {progress.step} steps")
        return progress


@dataclass(frozen=True)
class RunState:
    """The content of `state.pt`: plain types and tensors only, so that no code runs on reading."""

    dims: ModelDimensions
    alignment_heads: str | None
    model: dict[str, Tensor]  # float32 weights
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    progress: Progress
    cpu_rng: Tensor
    cuda_rng: Tensor | None

    def to_dict(self) -> dict[str, Any]:
        """Return what `torch.save` writes."""
        return {
            "format": RUN_FORMAT,
            "dims": dict(vars(self.dims)),
            "alignment_heads": self.alignment_heads,
            "model": self.model,
            "optimizer": self.optimizer,
            "scaler": self.scaler,
            "progress": asdict(self.progress),
            "rng": {"cpu": self.cpu_rng, "cuda": self.cuda_rng},
        }

    @classmethod
    def read(cls, path: Path) -> RunState:
        """Read a state, its tensors mapped from the disk.

        Raises ValueError for another format and for a file that is no state.
        """
        content = load_plain(path)
        try:
            content = plain_dict(content)
            progress = content["progress"]  # states of every format have it
            problem = format_problem(content.get("format", 1), path)
            if not problem:
                return cls(
                    dims=ModelDimensions(**content["dims"]),
                    alignment_heads=content["alignment_heads"],
                    model=content["model"],
                    optimizer=plain_dict(content["optimizer"]),
                    scaler=plain_dict(content["scaler"]),
                    progress=Progress.from_dict(progress),
                    cpu_rng=content["rng"]["cpu"],
                    cuda_rng=content["rng"]["cuda"],
                )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            problem = not_a_state(path, error)
        raise ValueError(problem)


def load_state_model(path: Path) -> LoadedModel:
    """Make the model of a saved state, in float32. Raises ValueError for a file that is no state.

    Checks that the weights can be those of the dimensions before it takes memory for them.
    """
    state = RunState.read(path)
    try:
        if problem := find_mismatch(state.dims, state.model, path.stat().st_size):
            raise ValueError(problem)
        model = Whisper(state.dims)
        model.load_state_dict(plain_dict(state.model))
        set_alignment_heads(model, state.alignment_heads)
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        raise ValueError(not_a_state(path, error)) from None
    return LoadedModel(model, state.alignment_heads)


def not_a_state(path: Path, error: object) -> str:
    """Return the message for a file that is no state."""
    return f"{path}: not a run's state ({error}): {new_run(path.parent)}"
