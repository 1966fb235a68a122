"""Going on with a run: its settings and state found again, and whatever changed since refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from whisper_ft.checkpoint import find_state, fingerprint, load_state_model
from whisper_ft.config import TrainConfig
from whisper_ft.flags import flag, from_json
from whisper_ft.plan import Plan, Refused, assemble, decide_settings, read_rows, usable_rows
from whisper_ft.weights import load, vocabulary_of

MAY_CHANGE = ("workers", "device", "save_every")  # the rest would be another run


def resume_plan(changes: TrainConfig, given: set[str]) -> Plan:
    """Plan to go on with a run. Raises Refused with all that stands in the way."""
    folder = Path(changes.resume)
    config, saved = _saved_config(folder, changes, given)
    try:
        state_path, wrong = find_state(folder)
        loaded = load(config.model) if state_path is None else load_state_model(state_path)
    except ValueError as error:
        raise Refused([str(error)]) from None
    for line in wrong:
        print(f"warning: {line}; going on from the state before it")
    if state_path is None:
        print(f"{folder}: nothing was saved yet, so the run begins again, from step 0")
    train, dev, problems = read_rows(config, vocabulary_of(loaded.model.dims))
    plan = assemble(config, decide_settings(config, problems), loaded, train, dev)
    if (usable := usable_rows(plan)) != saved["usable"]:
        raise Refused(
            [
                f"--resume: {folder}: other rows are usable than when the run began "
                f"({saved['usable']} then, {usable} now): restore their audio, or start a new run"
            ]
        )
    if str(plan.amp_dtype) != saved["amp_dtype"]:
        print(f"warning: {saved['amp_dtype']} before, {plan.amp_dtype} on this device")
    return dataclasses.replace(plan, state_path=state_path)


def _saved_config(
    folder: Path, changes: TrainConfig, given: set[str]
) -> tuple[TrainConfig, dict[str, Any]]:
    """A run's settings with the changes that are allowed, and all that its `config.json` says."""
    if not (folder / "config.json").exists():
        raise Refused([f"--resume: {folder}: holds no run (no config.json): give a run's folder"])
    try:
        saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config = from_json(TrainConfig, saved["settings"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused([f"--resume: {folder / 'config.json'}: damaged: restore it"]) from None
    allowed = {name: getattr(changes, name) for name in given & set(MAY_CHANGE)}
    config = dataclasses.replace(config, **allowed, out=str(folder))
    problems = config.problems()
    for name in sorted(given - set(MAY_CHANGE) - {"resume"}):
        problems.append(
            f"{flag(name)}: a resumed run keeps its settings: start a new one from "
            f"{folder / 'best.pt'} with --model"
        )
    for path, known in (*saved["manifests"].items(), *saved.get("folders", {}).items()):
        if Path(path).exists() and fingerprint(path) != known:
            problems.append(f"{path}: changed since the run began: restore it, or start a new run")
    if problems:
        raise Refused(problems)
    return config, saved
