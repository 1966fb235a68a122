"""Read the folder of a training run: its settings, logged steps, evaluations and samples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whisper_ft.config.options import from_json
from whisper_ft.config.train import TrainConfig
from whisper_ft.evaluation.samples import Sample, checked
from whisper_ft.evaluation.scoring import Scores
from whisper_ft.runtime.files import Fingerprint, read_json_lines

# Exceptions of reading files that a run did not write so.
DAMAGE = (
    *(KeyError, TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError),
    *(OverflowError, RecursionError),
)


@dataclass(frozen=True)
class LoggedStep:
    """An optimiser step, as the curves show it."""

    step: int
    loss: float  # nats per target token
    lr: float
    grad_norm: float | None  # None: the step was skipped because fp16 overflowed


@dataclass(frozen=True)
class LoggedEvaluation:
    """An evaluation of the dev rows."""

    step: int
    best: bool  # whether it was the best so far
    scores: Scores


@dataclass(frozen=True)
class RunFolder:
    """A run's folder as its files tell it."""

    path: Path
    settings: TrainConfig
    versions: Mapping[str, Any]
    fingerprints: Mapping[str, Fingerprint]  # of the manifests, by path, as the run read them
    steps: tuple[LoggedStep, ...]
    evaluations: tuple[LoggedEvaluation, ...]

    def best(self) -> LoggedEvaluation | None:
        """Return the best evaluation after step 0, if there is one."""
        best = [evaluation for evaluation in self.evaluations if evaluation.best]
        return best[-1] if best else None

    def evaluation(self, step: int | None) -> LoggedEvaluation | None:
        """Return the evaluation of a step; for None the best, or else the last, if any.

        Raises ValueError when there is none of this step.
        """
        if step is None:
            return self.best() or next(reversed(self.evaluations), None)
        for evaluation in self.evaluations:
            if evaluation.step == step:
                return evaluation
        steps = " ".join(str(evaluation.step) for evaluation in self.evaluations) or "none"
        raise ValueError(
            f"--step: {step}: {self.path} has no evaluation of this step: choose one of: {steps}"
        )

    def samples(self, step: int) -> list[Sample]:
        """Read the samples of a step's evaluation. Raises as `read_run` does."""
        lines = read_json_lines(self.path / "samples.jsonl")
        return [Sample.from_json(line) for line in lines if line["step"] == step]


def read_run(path: Path) -> RunFolder:
    """Read a run's folder.

    Raises ValueError for a folder without a run, and one of `DAMAGE` for files that a run did not
    write so.
    """
    if not (path / "config.json").is_file():
        raise ValueError(f"{path}: not a run (no config.json): give the folder that --out named")
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    lines = list(read_json_lines(path / "metrics.jsonl"))
    return RunFolder(
        path=path,
        settings=from_json(TrainConfig, config["settings"]),
        versions=checked(config["versions"], dict),
        fingerprints={name: Fingerprint(**known) for name, known in config["manifests"].items()},
        steps=tuple(_step(line) for line in lines if line["kind"] == "step"),
        evaluations=tuple(_evaluation(line) for line in lines if line["kind"] == "evaluation"),
    )


def _step(line: Any) -> LoggedStep:
    return LoggedStep(
        step=checked(line["step"], int),
        loss=checked(line["loss"], int, float),
        lr=checked(line["lr"], int, float),
        grad_norm=checked(line["grad_norm"], int, float, type(None)),
    )


def _evaluation(line: Any) -> LoggedEvaluation:
    return LoggedEvaluation(
        step=checked(line["step"], int),
        best=checked(line["best"], bool),
        scores=Scores.from_json(line["scores"]),
    )
