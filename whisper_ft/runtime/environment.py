"""The versions and hardware that results depend on."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from whisper_ft.version import __version__

PACKAGES = ("openai-whisper", "tiktoken", "numpy", "soundfile", "av", "soxr")


@dataclass(frozen=True)
class Environment:
    """Everything outside a run's settings that can change its floating-point results."""

    versions: dict[str, str]  # by package, Python included
    device: str
    n_threads: int
    amp_dtype: str  # such as torch.bfloat16; None for float32

    @property
    def dtype(self) -> torch.dtype | None:
        """The dtype that `amp_dtype` names; None for float32."""
        dtype = getattr(torch, self.amp_dtype.removeprefix("torch."), None)
        return dtype if isinstance(dtype, torch.dtype) else None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as they stand in a run's `config.json`."""
        return {
            "versions": self.versions,
            "machine": {"device": self.device, "threads": self.n_threads},
            "amp_dtype": self.amp_dtype,
        }


def describe_environment(device: torch.device, amp_dtype: torch.dtype | None) -> Environment:
    """Describe the versions, the device and the precision that a run computes with."""
    return Environment(
        package_versions(), device_name(device), torch.get_num_threads(), str(amp_dtype)
    )


def package_versions() -> dict[str, str]:
    """Return the installed versions of this package, Python and what they compute with."""
    return {
        "whisper_ft": __version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "torch": str(torch.__version__),  # names the build too, such as +cpu
    }


def device_name(device: torch.device) -> str:
    """Return a GPU's product name, or the device type."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # PyAV, where it has no wheel
        return "not installed"
