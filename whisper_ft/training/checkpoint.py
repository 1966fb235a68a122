"""A run's folder: written so that no moment of interruption loses it, and found again."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import torch
from whisper.model import ModelDimensions, Whisper

from whisper_ft.models.loading import Loaded
from whisper_ft.models.loss import n_parameters
from whisper_ft.models.safe_load import damage, entries, misfit, read_plain, set_heads
from whisper_ft.runtime.out_of_memory import is_shortage

try:
    import fcntl
except ImportError:  # Windows: there two runs in one folder are not told apart
    fcntl = None  # type: ignore[assignment]

STATE, PREVIOUS, LOCK = "state.pt", "state.previous.pt", ".lock"


def hold(folder: Path) -> IO[str]:
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


def save_weights(model: Whisper, path: Path, alignment_heads: str | None) -> None:
    """Write fp16 weights that stock `whisper.load_model(path)` opens, like OpenAI's own files.

    `alignment_heads` rides along for this project: whisper sets those of official names only.
    """
    checkpoint = {
        "dims": dict(vars(model.dims)),
        "model_state_dict": {
            name: tensor.detach().to("cpu", torch.float16, copy=True)
            for name, tensor in model.state_dict().items()
        },
        "alignment_heads": alignment_heads,
    }
    write_atomically(path, checkpoint)


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write what an exact resume needs; the state before it stays as `state.previous.pt`."""
    partial = _write_partial(folder / STATE, state)
    if (folder / STATE).exists():
        os.replace(folder / STATE, folder / PREVIOUS)
    os.replace(partial, folder / STATE)
    _flush_folder(folder)


def find_state(folder: Path) -> tuple[Path | None, list[str]]:
    """(path of the newest whole state, None if there is none yet; what was wrong with newer ones).

    A damaged state is renamed, so that the next saving does not put it in the good one's place.
    Raises ValueError if states are there and none is whole.
    """
    wrong: list[str] = []
    damaged: list[Path] = []
    for path in (folder / STATE, folder / PREVIOUS):
        if path.exists():
            if not (problem := damage(path)):
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


def load_state_model(path: Path) -> Loaded:
    """The model of a saved state, in float32. Raises ValueError for a file that is none."""
    state = read_plain(path)
    try:
        dims = ModelDimensions(**state["dims"])
        if problem := misfit(dims, state["model"], path):
            raise ValueError(problem)
        model = Whisper(dims)
        model.load_state_dict(entries(state["model"]))
        set_heads(model, state["alignment_heads"])
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        if is_shortage(error):
            raise
        raise ValueError(f"{path}: not a run's state ({error}): start a new run") from None
    return Loaded(model, state["alignment_heads"])


def state_bytes(model: Whisper) -> int:
    """Size of a state: float32 weights, and two moments of those that are trained."""
    return 4 * (n_parameters(model) + 2 * n_parameters(model, trainable=True))


def write_atomically(path: Path, content: Any) -> None:
    """torch.save under a temporary name, flushed to the disk, then renamed."""
    os.replace(_write_partial(path, content), path)
    _flush_folder(path.parent)


def write_json(path: Path, content: Any) -> None:
    """JSON under a temporary name, flushed to the disk, then renamed."""
    _write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def append_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Add JSON objects to a JSON Lines file, a line each."""
    with path.open("a", encoding="utf-8") as file:
        for record in records:
            file.write(_line(record))


def write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """JSON objects to a JSON Lines file of their own, as `write_json` writes."""
    _write_text(path, "".join(map(_line, records)))


def refuse_outputs(outputs: Sequence[str], inputs: Sequence[str] = ()) -> None:
    """Raises before the work what would spoil an input or another output, or fail after it.

    That is ValueError or OSError; "" is no path.
    """
    paths = [Path(path) for path in outputs if path]
    real = [os.path.realpath(path) for path in (*filter(None, outputs), *inputs)]
    for path in paths:
        if real.count(os.path.realpath(path)) > 1 and (not path.exists() or path.is_file()):
            raise ValueError(f"{path}: is read or written twice: give the output another name")
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        for file in (path, _partial(path)):
            was_there = file.exists()
            file.open("a").close()
            if not was_there:
                file.unlink()


def keep_lines(path: Path, keep: Callable[[dict[str, Any]], bool]) -> None:
    """Drop the other lines of a JSON Lines file, one that was cut, and what no run wrote."""
    if path.exists():
        lines = _parsed_lines(path)
        kept = [line.rstrip("\n") + "\n" for line, record in lines if _holds(keep, record)]
        _write_text(path, "".join(kept))


def read_lines(path: Path) -> Iterator[Any]:
    """What a JSON Lines file holds, nothing where there is no file; a cut line is left out."""
    if path.exists():
        yield from (record for _, record in _parsed_lines(path))


def _parsed_lines(path: Path) -> Iterator[tuple[str, Any]]:
    # Any other break is text; a line may be cut within a character.
    with path.open(encoding="utf-8", newline="\n", errors="replace") as file:
        for line in file:
            with suppress(ValueError, RecursionError):
                yield line, json.loads(line)


def _holds(keep: Callable[[dict[str, Any]], bool], record: Any) -> bool:
    """Whether to keep a record; none is kept that no run wrote."""
    try:
        return keep(record)
    except (KeyError, TypeError):
        return False


def fingerprint(path: str | Path) -> dict[str, Any]:
    """A manifest's size in bytes and SHA-256; of a folder, those of its list of names and sizes."""
    path = Path(path)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        listed = [f"{file.relative_to(path).as_posix()} {file.stat().st_size}" for file in files]
        content = "\n".join(listed).encode("utf-8", "surrogateescape")
    else:
        content = path.read_bytes()
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def _write_partial(path: Path, content: Any) -> Path:
    """Write what is to become a path; a failure leaves nothing of it. Raises OSError."""
    partial = _partial(path)
    try:
        with partial.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        partial.unlink(missing_ok=True)
        cause = error.__context__  # torch tells of it as RuntimeError
        if isinstance(cause, OSError):
            raise OSError(cause.errno, cause.strerror, str(path)) from None
        if isinstance(cause, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    return partial


def _write_text(path: Path, text: str) -> None:
    path = Path(os.path.realpath(path))  # a link stays one
    if path.exists() and not path.is_file():  # /dev/stdout and the like
        path.write_text(text, encoding="utf-8")
        return
    partial = _partial(path)
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"


def _flush_folder(folder: Path) -> None:
    """Make renames last through a power cut, where the system lets folders be flushed."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
