"""Read the folder of a training run: its settings, logged steps, evaluations and samples."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from whisper_ft.config.options import from_json
from whisper_ft.config.train import TrainConfig
from whisper_ft.evaluation.logged_evaluation import LoggedEvaluation
from whisper_ft.evaluation.logged_interpolation import LoggedInterpolation
from whisper_ft.evaluation.logged_longform import LoggedLongform
from whisper_ft.evaluation.samples import Sample, checked
from whisper_ft.runtime.files import Fingerprint, numbered_json_lines

RUN_FORMAT = 2  # the format of `config.json` that training writes; format 1 had no number
# Exceptions of reading files that a run did not write so.
DAMAGE = (
    *(AttributeError, KeyError, OverflowError, RecursionError, TypeError),
    *(UnicodeDecodeError, json.JSONDecodeError),
)
Read = TypeVar("Read")
_Logged: TypeAlias = "LoggedStep | LoggedEvaluation | LoggedInterpolation | LoggedLongform"


@dataclass(frozen=True)
class LoggedStep:
    """An optimiser step, as the curves show it."""

    step: int
    loss: float  # nats per target token
    lr: float
    grad_norm: float | None  # None: the step was skipped because fp16 overflowed


@dataclass(frozen=True)
class RunFolder:
    """A run's folder as its files tell it."""

    path: Path
    settings: TrainConfig
    versions: Mapping[str, Any]
    fingerprints: Mapping[str, Fingerprint]  # of the manifests, by path, as the run read them
    steps: tuple[LoggedStep, ...]
    evaluations: tuple[LoggedEvaluation, ...]
    interpolation: LoggedInterpolation | None = None  # None: best.pt is no mixture
    longform: LoggedLongform | None = None  # None: whole recordings were not checked

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
        samples = _read_lines(
            self.path / "samples.jsonl",
            lambda line: Sample.from_json(line) if line["step"] == step else None,
        )
        return [sample for sample in samples if sample is not None]


def read_run(path: Path) -> RunFolder:
    """Read a run's folder.

    Raises ValueError for a folder without a run, for a run of another format, and for a file that
    a run did not write so, with its line.
    """
    config_path = path / "config.json"
    if not config_path.is_file():
        raise ValueError(f"{path}: not a run (no config.json): give the folder that --out named")
    with _named_damage(f"{config_path}"):
        config = json.loads(config_path.read_text(encoding="utf-8"))
        checked(config["settings"], dict)
    _check_format(config.get("format", 1), config_path)
    with _named_damage(f"{config_path}"):
        settings = from_json(TrainConfig, config["settings"])
        versions = checked(config["versions"], dict)
        fingerprints = {name: Fingerprint(**known) for name, known in config["manifests"].items()}
    lines = _read_lines(path / "metrics.jsonl", _logged)
    return RunFolder(
        path=path,
        settings=settings,
        versions=versions,
        fingerprints=fingerprints,
        steps=tuple(line for line in lines if isinstance(line, LoggedStep)),
        evaluations=tuple(line for line in lines if isinstance(line, LoggedEvaluation)),
        interpolation=next((line for line in lines if isinstance(line, LoggedInterpolation)), None),
        longform=next((line for line in lines if isinstance(line, LoggedLongform)), None),
    )


def _check_format(number: object, config_path: Path) -> None:
    if number == RUN_FORMAT and type(number) is int:
        return
    age = "an earlier" if number == 1 else "another"
    raise ValueError(
        f"{config_path}: written by {age} version (format {reprlib.repr(number)}); this version "
        f"reads format {RUN_FORMAT}: make the report with the version that trained the run"
    )


@contextmanager
def _named_damage(place: str) -> Iterator[None]:
    """Turn the exceptions of reading other content into a ValueError that names the place."""
    try:
        yield
    except DAMAGE as error:
        raise ValueError(
            f"{place}: damaged, or another version wrote it ({type(error).__name__}: {error}): "
            "restore it"
        ) from None


def _read_lines(path: Path, read: Callable[[Any], Read]) -> list[Read]:
    """Read each line of a JSON Lines file. Raises ValueError with the first damaged line."""
    values = []
    for number, line in numbered_json_lines(path):
        with _named_damage(f"{path}:{number}"):
            values.append(read(line))
    return values


def _logged(line: Any) -> _Logged | None:
    """Return a line of the log that a report shows, None for another kind."""
    if line["kind"] == "step":
        return _step(line)
    if line["kind"] == "longform":
        return LoggedLongform.from_json(line)
    if line["kind"] == "interpolation":
        return LoggedInterpolation.from_json(line)
    return LoggedEvaluation.from_json(line) if line["kind"] == "evaluation" else None


def _step(line: Any) -> LoggedStep:
    return LoggedStep(
        step=checked(line["step"], int),
        loss=checked(line["loss"], int, float),
        lr=checked(line["lr"], int, float),
        grad_norm=checked(line["grad_norm"], int, float, type(None)),
    )
