"""Describe versions, devices, free space and caches for a bug report."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import soundfile
import torch

from whisper_ft.runtime.devices import pick_amp, pick_device
from whisper_ft.runtime.environment import device_name, package_versions
from whisper_ft.runtime.files import audio_cache_path, whisper_cache_folder
from whisper_ft.runtime.out_of_memory import free_bytes


def describe_machine(*, paths: bool) -> list[str]:
    """Return the lines of a report on this machine; with no path in them unless `paths`.

    A section that fails reports its error, since a report is most needed on a broken machine.
    """
    sections: dict[str, Callable[[], Iterator[str]]] = {
        "versions": _describe_versions,
        "devices": _describe_devices,
        "free space": lambda: _describe_free_space(paths),
        "caches": lambda: _describe_caches(paths),
    }
    lines = []
    for title, describe in sections.items():
        lines.append(title)
        try:
            for line in describe():
                lines.append(f"  {line}")
        except Exception as error:
            failure = f"  failed: {type(error).__name__}: {error}"
            lines.append(failure if paths else without_paths(failure))
    return lines


def without_paths(text: str) -> str:
    """Return a text in which everything from its first absolute path on is replaced.

    A path may contain spaces, so its end cannot be found.
    """
    return re.sub(r"(?<![\w.])(/|[A-Za-z]:\\|\\\\).*", "(path)", text)


def _describe_versions() -> Iterator[str]:
    yield ", ".join(f"{name} {number}" for name, number in package_versions().items())
    yield f"libsndfile {soundfile.__libsndfile_version__}, {platform.platform()}"
    ffmpeg = "found" if shutil.which("ffmpeg") else "not found"
    yield f"ffmpeg {ffmpeg} (whisper's own command needs it)"


def _describe_devices() -> Iterator[str]:
    for name in ("cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))):
        device = pick_device(name)
        if device.type == "cpu":
            hardware = f"{torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores, "
            hardware += f"{torch.get_num_threads()} threads"
        else:
            capability = ".".join(map(str, torch.cuda.get_device_capability(device)))
            hardware = f"{device_name(device)}, compute capability {capability}"
        amp = str(pick_amp("auto", device) or "off").removeprefix("torch.")
        usable = f"{free_bytes(device) / 1e9:.1f} GB of memory usable"
        yield f"{name}: {hardware}, {usable}, --amp auto is {amp}"


def _describe_free_space(paths: bool) -> Iterator[str]:
    memory = psutil.virtual_memory()
    yield f"memory: {memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free"
    for name, folder in (
        ("the current folder", Path.cwd()),
        ("whisper's cache", whisper_cache_folder()),
    ):
        existing = next(p for p in (folder, *folder.parents) if p.exists())
        free = shutil.disk_usage(existing).free
        yield f"disk of {name}{f' ({folder})' * paths}: {free / 1e9:.1f} GB free"


def _describe_caches(paths: bool) -> Iterator[str]:
    folder = whisper_cache_folder()
    files = sorted(folder.glob("*.pt")) if folder.is_dir() else []
    weights = [f"{file.name} ({file.stat().st_size / 1e6:.0f} MB)" for file in files]
    yield f"weights{f' in {folder}' * paths}: {', '.join(weights) or 'none'}"
    database, n_files = audio_cache_path(), 0
    if database.exists():
        try:
            with closing(sqlite3.connect(database)) as cache:
                (n_files,) = cache.execute("SELECT COUNT(*) FROM audio").fetchone()
        except sqlite3.Error as error:
            yield f"audio files: the cache cannot be read ({error}): delete it"
            return
    yield f"audio files{f' in {database}' * paths}: {n_files}"
