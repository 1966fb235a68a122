"""Files written so that an interruption loses nothing: atomic writes, JSON Lines, hashes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch


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


def check_outputs(outputs: Sequence[str], inputs: Sequence[str] = ()) -> None:
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


def filter_lines(path: Path, keep: Callable[[dict[str, Any]], bool]) -> None:
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


def cache_folder() -> Path:
    """Where whisper keeps the weights that it fetches."""
    return Path(os.getenv("XDG_CACHE_HOME", Path.home() / ".cache")) / "whisper"


def probes_path() -> Path:
    """Where headers of audio files are remembered."""
    root = Path(os.getenv("XDG_CACHE_HOME", Path.home() / ".cache"))
    return root / "whisper_ft" / "probes.sqlite"
