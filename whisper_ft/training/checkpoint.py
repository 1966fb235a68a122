"""A run's folder: written so that no moment of interruption loses it, and found again."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import IO, Any

from whisper.model import ModelDimensions, Whisper

from whisper_ft.models.loading import LoadedModel
from whisper_ft.models.parameters import n_parameters
from whisper_ft.models.safe_load import (
    find_damage,
    find_mismatch,
    load_plain,
    plain_dict,
    set_alignment_heads,
)
from whisper_ft.runtime.files import flush_folder
from whisper_ft.runtime.out_of_memory import is_out_of_memory
from whisper_ft.runtime.torch_files import save_partial

try:
    import fcntl
except ImportError:  # Windows: there two runs in one folder are not told apart
    fcntl = None  # type: ignore[assignment]

STATE, PREVIOUS, LOCK = "state.pt", "state.previous.pt", ".lock"


def lock_folder(folder: Path) -> IO[str]:
    """Keep other processes from training in a folder for as long as the result is open.

    The system lets go with the process, however that ends; its children do not hold it. Raises
    ValueError where another has it, OSError where nothing can be written.
    """
    ours = [file for file in folder.iterdir() if _is_ours(file)]
    if odd := [file.name for file in ours if file.is_symlink() or not file.is_file()]:
        raise ValueError(
            f"{', '.join(odd)}: no plain file, but a link, through which others would be written, "
            "or the like: put the file itself there"
        )
    with tempfile.TemporaryFile(dir=folder):  # what may append to a file may not make another
        lock = (folder / LOCK).open("a+", encoding="utf-8")
    if fcntl is not None:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            lock.seek(0)
            holder = lock.read().strip() or "another"
            what = f"process {holder} is training there: wait for it or stop it"
            raise ValueError(what) from None
        except OSError:  # a file system without locks
            return lock
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def _is_ours(file: Path) -> bool:
    """Whether a run writes a file of that name in its folder."""
    return file.suffix in (".pt", ".jsonl", ".json", ".partial") or file.name == LOCK


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write what an exact resume needs; the state before it stays as `state.previous.pt`."""
    partial = save_partial(folder / STATE, state)
    if (folder / STATE).exists():
        os.replace(folder / STATE, folder / PREVIOUS)
    os.replace(partial, folder / STATE)
    flush_folder(folder)


def find_state(folder: Path) -> tuple[Path | None, list[str]]:
    """(path of the newest whole state, None if there is none yet; what was wrong with newer ones).

    A damaged state is renamed, so that the next saving does not put it in the good one's place.
    Raises ValueError if states are there and none is whole.
    """
    wrong: list[str] = []
    damaged: list[Path] = []
    for path in (folder / STATE, folder / PREVIOUS):
        if path.exists():
            if not (problem := find_damage(path)):
                for bad in damaged:
                    os.replace(bad, bad.with_name(bad.name + ".damaged"))
                return path, wrong
            wrong.append(f"{path}: {problem}")
            damaged.append(path)
    if wrong:
        raise ValueError("; ".join(wrong) + f": no whole state is left: {new_run(folder)}")
    return None, wrong


def new_run(folder: Path) -> str:
    """How to begin another from the weights that a run has saved."""
    saved = (folder / name for name in ("best.pt", "last.pt"))
    path = next((path for path in saved if path.is_file()), None)
    return f"start a new run, with --model {path}" if path else "start a new run"


def load_state_model(path: Path) -> LoadedModel:
    """The model of a saved state, in float32. Raises ValueError for a file that is none."""
    state = load_plain(path)
    try:
        dims = ModelDimensions(**state["dims"])
        if problem := find_mismatch(dims, state["model"], path):
            raise ValueError(problem)
        model = Whisper(dims)
        model.load_state_dict(plain_dict(state["model"]))
        set_alignment_heads(model, state["alignment_heads"])
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        raise ValueError(f"{path}: not a run's state ({error}): start a new run") from None
    return LoadedModel(model, state["alignment_heads"])


def state_bytes(model: Whisper) -> int:
    """Size of a state: float32 weights, and two moments of those that are trained."""
    return 4 * (n_parameters(model) + 2 * n_parameters(model, trainable=True))
