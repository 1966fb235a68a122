"""Read the headers of audio files in parallel, and remember them on disk."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

from whisper_ft.data.audio import AudioInfo, probe
from whisper_ft.runtime.files import audio_header_cache_path

N_THREADS = 8
TABLE = """CREATE TABLE IF NOT EXISTS probes (
    path BLOB PRIMARY KEY, size INT, mtime_ns INT, sample_rate INT, n_samples INT, n_channels INT
)"""


def read_headers(paths: Sequence[Path]) -> dict[Path, AudioInfo | str]:
    """Return each file's header, or the reason why it cannot be read.

    Headers are remembered by path, size and modification time, in the user's cache folder.
    """
    with closing(_open_cache()) as cache:
        cached = {path: _load_header(cache, path) for path in dict.fromkeys(paths)}
        headers: dict[Path, AudioInfo | str] = {
            path: header for path, header in cached.items() if header is not None
        }
        new_paths = [path for path, header in cached.items() if header is None]
        with ThreadPoolExecutor(N_THREADS) as pool:
            headers.update(zip(new_paths, pool.map(_read_header, new_paths), strict=True))
        new_headers = {
            path: header for path in new_paths if isinstance(header := headers[path], AudioInfo)
        }
        _store_headers(cache, new_headers)
    return headers


def _read_header(path: Path) -> AudioInfo | str:
    try:
        return probe(path)
    except ValueError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read ({error.strerror or error}): make it readable"


def _open_cache() -> sqlite3.Connection:
    """Open the cache file, or a cache in memory if the file cannot be used."""
    try:
        audio_header_cache_path().parent.mkdir(parents=True, exist_ok=True)
        cache = sqlite3.connect(audio_header_cache_path(), timeout=10)
        cache.execute(TABLE)
    except (OSError, sqlite3.Error):
        cache = sqlite3.connect(":memory:")
        cache.execute(TABLE)
    return cache


def _load_header(cache: sqlite3.Connection, path: Path) -> AudioInfo | None:
    """Return a file's remembered header; None if it is unknown or the file has changed."""
    try:
        file_key = _file_key(path)
    except (OSError, ValueError):
        return None
    columns = "sample_rate, n_samples, n_channels"
    condition = "path = ? AND size = ? AND mtime_ns = ?"
    record = None
    with suppress(sqlite3.Error):  # a cache of another version, or a damaged one
        query = f"SELECT {columns} FROM probes WHERE {condition}"
        record = cache.execute(query, file_key).fetchone()
    if not record:
        return None
    sample_rate, n_samples, n_channels = record
    return AudioInfo(sample_rate, n_samples, n_channels, hash(file_key[1:]))


def _store_headers(cache: sqlite3.Connection, headers: dict[Path, AudioInfo]) -> None:
    with suppress(sqlite3.Error):  # a cache that cannot be written only costs time
        cache.executemany(
            "REPLACE INTO probes VALUES (?, ?, ?, ?, ?, ?)",
            [(*_file_key(path), *header[:3]) for path, header in headers.items()],
        )
        cache.commit()


def _file_key(path: Path) -> tuple[bytes, int, int]:
    """Return (absolute path, size, modification time in ns)."""
    stat = path.stat()
    return os.fsencode(os.path.abspath(path)), stat.st_size, stat.st_mtime_ns
