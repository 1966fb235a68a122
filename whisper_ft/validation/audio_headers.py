"""Headers of audio files, read in parallel and remembered."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

from whisper_ft.data.audio import AudioInfo, probe
from whisper_ft.runtime.files import audio_header_cache_path

PROBES = """CREATE TABLE IF NOT EXISTS probes (
    path BLOB PRIMARY KEY, size INT, mtime_ns INT, sample_rate INT, n_samples INT, n_channels INT
)"""


def probe_all(paths: Sequence[Path]) -> dict[Path, AudioInfo | str]:
    """Each file's header, or what is wrong with it.

    Good headers are remembered by path, size and time, in the user's cache folder.
    """
    with closing(_open_cache()) as cache:
        found = {path: _recall(cache, path) for path in dict.fromkeys(paths)}
        new = [path for path, info in found.items() if info is None]
        with ThreadPoolExecutor(8) as pool:
            found.update(zip(new, pool.map(_probe, new), strict=True))
        with suppress(sqlite3.Error):  # a cache that cannot be written only costs time
            cache.executemany(
                "REPLACE INTO probes VALUES (?, ?, ?, ?, ?, ?)",
                [(*_identity(p), *i[:3]) for p in new if isinstance(i := found[p], AudioInfo)],
            )
            cache.commit()
    return {path: info for path, info in found.items() if info is not None}


def _probe(path: Path) -> AudioInfo | str:
    try:
        return probe(path)
    except (OSError, ValueError) as error:
        return str(error)


def _open_cache() -> sqlite3.Connection:
    try:
        audio_header_cache_path().parent.mkdir(parents=True, exist_ok=True)
        cache = sqlite3.connect(audio_header_cache_path(), timeout=10)
        cache.execute(PROBES)
    except (OSError, sqlite3.Error):
        cache = sqlite3.connect(":memory:")
        cache.execute(PROBES)
    return cache


def _recall(cache: sqlite3.Connection, path: Path) -> AudioInfo | str | None:
    try:
        identity = _identity(path)
    except (OSError, ValueError):
        return None
    columns = "sample_rate, n_samples, n_channels"
    where = "path = ? AND size = ? AND mtime_ns = ?"
    found = None
    with suppress(sqlite3.Error):  # a cache that another version wrote, or that is damaged
        found = cache.execute(f"SELECT {columns} FROM probes WHERE {where}", identity).fetchone()
    if not found:
        return None
    sample_rate, n_samples, n_channels = found
    return AudioInfo(sample_rate, n_samples, n_channels, hash(identity[1:]))


def _identity(path: Path) -> tuple[bytes, int, int]:
    stat = path.stat()
    return os.fsencode(os.path.abspath(path)), stat.st_size, stat.st_mtime_ns
