"""Too little memory, however it is told."""

from __future__ import annotations

import torch

# Of errors that tell of it: torch's allocators, oneDNN, CUDA and its libraries.
WORDS = (
    *("can't allocate memory", "not enough memory", "could not create a primitive"),
    *("CUDA error: out of memory", "STATUS_ALLOC_FAILED"),
)


def is_shortage(error: BaseException) -> bool:
    """Whether what torch or Python raised tells of too little memory, on a device or not."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or any(words in str(error) for words in WORDS)


def reason(error: BaseException) -> str:
    """The first line of what it says."""
    return str(error).strip().splitlines()[0] if str(error).strip() else "out of memory"


def told(error: BaseException) -> str:
    """What to say of it where no setting is known to help."""
    return (
        f"too little memory ({reason(error)}): close what else takes it, choose another --device, "
        "or a smaller model"
    )
