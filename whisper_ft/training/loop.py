"""The training loop: steps, evaluations and saves, until the end or a request to stop."""

from __future__ import annotations

import dataclasses
import logging
import time
from contextlib import closing

from tqdm import tqdm

from whisper_ft.config.train import TrainConfig
from whisper_ft.evaluation.scoring import Scores
from whisper_ft.evaluation.tables import format_score
from whisper_ft.runtime.devices import use_deterministic_algorithms
from whisper_ft.runtime.out_of_memory import keep_freed_memory
from whisper_ft.runtime.progress import progress_bar
from whisper_ft.runtime.signals import StopRequest
from whisper_ft.training.encoder_pass import encode_rows
from whisper_ft.training.endings import end_run, fail_run
from whisper_ft.training.interpolation import (
    describe_interpolation_plan,
    interpolate,
    interpolation_due,
)
from whisper_ft.training.log import StepLog
from whisper_ft.training.longform_check import (
    check_longform,
    describe_longform_check,
    longform_check_due,
)
from whisper_ft.training.plan import Plan, describe_plan
from whisper_ft.training.result import TrainResult
from whisper_ft.training.resume import resume_plan
from whisper_ft.training.run import Run
from whisper_ft.training.setup import make_plan

LOGGER = logging.getLogger("whisper_ft")


def train(
    config: TrainConfig | Plan,
    *,
    stop: StopRequest | None = None,
    command: str = "whisper-ft train",
) -> TrainResult:
    """Train, and return how it ended and what it left. Prints nothing and handles no signals.

    With `config.resume`, every setting that differs from its default is a change to the resumed
    run. A true `stop` ends the run after the step under way, saved: see
    `runtime.signals.stop_on_signals`. `command` begins the command line in messages that say how
    to resume. Progress is logged to the logger `whisper_ft`.

    Raises SetupError for anything wrong with settings, rows or the folder, before the first step,
    and TypeError for a `config` of another type.
    Lack of memory or disk space, unreadable rows and a loss that is not finite are results, with
    the reason "failed". Any other exception is raised once the worker processes have ended.

    Two effects outlast the call: torch's random state changes, and with `deterministic` torch
    keeps to deterministic algorithms. On a CPU, glibc keeps freed memory for reuse.
    """
    if not isinstance(config, TrainConfig | Plan):
        raise TypeError(f"train takes a TrainConfig or a Plan, not {type(config).__name__}")
    plan = config if isinstance(config, Plan) else _plan(config)
    stop = StopRequest() if stop is None else stop  # one that nobody has made yet is false
    with plan.lock:
        _prepare_process(plan)
        run = Run(plan)
        _log_start(run)
        try:
            _encode_missing(plan, stop)
            _train_steps(run, stop)
            run.save()
            if not stop and interpolation_due(plan):
                interpolate(plan, run.progress, stop)
            if not stop and longform_check_due(plan):
                check_longform(plan, run.progress, stop)
        except Exception as error:
            return fail_run(run, error, command)
        return end_run(run, stop, command)


def _train_steps(run: Run, stop: StopRequest) -> None:
    """Train, evaluate and save until the run is finished or asked to stop."""
    total_steps, save_every = run.plan.schedule.total_steps, run.plan.config.save_every
    bar: tqdm[None] = progress_bar(
        total=total_steps, initial=run.progress.step, unit="step", smoothing=0.1
    )
    with bar, closing(run.steps()) as steps:
        while not stop:
            if run.evaluation_due():
                run.save()  # decoding may take long, and fail
                run.evaluate(stop)
                if not stop:
                    run.save()
            if stop or run.trained():
                return
            start = time.perf_counter()
            batches = next(steps)
            log = run.step(batches, time.perf_counter() - start)
            bar.set_postfix_str(_speed(log) + _obedience(run.evaluated), refresh=False)
            bar.update()
            if log.step % save_every == 0:
                run.save()


def _speed(log: StepLog) -> str:
    seconds = log.step_seconds + log.data_seconds
    return (
        f"loss {log.loss:.3f}, {log.n_rows / seconds:.1f} rows/s, "
        f"{log.n_targets / seconds:.0f} tokens/s"
    )


def _obedience(scores: Scores | None) -> str:
    """Return how the last evaluation's prompts were obeyed; "" if none was right or wrong."""
    named = (("mended", "right"), ("spoiled", "wrong"))
    return "".join(
        f", {name} {format_score(name, scores[condition][name])}"
        for name, condition in named
        if scores and scores[condition][name].total
    )


def _plan(config: TrainConfig) -> Plan:
    """Plan a new run, or resume one with the settings that differ from their defaults."""
    if not config.resume:
        return make_plan(config)
    fields = dataclasses.fields(config)
    given = {field.name for field in fields if getattr(config, field.name) != field.default}
    return resume_plan(config, given)


def _prepare_process(plan: Plan) -> None:
    if plan.device.type == "cpu":
        keep_freed_memory()
    if plan.config.deterministic:
        use_deterministic_algorithms()


def _log_start(run: Run) -> None:
    if run.saved and run.finished():
        LOGGER.info(f"{run.plan.folder}: already finished, at step {run.saved.step}")
        return
    LOGGER.info(f"{describe_plan(run.plan)}\n{describe_interpolation_plan(run.plan)}")
    if check := describe_longform_check(run.plan):
        LOGGER.info(check)
    if run.saved:
        LOGGER.info(f"resuming from step {run.saved.step} of {run.plan.schedule.total_steps}")


def _encode_missing(plan: Plan, stop: StopRequest) -> None:
    """Fill the feature cache with what this run reads from it."""
    if plan.missing_features:
        encode_rows(
            plan.loaded.model,
            plan.examples,
            plan.missing_features,
            amp_dtype=plan.amp_dtype,
            batch_size=plan.config.batch_size,
            workers=plan.config.workers,
            stop=lambda: bool(stop),
        )
