"""Probe audio files in parallel, and remember what was found on disk: counting takes time."""

from __future__ import annotations

import json
import os
import sqlite3
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path

from whisper_ft.data.audio_info import AudioInfo, Marks, Track, file_stamp, probe
from whisper_ft.runtime.files import audio_cache_path

N_THREADS = 8
RULES = 2  # version of what `probe` finds and refuses
TABLE = """CREATE TABLE IF NOT EXISTS audio (
    path BLOB PRIMARY KEY, size INT, mtime_ns INT, info TEXT
)"""


def probe_all(paths: Sequence[Path]) -> dict[Path, AudioInfo | str]:
    """Probe files; return for each what is known of it, or the reason why it cannot be read.

    Files are remembered by path, size and modification time, in the user's cache folder.
    """
    with closing(_open_cache()) as cache:
        known = {path: _load(cache, path) for path in dict.fromkeys(paths)}
        infos: dict[Path, AudioInfo | str] = {
            path: info for path, info in known.items() if info is not None
        }
        new_paths = [path for path, info in known.items() if info is None]
        with ThreadPoolExecutor(N_THREADS) as pool:
            infos.update(zip(new_paths, pool.map(_probe, new_paths), strict=True))
        _store(
            cache, {path: info for path in new_paths if isinstance(info := infos[path], AudioInfo)}
        )
    return infos


def probe_once(path: Path) -> AudioInfo:
    """Return what is known of a file; probe it if nothing is. Raises ValueError and OSError."""
    if not path.is_file():
        return probe(path)  # says why there is none
    return _probe_once(path, file_stamp(path))


@lru_cache(maxsize=1_000)
def _probe_once(path: Path, _: int) -> AudioInfo:
    with closing(_open_cache()) as cache:
        info = _load(cache, path)
        if info is None:
            info = probe(path)
            _store(cache, {path: info})
    return info


def _probe(path: Path) -> AudioInfo | str:
    try:
        return probe(path)
    except ValueError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read ({error.strerror or error}): make it readable"


def _open_cache() -> sqlite3.Connection:
    """Open the cache file, or a cache in memory if the file cannot be used."""
    try:
        audio_cache_path().parent.mkdir(parents=True, exist_ok=True)
        cache = sqlite3.connect(audio_cache_path(), timeout=10)
        cache.execute(TABLE)
    except (OSError, sqlite3.Error):
        cache = sqlite3.connect(":memory:")
        cache.execute(TABLE)
    return cache


def _load(cache: sqlite3.Connection, path: Path) -> AudioInfo | None:
    """Return what is remembered of a file; None if it is unknown or has changed."""
    try:
        key = _file_key(path)
    except (OSError, ValueError):
        return None
    record = None
    with suppress(sqlite3.Error):  # a cache of another version, or a damaged one
        query = "SELECT info FROM audio WHERE path = ? AND size = ? AND mtime_ns = ?"
        record = cache.execute(query, key).fetchone()
    if not record:
        return None
    try:
        return _from_json(record[0], hash(key[1:]))
    except (AttributeError, KeyError, TypeError, ValueError):  # of another version
        return None


def _store(cache: sqlite3.Connection, infos: dict[Path, AudioInfo]) -> None:
    with suppress(sqlite3.Error):  # a cache that cannot be written only costs time
        cache.executemany(
            "REPLACE INTO audio VALUES (?, ?, ?, ?)",
            [(*_file_key(path), _to_json(info)) for path, info in infos.items()],
        )
        cache.commit()


def _from_json(text: str, stamp: int) -> AudioInfo:
    content = json.loads(text)
    if content.pop("rules") != RULES:
        raise ValueError(text)
    if track := content.pop("track"):
        if marks := track.pop("marks"):
            marks = Marks(*(array("q", numbers) for numbers in marks))
        track = Track(**track, marks=marks)
    return AudioInfo(**content, track=track, stamp=stamp)


def _to_json(info: AudioInfo) -> str:
    content = info._asdict() | {"rules": RULES}
    del content["stamp"]  # follows from the file's key
    if info.track:
        marks = info.track.marks and [numbers.tolist() for numbers in info.track.marks]
        content["track"] = info.track._asdict() | {"marks": marks}
    return json.dumps(content)


def _file_key(path: Path) -> tuple[bytes, int, int]:
    """Return (absolute path, size, modification time in ns)."""
    stat = path.stat()
    return os.fsencode(os.path.abspath(path)), stat.st_size, stat.st_mtime_ns
