"""At a run's end: does `best.pt` transcribe whole recordings as the model before training does?

Training on single sentences can teach a model to write one segment per window, to skip and to loop.
Scores of rows cannot show it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from whisper.model import Whisper

from whisper_ft.config.train import TrainConfig
from whisper_ft.data.row import MAX_SECONDS, Row
from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.evaluation.logged_longform import LoggedLongform
from whisper_ft.evaluation.longform import LongformResult, transcribe_recording
from whisper_ft.evaluation.longform_change import describe_longform_change
from whisper_ft.evaluation.longform_plan import has_refused_prompt
from whisper_ft.evaluation.longform_prompts import prompt_recordings
from whisper_ft.evaluation.longform_recordings import longform_recordings
from whisper_ft.evaluation.longform_scores import score_longform
from whisper_ft.evaluation.longform_tables import format_longform
from whisper_ft.evaluation.readable_rows import draw_readable
from whisper_ft.models.loading import load
from whisper_ft.runtime.files import append_json_lines
from whisper_ft.runtime.progress import progress_bar
from whisper_ft.runtime.signals import StopRequest
from whisper_ft.text.counts import format_count
from whisper_ft.training.checkpoint import BEST
from whisper_ft.training.log import METRICS, longform_of
from whisper_ft.training.plan import Plan
from whisper_ft.training.run_config import find_model_change, read_run_config
from whisper_ft.training.state import Progress

LOGGER = logging.getLogger("whisper_ft")
NO_RECORDINGS = PromptedRows([], [], [])


def recordings_to_check(config: TrainConfig, dev_rows: Sequence[Row]) -> PromptedRows:
    """Return the recordings of the check, at most `--longform-minutes` of them, and their prompts.

    They are joined dev rows; without rows of one recording or speaker there are none. Raises
    ValueError for audio that cannot be read.
    """
    if not config.longform_minutes:
        return NO_RECORDINGS
    draw = partial(_draw_recordings, config)
    return draw_readable(dev_rows, draw, skip_bad_rows=config.skip_bad_rows)


def _draw_recordings(config: TrainConfig, dev_rows: Sequence[Row]) -> PromptedRows:
    seconds = 60 * config.longform_minutes
    joined = longform_recordings(dev_rows, max_seconds=seconds)
    long = [recording for recording in joined if (recording.duration or 0.0) > MAX_SECONDS]
    if not long:
        return NO_RECORDINGS
    prompted = prompt_recordings(long, seed=config.seed, total_seconds=seconds)
    numbers = range(len(prompted.rows))
    kept = [number for number in numbers if not has_refused_prompt(prompted, number)]
    if n_refused := len(numbers) - len(kept):
        LOGGER.warning(
            f"{format_count(n_refused, 'dev recording')} with <|...|> in a prompt, which stock "
            "transcribe() refuses, will not be checked"
        )
    return prompted.subset(kept)


def describe_longform_check(plan: Plan) -> str:
    """Return what will be transcribed at the end; "" without a check."""
    if not plan.config.longform_minutes or not plan.dev.rows:
        return ""
    if not plan.recordings.rows:
        return (
            "whole recordings will not be checked: no dev rows of one `recording` or `speaker` are "
            f"longer than {MAX_SECONDS:g} s together"
        )
    minutes = sum(row.duration or 0.0 for row in plan.recordings.rows) / 60
    return (
        f"at the end {minutes:.1f} minutes of dev recordings are transcribed by {BEST} and by the "
        f"model before training, {_describe_conditions(plan.recordings)}"
    )


def longform_check_due(plan: Plan) -> bool:
    """Return whether a run whose `best.pt` is made still has to check whole recordings."""
    return bool(plan.recordings.rows) and longform_of(plan.folder) is None


def check_longform(plan: Plan, progress: Progress, stop: StopRequest) -> None:
    """Transcribe whole recordings with `best.pt` and with stock; log the scores and warnings.

    When asked to stop it leaves no trace, and stays due for the resumed run. If the model before
    training is lost there is a warning instead of a check. Raises RowError naming an unreadable
    row.
    """
    if change := find_model_change(read_run_config(plan.folder)):
        LOGGER.warning(f"whole recordings are not compared with stock: {change}")
        return
    results = []
    for name, path in (("stock", plan.config.model), (BEST, str(plan.folder / BEST))):
        model = load(path).model.to(plan.device)
        result = _transcribe(name, model, plan.recordings, stop)
        if result is None:
            return
        results.append(result)
    stock, tuned = results
    warnings = describe_longform_change(stock, tuned)
    for result in results:
        LOGGER.info(f"\nwhole recordings, {result.name}: {format_longform(result.scores)}")
    for warning in warnings:
        LOGGER.warning(f"{BEST} is worse than stock in whole recordings: {warning}")
    log = LoggedLongform(progress.step, stock.scores, tuned.scores, tuple(warnings))
    append_json_lines(plan.folder / METRICS, [log.to_json()])


def _transcribe(
    name: str, model: Whisper, recordings: PromptedRows, stop: StopRequest
) -> LongformResult | None:
    """Return what a model writes for the recordings; None when stopped between two of them."""
    samples = []
    numbers = range(len(recordings.rows))
    bar = progress_bar(numbers, f"whole recordings, {name}", total=len(numbers), unit="recording")
    for number in bar:
        if stop:
            return None
        conditions = _conditions_of(recordings)
        samples.append(transcribe_recording(model, recordings, number, conditions))
    return LongformResult(name, score_longform(samples), samples)


def _conditions_of(recordings: PromptedRows) -> tuple[str, ...]:
    return ("none", "right_carried") if any(recordings.right_prompts) else ("none",)


def _describe_conditions(recordings: PromptedRows) -> str:
    has_prompts = len(_conditions_of(recordings)) > 1
    return "without and with a carried prompt" if has_prompts else "without a prompt"
