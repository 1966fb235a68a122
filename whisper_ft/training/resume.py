"""Resume a run: find its settings and state, and refuse what changed since."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

from whisper_ft.config.options import flag, type_problems
from whisper_ft.config.train import TrainConfig
from whisper_ft.models.loading import load, vocabulary_from_dims
from whisper_ft.runtime.files import fingerprint, partial_path, read_json_lines, write_json
from whisper_ft.text.counts import format_count
from whisper_ft.training.checkpoint import (
    BEST,
    LAST,
    PREVIOUS,
    STATE,
    find_state,
    lock_folder,
    new_run,
)
from whisper_ft.training.interpolation import interpolation_due
from whisper_ft.training.log import METRICS
from whisper_ft.training.plan import Plan, SetupError
from whisper_ft.training.relocation import INPUTS, named_paths, original_place, relocate
from whisper_ft.training.rows import RunRows, read_rows
from whisper_ft.training.run_config import (
    CONFIG,
    MAY_CHANGE,
    RunConfig,
    describe_rows,
    find_model_change,
    read_run_config,
)
from whisper_ft.training.segments import lacks_segments
from whisper_ft.training.settings import resolve_settings
from whisper_ft.training.setup import assemble, raise_problems, setup_errors
from whisper_ft.training.state import RunState, load_state_model

LOGGER = logging.getLogger("whisper_ft")
RESUME_FLAGS = ("resume", "strict_resume")  # which are no settings of the run


def resume_plan(changes: TrainConfig, given: Collection[str]) -> Plan:
    """Plan to resume the run in `changes.resume`; `given` names the settings to take from there.

    Raises SetupError with all problems at once.
    """
    raise_problems(type_problems(changes))
    folder = Path(changes.resume)
    began = find_run(folder)
    saved, moved, move_problems = relocate(began, changes.resolved(), given)
    config = changed_settings(saved.settings, changes, given)
    raise_problems(
        config.problems(),
        changed_flag_problems(folder, given),
        move_problems or changed_file_problems(folder, saved),
    )
    lock = lock_run(folder)
    with setup_errors(lock):
        state_path = newest_state(folder)
        if state_path is None:
            check_first_model(saved, "No state was saved yet", "start a new run")
        loaded = load(config.model) if state_path is None else load_state_model(state_path)
        rows = read_rows(config, vocabulary_from_dims(loaded.model.dims))
        resolved = resolve_settings(config)
        raise_problems(missing_audio_hint(folder, rows.problems), rows.problems, resolved.problems)
        purpose = purpose_of_stock(config, rows)
        is_lost = bool(purpose and find_model_change(saved))
        stock = None if is_lost else load(config.model).model if purpose else loaded.model
        plan = assemble(
            *(config, resolved, loaded, stock, rows, lock), segments_dtype=saved.environment.dtype
        )
        if is_lost and not is_trained(plan, state_path):
            check_first_model(saved, purpose, new_run(folder))
        now = plan.run_config()
        rows_before = describe_rows(
            *(plan.examples.rows, plan.dev.rows, plan.others.rows),
            place_of=partial(original_place, moved=moved),
        )
        unmoved = dataclasses.replace(now, usable_rows=rows_before)
        check_unchanged(folder, saved, unmoved, strict=changes.strict_resume)
        if moved:
            LOGGER.info(f"these have moved, with the same content: {', '.join(moved)}")
        keep_changes(folder, began, dataclasses.replace(saved, usable_rows=now.usable_rows), config)
        if interpolation_due(plan):
            purpose = f"At the end its weights are mixed into {BEST}"
            check_first_model(saved, purpose, "add --interpolate off")
        if state_path is None:
            check_restart(plan, saved.settings.save_every)
    return dataclasses.replace(plan, state_path=state_path)


def purpose_of_stock(config: TrainConfig, rows: RunRows) -> str:
    """Return what the steps of a run need the model before training for; "" for nothing."""
    if config.kl_weight:
        return "It is the teacher of --kl-weight"
    manifests = rows.train if config.segments == "auto" else ()
    if any(lacks_segments(row) for manifest in manifests for row in manifest.rows):
        return "It finds the segments of rows"
    return ""


def is_trained(plan: Plan, state_path: Path | None) -> bool:
    """Return whether all steps are taken, so that a lost model is no longer needed for them.

    Packed rows depend on the segments that the model found, and with them the number of steps.
    """
    if state_path is None or plan.config.pack != "off":
        return False
    return plan.all_steps_taken(RunState.read(state_path).progress)


def find_run(folder: Path) -> RunConfig:
    """Read the run's `config.json`. Raises SetupError."""
    try:
        return read_run_config(folder)
    except ValueError as error:
        raise SetupError([str(error)]) from None


def changed_settings(
    saved: TrainConfig, changes: TrainConfig, given: Collection[str]
) -> TrainConfig:
    """Return the run's settings with those that are given and may change."""
    allowed = {name: getattr(changes, name) for name in MAY_CHANGE if name in given}
    return dataclasses.replace(saved, **allowed, out=changes.resume).resolved()


def changed_flag_problems(folder: Path, given: Collection[str]) -> list[str]:
    """Return a problem for each setting that may not change."""
    return [
        f"{flag(name)}: a resumed run keeps its settings: leave it out, or {new_run(folder)}"
        for name in sorted(set(given) - {*MAY_CHANGE, *RESUME_FLAGS, *INPUTS})
    ]


def missing_audio_hint(folder: Path, problems: Sequence[str]) -> list[str]:
    """Return what to do where audio of a run is missing and may have moved."""
    n_missing = sum(": no such file: " in problem for problem in problems)
    if not n_missing:
        return []
    return [
        f"--resume: {folder}: the audio of {format_count(n_missing, 'row')} is missing: if its "
        f"folder has moved, name both: --resume {folder} --relocate OLD NEW"
    ]


def keep_changes(folder: Path, began: RunConfig, saved: RunConfig, config: TrainConfig) -> None:
    """Write to `config.json` what later commands on the run must know of its rows."""
    settings = dataclasses.replace(
        saved.settings, relocate=config.relocate, skip_bad_rows=config.skip_bad_rows
    )
    if settings != began.settings:
        write_json(folder / CONFIG, dataclasses.replace(saved, settings=settings).to_json())


def changed_file_problems(folder: Path, saved: RunConfig) -> list[str]:
    """Return a problem for each input that is gone or changed since the run began."""
    problems = []
    for name in INPUTS:
        paths = named_paths(saved.settings, name)
        places = " ".join("NEW" if not Path(path).exists() else path for path in paths)
        problems += [
            f"{path}: gone since the run began: restore it, or name its new place: --resume "
            f"{folder} {flag(name)} {places}"
            for path in paths
            if not Path(path).exists()
        ]
    for path, known in (*saved.manifests.items(), *saved.folders.items()):
        exists = Path(path).is_dir() if path in saved.folders else Path(path).is_file()
        if exists and fingerprint(path) != known:
            problems.append(f"{path}: changed since the run began: restore it, or start a new run")
    return problems


def lock_run(folder: Path) -> IO[str]:
    """Lock the run's folder. Raises SetupError."""
    try:
        return lock_folder(folder)
    except ValueError as error:
        raise SetupError([f"--resume: {folder}: {error}"]) from None
    except OSError as error:
        raise SetupError([f"--resume: {folder}: cannot be written ({error.strerror})"]) from None


def newest_state(folder: Path) -> Path | None:
    """Return the newest intact state, None if there is none; warn about a damaged one.

    Raises ValueError if all are damaged.
    """
    path, problems = find_state(folder)
    for problem in problems:
        LOGGER.warning(
            f"{problem}; resuming from the state before it (this one is renamed to .damaged)"
        )
    return path


def check_restart(plan: Plan, save_every: int) -> None:
    """Raise SetupError if a run without a state had saved one; else log that it starts again.

    Starting again would remove its log and replace its checkpoints. A run that was killed within
    its first save has a checkpoint too, and its log ends at the step of that save.
    """
    folder, schedule = plan.folder, plan.schedule
    has_checkpoint = (folder / LAST).is_file() or (folder / BEST).is_file()
    first_save = min(save_every, schedule.total_steps)
    if plan.dev.rows:
        first_save = min(first_save, schedule.eval_every)
    step = last_step(folder)
    was_saving = partial_path(folder / STATE).exists() or partial_path(folder / BEST).exists()
    is_finished = step >= schedule.total_steps and (folder / LAST).is_file() and not was_saving
    if has_checkpoint and (step > first_save or is_finished):
        raise SetupError(
            [
                f"--resume: {folder}: {STATE} and {PREVIOUS} are missing: restore one of them, or "
                f"{new_run(folder)}"
            ]
        )
    LOGGER.info(f"{folder}: no state was saved yet, so the run starts again from step 0")


def check_first_model(saved: RunConfig, purpose: str, remedy: str) -> None:
    """Raise SetupError if the model that the run started from is lost, and say what needs it."""
    if problem := find_model_change(saved):
        raise SetupError([f"{problem}. {purpose}: restore it, or {remedy}"])


def last_step(folder: Path) -> int:
    """Return the last step in a run's log, 0 if it has none."""
    steps = [0]
    for line in read_json_lines(folder / METRICS):
        with suppress(KeyError, TypeError):  # a line that no run wrote
            if line["kind"] == "step" and type(line["step"]) is int:
                steps.append(line["step"])
    return max(steps)


def check_unchanged(folder: Path, saved: RunConfig, now: RunConfig, *, strict: bool) -> None:
    """Raise SetupError for other rows or keywords, and if `strict` for whatever may change a float.

    Otherwise warn about the latter.
    """
    if now.usable_rows != saved.usable_rows:
        raise SetupError(
            [
                f"--resume: {folder}: the usable rows changed since the run began "
                f"({saved.usable_rows} then; {now.usable_rows} now): restore their audio, or "
                "start a new run"
            ]
        )
    if now.keyword_source != saved.keyword_source:
        glossary = saved.settings.glossary
        lost = f"the glossary {glossary} and " if glossary else ""
        raise SetupError(
            [
                f"--resume: {folder}: keywords were found by {saved.keyword_source} when the run "
                f"began, and are found by {now.keyword_source} now: restore {lost}the "
                "version of wordfreq (or its absence), or start a new run"
            ]
        )
    changes = saved.environment_changes(now)
    if changes and strict:
        raise SetupError([f"--strict-resume: {change}" for change in changes])
    if changes:
        LOGGER.warning(f"floats may differ from here on: {'; '.join(changes)}")
