"""Too little memory, however it is told."""

from __future__ import annotations

import torch

# Of errors that tell of it: torch's allocators, oneDNN, CUDA and its libraries.
WORDS = (
    *("can't allocate memory", "not enough memory", "could not create a primitive"),
    "Cannot allocate memory",
    *("CUDA error: out of memory", "STATUS_ALLOC_FAILED"),
)


def is_shortage(error: BaseException) -> bool:
    """Whether what torch or Python raised tells of too little memory, on a device or not."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or any(words in str(error) for words in WORDS)


def reason(error: BaseException) -> str:
    """What it says, in short; some that tell of memory do not say so."""
    first = (str(error).strip().splitlines() or [""])[0].split("DefaultCPUAllocator: ")[-1]
    return f"out of memory ({first})" if first else "out of memory"


def told(error: BaseException) -> str:
    """What to say of it where no setting is known to help."""
    remedy = "close what else takes memory, choose another --device, or a smaller model"
    return f"{reason(error)}: {remedy}"
