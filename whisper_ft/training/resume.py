"""Going on with a run: its settings and state found again, and whatever changed since refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from whisper_ft.config.options import flag, from_json
from whisper_ft.config.train import TrainConfig
from whisper_ft.models.loading import load, vocabulary_from_dims
from whisper_ft.runtime.files import fingerprint
from whisper_ft.training.checkpoint import find_state, load_state_model, lock_folder, new_run
from whisper_ft.training.setup import Plan, SetupError, assemble, decide_settings, read_rows

# The rest would be another run.
MAY_CHANGE = ("workers", "device", "save_every", "feature_cache", "feature_cache_gb")
ABOUT = ("resume", "strict_resume")  # what is no setting of the run
EXACT = ("torch", "whisper_ft", "openai-whisper", "numpy", "soxr", "soundfile")  # compute floats


def resume_plan(changes: TrainConfig, given: set[str]) -> Plan:
    """Plan to go on with a run. Raises Refused with all that stands in the way."""
    folder = Path(changes.resume)
    config, saved = _saved_config(folder, changes, given)
    try:
        lock = lock_folder(folder)
    except ValueError as error:
        raise SetupError([f"--resume: {folder}: {error}"]) from None
    except OSError as error:
        raise SetupError([f"--resume: {folder}: cannot be written ({error.strerror})"]) from None
    try:
        state_path, wrong = find_state(folder)
        loaded = load(config.model) if state_path is None else load_state_model(state_path)
    except ValueError as error:
        raise SetupError([str(error)]) from None
    for line in wrong:
        print(f"warning: {line}; going on from the state before it (this one is kept as .damaged)")
    if state_path is None:
        print(f"{folder}: nothing was saved yet, so the run begins again, from step 0")
    train, dev, problems = read_rows(config, vocabulary_from_dims(loaded.model.dims))
    decided = decide_settings(config, problems)
    try:
        plan = assemble(config, decided, loaded, train, dev)
    except ValueError as error:
        raise SetupError([str(error)]) from None
    now = plan.record()
    if now["usable"] != saved["usable"]:
        raise SetupError(
            [
                f"--resume: {folder}: other rows are usable than when the run began "
                f"({saved['usable']} then, {now['usable']} now): restore their audio, or start a "
                "new run"
            ]
        )
    if differing := _differing(saved, now):
        if changes.strict_resume:
            raise SetupError([f"--strict-resume: {what}" for what in differing])
        print(f"warning: floats may differ from here on: {'; '.join(differing)}")
    return dataclasses.replace(plan, state_path=state_path, lock=lock)


def _differing(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What computes otherwise than when the run began."""
    pairs = [
        (name, then[part].get(name), now[part][name])
        for part, names in (("versions", EXACT), ("machine", ("device", "threads")))
        for name in names
    ]
    pairs.append(("precision", then["amp_dtype"], now["amp_dtype"]))
    pairs.append(("a hash of audio files' sizes and times", then["audio"], now["audio"]))
    return [f"{name} was {before}, is {here}" for name, before, here in pairs if before != here]


def _saved_config(
    folder: Path, changes: TrainConfig, given: set[str]
) -> tuple[TrainConfig, dict[str, Any]]:
    """A run's settings with the changes that are allowed, and all that its `config.json` says."""
    if not folder.is_dir():
        raise SetupError([f"--resume: {folder}: no such folder: give the one that --out named"])
    if not (folder / "config.json").is_file():
        raise SetupError(
            [f"--resume: {folder}: holds no run (no config.json): give a run's folder"]
        )
    try:
        saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config = _config_of(saved)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        what = f"damaged, or of another version: restore it, or {new_run(folder)}"
        raise SetupError([f"--resume: {folder / 'config.json'}: {what}"]) from None
    allowed = {name: getattr(changes, name) for name in given & set(MAY_CHANGE)}
    config = dataclasses.replace(config, **allowed, out=str(folder)).resolved()
    problems = config.problems()
    for name in sorted(given - set(MAY_CHANGE) - set(ABOUT)):
        problems.append(
            f"{flag(name)}: a resumed run keeps its settings: leave it out, or {new_run(folder)}"
        )
    for path, known in (*saved["manifests"].items(), *saved["folders"].items()):
        there = Path(path).is_dir() if path in saved["folders"] else Path(path).is_file()
        if there and fingerprint(path).to_json() != known:
            problems.append(f"{path}: changed since the run began: restore it, or start a new run")
    if problems:
        raise SetupError(problems)
    return config, saved


def _config_of(saved: dict[str, Any]) -> TrainConfig:
    """The settings that a `config.json` tells. Raises what Python does for one that is none."""
    config = from_json(TrainConfig, saved["settings"])
    parts = ("manifests", "folders", "usable", "versions", "machine")
    if not all(isinstance(saved[name], dict) for name in parts):
        raise TypeError
    if not all(isinstance(saved[name], str) for name in ("amp_dtype", "audio")):
        raise TypeError
    if set(saved["manifests"]) != {*config.train, *config.dev}:
        raise ValueError
    if set(saved["folders"]) != {config.noise, config.reverb} - {""}:
        raise ValueError
    return config
