"""Every way in which a run ends: what is saved, what happened, and what to do about it."""

from __future__ import annotations

import logging
import shlex
from contextlib import suppress
from dataclasses import replace
from signal import Signals

from whisper_ft.config.options import flag
from whisper_ft.data.dataset import RowError
from whisper_ft.data.loader import WorkerError
from whisper_ft.evaluation.best_score import PROMPTED_WER, describe_harm, format_best_score
from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.evaluation.logged_interpolation import describe_interpolation
from whisper_ft.evaluation.logged_longform import describe_longform
from whisper_ft.runtime.out_of_memory import describe_out_of_memory, is_out_of_memory
from whisper_ft.runtime.signals import StopRequest
from whisper_ft.training.capacity import describe_memory_needs
from whisper_ft.training.checkpoint import BEST, LAST
from whisper_ft.training.encoder_pass import FeatureWriteError
from whisper_ft.training.log import evaluation_of, interpolation_of, longform_of
from whisper_ft.training.mixing import InterpolationError
from whisper_ft.training.result import Reason, TrainResult
from whisper_ft.training.run import Run
from whisper_ft.training.run_config import MAY_CHANGE, read_run_config
from whisper_ft.training.state import Progress
from whisper_ft.training.step import NonFiniteError, OutOfMemoryError

LOGGER = logging.getLogger("whisper_ft")


def end_run(run: Run, stop: StopRequest, command: str) -> TrainResult:
    """Return the result of a run that is saved: finished, or stopped by a signal before that."""
    if stop.signal is not None and not run.finished():
        message = (
            f"{stop.signal.name}: the state of step {run.progress.step} is saved. Resume with:\n"
            f"  {_resume(run, command)}"
        )
        return _result(run, "stopped", message, stop.signal)
    if mixed := interpolation_of(run.plan.folder):
        message = describe_interpolation(mixed)
    elif run.plan.dev.rows:
        scores = describe_best(run.progress, run.plan.dev, run.plan.config.best_by)
        message = f"{BEST} is from step {run.progress.best_step}: {scores}"
    else:
        message = (
            f"{BEST} is from the last step, {run.progress.step}: there are no --dev rows to choose "
            "by"
        )
    if checked := longform_of(run.plan.folder):
        message += f"\n{describe_longform(checked)}"
    return _result(run, "finished", message)


def fail_run(run: Run, error: Exception, command: str) -> TrainResult:
    """Return the result of a run that an error ended. Re-raises an unexpected error.

    An unreadable row and a dead worker come between two steps: the state of the last one is saved.
    A loss that is not finite and a lack of memory come within a step, and on a full disk nothing
    can be saved: then the last saved state is left as it is.
    """
    if isinstance(error, RowError | WorkerError):
        try:
            run.save()
        except Exception as another:
            return fail_run(run, another, command)
    message = _failure_message(run, error, command)
    if message is None:
        LOGGER.warning(
            f"an unexpected error ended the run in step {run.progress.step + 1}. {_left(run)}."
        )
        raise error
    return _result(run, "failed", message)


def _failure_message(run: Run, error: Exception, command: str) -> str | None:
    """Return what happened and what to do, None for an unexpected error."""
    step, resume = run.progress.step, _resume(run, command)
    if isinstance(error, RowError | WorkerError):
        message = (
            f"Stopped after step {step}, which is saved: {error}\n"
            f"Fix this, then resume with:\n  {resume}"
        )
        if isinstance(error, RowError) and not run.plan.config.skip_bad_rows:
            message += f"\nor let other rows stand in for such rows:\n  {resume} --skip-bad-rows"
        return message
    if isinstance(error, FeatureWriteError):
        return (
            f"--feature-cache: {run.plan.config.feature_cache}: {error}: free disk space, then "
            f"resume with:\n  {resume}"
        )
    if isinstance(error, InterpolationError):
        return (
            f"All {step} steps are taken and saved, but {BEST} cannot be mixed with the weights "
            f"before training: {error}\nRestore it, then resume with:\n  {resume}\n"
            f"or leave {BEST} as it is:\n  {resume} --interpolate off"
        )
    if isinstance(error, OSError):
        cause = f"{error.filename or run.plan.folder}: {error.strerror or error}"
        return (
            f"Stopped after step {step}: {cause}\n"
            f"{_left(run)}. Free disk space, or fix the cause, then resume with:\n  {resume}"
        )
    if run.trained() and is_out_of_memory(error):
        return (
            f"All {step} steps are taken and saved, but what follows them needs more memory: "
            f"{describe_out_of_memory(error)}\nFree some, then resume with:\n  {resume}\n"
            "or leave out what needs it (mixing with the weights before training, whole "
            f"recordings):\n  {resume} --interpolate off --longform-minutes 0"
        )
    if isinstance(error, NonFiniteError):
        advice = (
            "Check any rows named here first, then start a new run with a lower --lr, or --amp off."
        )
    elif isinstance(error, OutOfMemoryError) or is_out_of_memory(error):
        advice = f"{_memory_needs(run)}: start a new run, in another --out, with one of these"
        advice += " or a smaller model."
    else:
        return None
    return f"Stopped in step {step + 1}: {error}\n{_left(run)}. {advice}"


def _memory_needs(run: Run) -> str:
    plan = run.plan
    batch_size = run.progress.rows_per_pass or plan.config.batch_size
    try:
        config = replace(plan.config, batch_size=batch_size)
        needs = describe_memory_needs(config, plan.amp_dtype, plan.loaded.model.dims)
    except (ImportError, MemoryError, RuntimeError):  # too little memory even for the estimate
        needs = "--gradient-checkpointing, --freeze-encoder and a smaller --batch-size need less"
    return needs[0].upper() + needs[1:]


def _left(run: Run) -> str:
    if run.saved is None:
        return "Nothing was saved yet"
    return f"The state of step {run.saved.step} is intact"


def _resume(run: Run, command: str) -> str:
    """Return the command that goes on as this process would have."""
    words = ["--resume", str(run.plan.folder), *_changed_flags(run)]
    return f"{command} {shlex.join(words)}"


def _changed_flags(run: Run) -> list[str]:
    """Return the flags that were given to a resumed run beside `--resume`."""
    with suppress(OSError, ValueError):  # the disk may have failed
        saved = read_run_config(run.plan.folder).settings.resolved()
        now = run.plan.config
        changed = [name for name in MAY_CHANGE if getattr(now, name) != getattr(saved, name)]
        return [word for name in changed for word in (flag(name), str(getattr(now, name)))]
    return []


def _result(run: Run, reason: Reason, message: str, number: Signals | None = None) -> TrainResult:
    folder, best_step = run.plan.folder, run.progress.best_step
    best, last = folder / BEST, folder / LAST
    evaluation = mixed = None
    with suppress(OSError):  # the result of a run whose disk failed has no scores
        evaluation = evaluation_of(folder, best_step) if best_step > 0 else None
        mixed = interpolation_of(folder)
    return TrainResult(
        folder=folder,
        best=best if best.is_file() else None,
        last=last if last.is_file() else None,
        n_steps=run.progress.step,
        reason=reason,
        message=message,
        signal=number,
        best_step=best_step if best_step > 0 else None,
        scores=mixed.scores if mixed else evaluation.scores if evaluation else None,
        interpolation=mixed,
        alignment_heads=run.plan.loaded.alignment_heads,
    )


def describe_best(progress: Progress, dev: PromptedRows, name: str) -> str:
    """Return the best evaluation's score beside that of the stock weights."""
    best, stock = progress.best_score, progress.stock_score
    if best is None:
        return f"dev {name} is not defined"
    text = f"dev {name} {format_best_score(name, best)}{_under_prompts(name, dev)}"
    if stock is not None:
        text += f", {format_best_score(name, stock)} before training"
        text += describe_harm(name, best, stock, len(dev.rows))
    return text


def _under_prompts(name: str, dev: PromptedRows) -> str:
    if name == PROMPTED_WER:
        return ""
    has_prompts = any(map(str.strip, dev.right_prompts))
    return " with the right prompts" if has_prompts else " without prompts"
