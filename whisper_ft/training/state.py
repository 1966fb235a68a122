"""How far a run is, and its best evaluation."""

from __future__ import annotations

import math
import reprlib
from dataclasses import dataclass
from typing import Any

from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.evaluation.scoring import SCORES
from whisper_ft.evaluation.tables import format_rate


@dataclass
class Progress:
    """How far a run is, and its best evaluation: all that the loop remembers beside tensors."""

    step: int = 0  # optimiser steps taken, and so the position in the order of visits
    updates: int = 0  # steps that changed weights: an fp16 overflow changes none
    evaluated_at: int = -1  # step of the last evaluation
    stock_score: float | None = None  # under right prompts, before the first step
    best_step: int = -1
    best_score: float | None = None  # by what --best-by names
    best_loss: float = math.inf
    at_once: int = 0  # rows in a forward pass since memory ran short; 0: as many as are set
    n_worse: int = 0  # evaluations since the best one

    def better(self, score: float | None, loss: float, *, higher: bool = False) -> bool:
        """Record an evaluation after step 0; whether it is the best. Ties go to the lower loss."""
        here, best = (
            math.inf if value is None else -value if higher else value
            for value in (score, self.best_score)
        )
        if (here, loss) < (best, self.best_loss):
            self.best_step, self.best_score, self.best_loss = self.step, score, loss
            self.n_worse = 0
            return True
        self.n_worse += 1
        return False


def restored(saved: dict[str, Any]) -> Progress:
    """What a state saved of it. Raises ValueError or TypeError for what is no progress."""
    progress = Progress(**saved)
    for name, value in vars(progress).items():
        default = getattr(Progress, name)
        is_number = type(value) is int or (type(value) is float and type(default) is not int)
        if not is_number and not (value is None and default is None):
            raise ValueError(f"{name} is {reprlib.repr(value)}")
    at_least = min(progress.step, progress.updates, progress.at_once, progress.n_worse)
    if at_least < 0 or progress.updates > progress.step:
        raise ValueError(f"{progress.updates} updates in {progress.step} steps")
    return progress


def told(progress: Progress, dev: PromptedRows, name: str) -> str:
    """The best evaluation's score beside the start's."""
    best, stock = progress.best_score, progress.stock_score
    if best is None:
        return f"dev {name} not defined"
    prompts = "under right prompts" if any(map(str.strip, dev.right_prompts)) else "without prompts"
    said = f"dev {name} {format_rate(name, best)} {prompts}"
    if stock is not None:
        said += f", before the run {format_rate(name, stock)}"
        if (stock > best) if SCORES[name].higher_is_better else (stock < best):
            said += " (so it did harm: try a lower --lr, or general speech mixed in)"
    return said
