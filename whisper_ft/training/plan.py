"""A run that can start: everything is read, checked and chosen, and nothing is trained."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import torch

from whisper_ft.config.train import TrainConfig
from whisper_ft.data.dataset import Examples
from whisper_ft.data.feature_cache import feature_bytes
from whisper_ft.data.prompts import describe_few_terms, format_coverage
from whisper_ft.data.respelling import format_perturbation
from whisper_ft.data.sampler import Sampler
from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.models.loading import LoadedModel
from whisper_ft.models.loss import Teacher
from whisper_ft.models.parameters import n_parameters
from whisper_ft.training.checkpoint import state_bytes
from whisper_ft.training.run_config import RunConfig, make_run_config
from whisper_ft.training.state import Progress

MAX_PROBLEMS = 100  # that are shown


class SetupError(ValueError):
    """Everything that the user must fix before a run can start, a line for each problem."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = len(problems) - MAX_PROBLEMS
        tail = f"... and {more} more: `python -m whisper_ft check MANIFEST --all-warnings` lists a "
        tail += "manifest's"
        super().__init__("\n".join([*problems[:MAX_PROBLEMS], *[tail] * (more > 0)]))


@dataclass(frozen=True)
class Schedule:
    """How long a run trains, and at which learning rates."""

    total_examples: int
    total_steps: int
    warmup: int  # steps
    peak_lr: float
    eval_every: int  # steps


@dataclass(frozen=True)
class Plan:
    """Everything that the training loop needs, made by `make_plan` or `resume_plan`.

    The folder is locked for this process as long as `lock` is open. The model is the plan's own and
    is trained in place, so that a plan serves one run.
    """

    config: TrainConfig
    folder: Path
    device: torch.device
    amp_dtype: torch.dtype | None  # None: float32
    loaded: LoadedModel
    examples: Examples
    sampler: Sampler
    dev: PromptedRows
    others: PromptedRows  # general speech, where nothing may be lost
    recordings: PromptedRows  # of dev rows, for the check of whole recordings at the end
    train_sample: PromptedRows  # a few training rows, to see whether they still need their prompts
    keyword_source: str  # by what the rows' keywords were found
    schedule: Schedule
    teacher: Teacher | None
    lock: IO[str] = field(repr=False)
    missing_features: frozenset[Path] = frozenset()  # encoder output to compute before step 1
    state_path: Path | None = None  # of the state to resume from

    @property
    def step_size(self) -> int:
        """Rows in an optimiser step."""
        return self.config.batch_size * self.config.accumulate

    def all_steps_taken(self, progress: Progress) -> bool:
        """Return whether no step is left, since all are taken or `--patience` has ended the run."""
        patience = self.config.patience
        has_ended = bool(patience) and progress.n_without_improvement >= patience
        return has_ended or progress.step >= self.schedule.total_steps

    def run_config(self) -> RunConfig:
        """Return the content of the run's `config.json`."""
        rows = (self.examples.rows, self.dev.rows, self.others.rows)
        return make_run_config(
            self.config,
            self.device,
            self.amp_dtype,
            *rows,
            keyword_source=self.keyword_source,
        )


def describe_plan(plan: Plan) -> str:
    """Return a few lines on what is about to happen."""
    model, schedule = plan.loaded.model, plan.schedule
    precision = str(plan.amp_dtype).removeprefix("torch.") if plan.amp_dtype else "float32"
    lines = [
        f"{plan.config.model}: {n_parameters(model) / 1e6:.1f} M parameters, "
        f"{n_parameters(model, trainable=True) / 1e6:.1f} M trained, {precision} on {plan.device}",
        _describe_recipe(plan.config),
        f"{plan.sampler.epoch_length} examples per epoch; {schedule.total_steps} steps of "
        f"{plan.step_size} rows, warm-up {schedule.warmup} steps, peak learning rate "
        f"{schedule.peak_lr:.2e}",
    ]
    policy, rows = plan.examples.policy, plan.examples.rows
    respelled = format_perturbation(plan.examples.perturbation, rows)
    about_prompts = [format_coverage(policy, rows), describe_few_terms(policy, rows)]
    about_prompts += [respelled] if policy.gives_prompts else []
    lines += filter(None, about_prompts)
    if n_dev := len(plan.dev.rows):
        lines.append(f"evaluation {_evaluation_times(schedule)} on {n_dev} dev rows")
    if (cached := plan.examples.feature_paths) is not None:
        n_missing = len(plan.missing_features)
        gigabytes = n_missing * feature_bytes(model.dims) / 1e9
        lines.append(
            f"{plan.config.feature_cache}: {len(set(cached.values()))} audio segments, "
            f"{n_missing} of them to be encoded: {gigabytes:.2f} GB"
        )
    free_gigabytes = shutil.disk_usage(plan.folder).free / 1e9
    lines.append(
        f"{plan.folder}: each state takes {state_bytes(model) / 1e9:.2f} GB and two are kept; "
        f"{free_gigabytes:.1f} GB are free"
    )
    return "\n".join(lines)


def _describe_recipe(config: TrainConfig) -> str:
    """Return what the run learns, and how to learn more."""
    if config.learn == "terms" and config.text_weight == 1:
        return "learns all words of the rows alike, in the layers of --learn terms"
    if config.learn == "terms":
        return (
            "learns above all to write the terms of its prompt (--learn texts learns all words of "
            "the rows alike)"
        )
    return "learns all words of the rows alike"


def _evaluation_times(schedule: Schedule) -> str:
    """Return at which steps a run evaluates, besides before the first and after the last."""
    if schedule.eval_every >= schedule.total_steps:
        return "before the first step and after the last"
    return "every step" if schedule.eval_every == 1 else f"every {schedule.eval_every} steps"
