"""The result of a run of `train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Literal

from whisper_ft.evaluation.logged_interpolation import LoggedInterpolation
from whisper_ft.evaluation.scoring import Scores

# finished: to the last step, or by --patience. stopped: by a signal, saved. failed: see `message`.
Reason = Literal["finished", "stopped", "failed"]


@dataclass(frozen=True)
class TrainResult:
    """How a run ended, and what it left."""

    folder: Path
    best: Path | None  # checkpoints that stock whisper opens; None: not written yet
    last: Path | None
    n_steps: int  # optimiser steps taken, those before a resume included
    reason: Reason
    message: str  # lines that say what happened and what to do
    signal: Signals | None = None  # that stopped the run
    # The step of `best`, or of the trained weights in it. None: no evaluation yet, or no dev rows.
    best_step: int | None = None
    # Of `best`: of the evaluation of that step, or of a mixture on the dev rows that did not choose
    scores: Scores | None = None
    interpolation: LoggedInterpolation | None = None  # how `best` was mixed; None: it is not
    alignment_heads: str | None = None  # of the model, for word timestamps, as whisper writes them
