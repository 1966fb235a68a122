"""Choose the device and the precision."""

from __future__ import annotations

import os

import torch

AMP_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "off": None}
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def pick_device(name: str) -> torch.device:
    """Return the device that `--device` names. Raises ValueError if it cannot be used."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"--device: {name}: no such device: give auto, cpu or cuda:N") from None
    if device.type == "mps":
        raise ValueError(
            "--device: mps: not supported: whisper keeps its alignment heads in a sparse tensor, "
            "which MPS cannot store, and training on it is untested: use cpu"
        )
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"--device: {name}: not supported: give auto, cpu or cuda:N")
    n_gpus = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= n_gpus:
        raise ValueError(
            f"--device: {name}: number of CUDA devices that torch sees here: {n_gpus}: use cpu"
        )
    return device


def pick_amp(name: str, device: torch.device) -> torch.dtype | None:
    """Return the autocast dtype that `--amp` names, or None for float32.

    auto: bf16 if the hardware supports it (emulation is slower than float32), else fp16 on a GPU,
    else off. Raises ValueError for bf16 without hardware support.
    """
    if device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bf16 = _cpu_has_bf16()
    if name == "bf16" and not has_bf16:
        raise ValueError(f"--amp: bf16: {device} has no bf16 arithmetic: use auto or off")
    if name == "auto":
        name = "bf16" if has_bf16 else "fp16" if device.type == "cuda" else "off"
    return AMP_DTYPES[name]


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype in which to decode. auto: float16 on a GPU, float32 on a CPU."""
    if name == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    return DTYPES[name]


def use_deterministic_algorithms() -> None:
    """Make torch use only operations that add up in a fixed order.

    Operations without a deterministic form then raise RuntimeError.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # Filling uninitialised memory with NaN finds bugs but takes time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def _cpu_has_bf16() -> bool:
    """Return whether this CPU multiplies bf16 natively; older torch has only private functions."""
    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)
