"""Describe versions, devices, free memory and caches for a bug report."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import soundfile
import torch

from whisper_ft.runtime.devices import pick_amp, pick_device
from whisper_ft.runtime.environment import device_name, package_versions
from whisper_ft.runtime.files import audio_header_cache_path, whisper_cache_folder
from whisper_ft.runtime.out_of_memory import free_bytes


def _versions() -> Iterator[str]:
    yield "versions"
    yield "  " + ", ".join(f"{name} {number}" for name, number in package_versions().items())
    yield f"  libsndfile {soundfile.__libsndfile_version__}, {platform.platform()}"
    there = "is" if shutil.which("ffmpeg") else "is not"
    yield f"  ffmpeg {there} there, which whisper's own command needs"


def _devices() -> Iterator[str]:
    yield "devices"
    names = ["cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))]
    for name in names:
        device = pick_device(name)
        if device.type == "cpu":
            what = f"{torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores, "
            what += f"threads: {torch.get_num_threads()}"
        else:
            capability = ".".join(map(str, torch.cuda.get_device_capability(device)))
            what = f"{device_name(device)}, compute capability {capability}"
        amp = str(pick_amp("auto", device) or "off").removeprefix("torch.")
        room = f"{free_bytes(device) / 1e9:.1f} GB may be taken"
        yield f"  {name}: {what}, {room}, AMP auto is {amp}"


def _room(paths: bool) -> Iterator[str]:
    memory = psutil.virtual_memory()
    yield "room"
    yield f"  memory: {memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free"
    for what, folder in (("here", Path.cwd()), ("whisper's cache", whisper_cache_folder())):
        there = next(p for p in (folder, *folder.parents) if p.exists())
        free = shutil.disk_usage(there).free
        yield f"  disk, {what}{f' ({folder})' * paths}: {free / 1e9:.1f} GB free"


def _caches(paths: bool) -> Iterator[str]:
    yield "caches"
    files = sorted(whisper_cache_folder().glob("*.pt")) if whisper_cache_folder().is_dir() else []
    held = [f"{file.name} ({file.stat().st_size / 1e6:.0f} MB)" for file in files]
    yield f"  weights{f' in {whisper_cache_folder()}' * paths}: {', '.join(held) or 'none'}"
    count = 0
    if audio_header_cache_path().exists():
        try:
            with closing(sqlite3.connect(audio_header_cache_path())) as cache:
                (count,) = cache.execute("SELECT COUNT(*) FROM probes").fetchone()
        except sqlite3.Error as error:
            yield f"  audio headers: the cache cannot be read ({error}): it may be removed"
            return
    yield f"  audio headers{f' in {audio_header_cache_path()}' * paths}: {count}"
