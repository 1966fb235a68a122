"""Versions and hardware that numbers depend on."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import torch

from whisper_ft.version import __version__

PACKAGES = ("openai-whisper", "tiktoken", "numpy", "soundfile", "soxr")


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
