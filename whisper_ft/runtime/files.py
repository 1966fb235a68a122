"""Write files so that an interruption loses nothing; read and write JSON Lines; hash inputs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Fingerprint:
    """The size and hash by which a changed file or folder is noticed."""

    size: int  # bytes
    sha256: str

    def to_json(self) -> dict[str, int | str]:
        """Return the fields as a JSON object."""
        return asdict(self)


def fingerprint(path: str | Path) -> Fingerprint:
    """Hash a file's content, or a folder's list of file names and sizes."""
    path = Path(path)
    if not path.is_dir():
        return Fingerprint(path.stat().st_size, file_sha256(path))
    files = sorted(file for file in path.rglob("*") if file.is_file())
    listing = [f"{file.relative_to(path).as_posix()} {file.stat().st_size}" for file in files]
    content = "\n".join(listing).encode("utf-8", "surrogateescape")
    return Fingerprint(len(content), hashlib.sha256(content).hexdigest())


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, which may be larger than memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def copy_atomically(source: Path, target: Path) -> None:
    """Copy a file under a temporary name, flush it to disk, then rename. Raises OSError."""
    partial = partial_path(target)
    try:
        shutil.copyfile(source, partial)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    flush_folder(target.parent)


def write_json(path: Path, content: Any) -> None:
    """Write JSON under a temporary name, flush it to disk, then rename."""
    _write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_json_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Replace a JSON Lines file, as safely as `write_json` does."""
    _write_text(path, "".join(map(_json_line, records)))


def append_json_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Append JSON objects to a JSON Lines file, one per line."""
    with path.open("a", encoding="utf-8") as file:
        for record in records:
            file.write(_json_line(record))


def read_json_lines(path: Path) -> Iterator[Any]:
    """Yield the values of a JSON Lines file.

    A missing file yields nothing. A line that an interrupted write cut short is skipped.
    """
    yield from (record for _, record in numbered_json_lines(path))


def numbered_json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (number from 1, value) as `read_json_lines` does."""
    if path.exists():
        yield from ((number, record) for number, _, record in _parsed_lines(path))


def filter_json_lines(path: Path, keep: Callable[[dict[str, Any]], bool]) -> None:
    """Rewrite a JSON Lines file with only the lines to keep.

    Lines that are cut short or have fields of the wrong kind are dropped too.
    """
    if path.exists():
        lines = _parsed_lines(path)
        kept = [line.rstrip("\n") + "\n" for _, line, record in lines if _is_kept(keep, record)]
        _write_text(path, "".join(kept))


def find_file_problem(path: Path) -> str:
    """Return why a path cannot be read as a file, or "" if it can.

    Only regular files are read: a pipe waits for its writer and /dev/zero has no end.
    """
    if path.is_file():
        return ""
    if path.is_dir():
        return "a folder, not a file"
    return "not a regular file" if path.exists() else "no such file"


def check_output_paths(outputs: Mapping[str, Sequence[str]], inputs: Sequence[str] = ()) -> None:
    """Check before the work that its results can be written, and make their folders.

    `outputs` are the paths by the flag that gave them; an empty path is skipped. Raises ValueError
    for an output that would overwrite an input or another output, and for one that cannot be
    written.
    """
    given = [(flag, path) for flag, paths in outputs.items() for path in paths if path]
    real_paths = [os.path.realpath(path) for path in (*(path for _, path in given), *inputs)]
    for flag, path in given:
        is_device = os.path.exists(path) and not os.path.isfile(path)  # /dev/null may come twice
        if real_paths.count(os.path.realpath(path)) > 1 and not is_device:
            raise ValueError(
                f"{flag}: {path}: also an input or another output: choose another name"
            )
    for flag, path in given:
        try:
            _try_to_write(Path(path))
        except OSError as error:
            raise ValueError(
                f"{flag}: {path}: {_describe_write_error(Path(path), error)}: choose another path"
            ) from None


def _try_to_write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for file in (path, partial_path(path)):
        existed = file.exists()
        file.open("a").close()
        if not existed:
            file.unlink()


def _describe_write_error(path: Path, error: OSError) -> str:
    parent = next(folder for folder in path.absolute().parents if os.path.exists(folder))
    if not parent.is_dir():
        return f"{parent} is not a folder"
    return f"cannot be written ({error.strerror})"


def text_encoding(path: Path) -> str:
    """Return the encoding of a text file: UTF-16 or UTF-32 by its first bytes, else UTF-8."""
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for encoding in ("utf-16-le", "utf-16-be"):  # without a mark: ASCII takes two bytes
        text = start.decode(encoding, "replace")
        if len(text) == 2 and text.isascii() and text.isprintable():
            return encoding
    return "utf-8-sig"


def find_other_spelling(folder: Path, name: str) -> str | None:
    """Return the name of the file in a folder that a name means, spelled as on disk; else None.

    Windows writes backslashes, and macOS letters in pieces (NFD), which other systems do not. Each
    part of a path may be spelled in its own way. None where two files may be meant.
    """
    found = [""]
    for part in (name.replace("\\", "/") if os.sep == "/" else name).split("/"):
        forms = {part, *(unicodedata.normalize(form, part) for form in ("NFC", "NFD"))}
        found = [
            spelled
            for before in found
            for form in sorted(forms)
            if os.path.exists(folder / (spelled := f"{before}/{form}" if before else form or "/"))
        ]
    return found[0] if len(found) == 1 and os.path.isfile(folder / found[0]) else None


def partial_path(path: Path) -> Path:
    """Return the temporary name under which a file is written before it is renamed."""
    return path.with_name(path.name + ".partial")


def flush_folder(folder: Path) -> None:
    """Make renames survive a power cut, where the system can flush a folder."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def whisper_cache_folder() -> Path:
    """Return the folder in which whisper keeps downloaded weights."""
    return _cache_root() / "whisper"


def audio_cache_path() -> Path:
    """Return the database that remembers the lengths of audio files."""
    return _cache_root() / "whisper_ft" / "audio.sqlite"


def segment_cache_path() -> Path:
    """Return the file that remembers the segments found in rows."""
    return _cache_root() / "whisper_ft" / "segments.jsonl"


def _cache_root() -> Path:
    return Path(os.getenv("XDG_CACHE_HOME", Path.home() / ".cache"))


def _parsed_lines(path: Path) -> Iterator[tuple[int, str, Any]]:
    # Only \n ends a line: JSON strings may hold other line separators. An interrupted write may
    # end within a character.
    with path.open(encoding="utf-8", newline="\n", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            with suppress(ValueError, RecursionError):
                yield number, line, json.loads(line)


def _is_kept(keep: Callable[[dict[str, Any]], bool], record: Any) -> bool:
    try:
        return keep(record)
    except (KeyError, TypeError):  # not a line that a run wrote
        return False


def _write_text(path: Path, text: str) -> None:
    path = Path(os.path.realpath(path))  # write through a link; do not replace it
    if path.exists() and not path.is_file():  # such as /dev/stdout
        path.write_text(text, encoding="utf-8")
        return
    partial = partial_path(path)
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _json_line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
