"""The lines of a run's `metrics.jsonl`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from whisper_ft.evaluation.logged_evaluation import LoggedEvaluation
from whisper_ft.evaluation.logged_interpolation import LoggedInterpolation
from whisper_ft.evaluation.logged_longform import LoggedLongform
from whisper_ft.runtime.files import read_json_lines

METRICS, SAMPLES = "metrics.jsonl", "samples.jsonl"


@dataclass(frozen=True)
class StepLog:
    """One optimiser step."""

    step: int  # from 1
    lr: float
    loss: float  # nats per target token, with the teacher's divergence if there is one
    grad_norm: float | None  # before clipping; None for a step that fp16 skipped
    n_targets: int
    n_rows: int
    n_fallbacks: int  # augmented variants that did not fit, so that the plain one was used
    skipped: bool  # by fp16's gradient scaler, after an overflow
    step_seconds: float
    data_seconds: float  # that the step waited for its batches
    n_unreadable: int = 0  # rows whose audio could not be read, in whose place others were

    def to_json(self) -> dict[str, Any]:
        """Return the line as JSON has it."""
        return {"kind": "step", **asdict(self)}

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> StepLog:
        """Read what `to_json` returned. Raises TypeError for anything else."""
        return cls(**{name: line[name] for name in cls.__dataclass_fields__ if name in line})


def evaluation_of(folder: Path, step: int) -> LoggedEvaluation | None:
    """Return a run's evaluation of a step, None if it has none."""
    for line in read_json_lines(folder / METRICS):
        if line["kind"] == "evaluation" and line["step"] == step:
            return LoggedEvaluation.from_json(line)
    return None


def interpolation_of(folder: Path) -> LoggedInterpolation | None:
    """Return how a run's `best.pt` was mixed; None while it is not."""
    for line in read_json_lines(folder / METRICS):
        with suppress(KeyError, TypeError):  # a line that no run wrote
            if line["kind"] == "interpolation":
                return LoggedInterpolation.from_json(line)
    return None


def longform_of(folder: Path) -> LoggedLongform | None:
    """Return a run's check of whole recordings; None while there is none of its `best.pt`.

    A check that was made before `best.pt` was mixed is of other weights.
    """
    checked = None
    for line in read_json_lines(folder / METRICS):
        with suppress(AttributeError, KeyError, TypeError):  # a line that no run wrote
            if line["kind"] == "interpolation":
                checked = None
            if line["kind"] == "longform":
                checked = LoggedLongform.from_json(line)
    return checked
