"""A run's folder: locked while in use, and written so that no interruption loses its state."""

from __future__ import annotations

import os
import reprlib
import tempfile
from pathlib import Path
from typing import IO, Any

from whisper.model import Whisper

from whisper_ft.models.parameters import n_parameters
from whisper_ft.models.safe_load import find_damage
from whisper_ft.runtime.files import flush_folder
from whisper_ft.runtime.torch_files import save_partial

try:
    import fcntl
except ImportError:  # Windows: nothing stops two runs in one folder there
    fcntl = None  # type: ignore[assignment]

RUN_FORMAT = 2  # of config.json and state.pt; format 1 had no number
BEST, LAST = "best.pt", "last.pt"
TUNED = "tuned.pt"  # the trained weights, once best.pt is a mixture of them and stock's
STATE, PREVIOUS, LOCK = "state.pt", "state.previous.pt", ".lock"


def lock_folder(folder: Path) -> IO[str]:
    """Lock a folder against other processes for as long as the returned file is open.

    The lock ends with the process, however that ends, and its children do not inherit it. Raises
    ValueError if another process has it, or if a file of a run is a link or a pipe; OSError if
    the folder cannot be written.
    """
    ours = [file for file in folder.iterdir() if _is_ours(file)]
    if odd := [file.name for file in ours if file.is_symlink() or not file.is_file()]:
        raise ValueError(
            f"{', '.join(odd)}: not a plain file. A link would have another file overwritten: put "
            "the file itself there"
        )
    with tempfile.TemporaryFile(dir=folder):  # appending may be allowed where new files are not
        lock = (folder / LOCK).open("a+", encoding="utf-8")
    if fcntl is not None:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            lock.seek(0)
            holder = lock.read().strip() or "another"
            raise ValueError(
                f"process {holder} is training there: wait for it or stop it"
            ) from None
        except OSError:  # a file system without locks
            return lock
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def _is_ours(file: Path) -> bool:
    """Return whether a run writes files of this name in its folder."""
    return file.suffix in (".pt", ".jsonl", ".json", ".partial") or file.name == LOCK


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write `state.pt`, and keep the one before as `state.previous.pt`."""
    partial = save_partial(folder / STATE, state)
    if (folder / STATE).exists():
        os.replace(folder / STATE, folder / PREVIOUS)
    os.replace(partial, folder / STATE)
    flush_folder(folder)


def find_state(folder: Path) -> tuple[Path | None, list[str]]:
    """Return (path of the newest intact state, or None; problems of a newer one).

    A damaged state is renamed, so that the next save does not replace the intact one with it.
    Raises ValueError if there are states and none is intact.
    """
    problems: list[str] = []
    damaged: list[Path] = []
    for path in (folder / STATE, folder / PREVIOUS):
        if path.exists():
            if not (problem := find_damage(path)):
                for bad in damaged:
                    os.replace(bad, bad.with_name(bad.name + ".damaged"))
                return path, problems
            problems.append(f"{path}: {problem}")
            damaged.append(path)
    if problems:
        raise ValueError(f"{'; '.join(problems)}: no intact state is left: {new_run(folder)}")
    return None, []


def new_run(folder: Path) -> str:
    """Return the advice to start a new run, from the weights that this one saved if it did."""
    saved = (folder / name for name in (BEST, LAST))
    path = next((path for path in saved if path.is_file()), None)
    return f"start a new run with --model {path}" if path else "start a new run"


def format_problem(number: object, path: Path) -> str:
    """Return why a file of this format cannot be resumed, or "" if it can."""
    if number == RUN_FORMAT and type(number) is int:
        return ""
    age = "an earlier" if number == 1 else "another"
    return (
        f"{path} was written by {age} version (format {reprlib.repr(number)}); this version "
        f"resumes format {RUN_FORMAT}: {new_run(path.parent)}"
    )


def state_bytes(model: Whisper) -> int:
    """Return the size of a state: float32 weights, and two moments of each trained one."""
    return 4 * (n_parameters(model) + 2 * n_parameters(model, trainable=True))
