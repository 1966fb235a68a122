"""What a run's `config.json` tells of it: settings, surroundings, and what it reads."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import torch

from whisper_ft import __version__
from whisper_ft.config.train import TrainConfig
from whisper_ft.data.manifest import Joined, places, stamps, total_seconds
from whisper_ft.data.row import Row
from whisper_ft.training.checkpoint import fingerprint

PACKAGES = ("openai-whisper", "tiktoken", "numpy", "soundfile", "soxr")


def record(
    config: TrainConfig,
    device: torch.device,
    amp_dtype: torch.dtype | None,
    train: Sequence[Row],
    dev: Sequence[Row],
) -> dict[str, Any]:
    """All that a resumed run must find again."""
    return {
        "settings": dataclasses.asdict(config),
        "manifests": {path: fingerprint(path) for path in (*config.train, *config.dev)},
        "folders": {path: fingerprint(path) for path in (config.noise, config.reverb) if path},
        "usable": usable(train, dev),
        "audio": hashlib.sha256(b"".join(stamps([train, dev]))).hexdigest()[:16],
        **surroundings(device, amp_dtype),
    }


def surroundings(device: torch.device, amp_dtype: torch.dtype | None) -> dict[str, Any]:
    """What computes, in all that floats may depend on."""
    return {
        "versions": {
            "whisper_ft": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
            "torch": str(torch.__version__),  # which tells the build too, as of CUDA
        },
        "machine": {"device": device_name(device), "threads": torch.get_num_threads()},
        "amp_dtype": str(amp_dtype),
    }


def device_name(device: torch.device) -> str:
    """As its maker calls it, where torch knows."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def usable(train: Sequence[Row], dev: Sequence[Row]) -> dict[str, Any]:
    """Which rows a run trains and is evaluated on: counts, length, and a hash of their places."""
    rows = Joined([train, dev])
    digest = hashlib.sha256("\n".join(places(rows)).encode()).hexdigest()
    seconds = round(total_seconds(rows), 3)
    return {"train": len(train), "dev": len(dev), "seconds": seconds, "sha256": digest}
