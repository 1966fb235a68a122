"""Too little memory, however it is told."""

from __future__ import annotations

import ctypes
import gc
import os
from contextlib import suppress
from pathlib import Path

import psutil
import torch

# Of errors that tell of it: torch's allocators, oneDNN, CUDA and its libraries.
WORDS = (
    *("can't allocate memory", "not enough memory", "could not create a primitive"),
    "Cannot allocate memory",
    *("CUDA error: out of memory", "STATUS_ALLOC_FAILED"),
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether what torch or Python raised tells of too little memory, on a device or not."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or any(words in str(error) for words in WORDS)


def describe_out_of_memory(error: BaseException) -> str:
    """What it says, in short; some that tell of memory do not say so."""
    first = (str(error).strip().splitlines() or [""])[0].split("DefaultCPUAllocator: ")[-1]
    return f"out of memory ({first})" if first else "out of memory"


def out_of_memory_message(error: BaseException) -> str:
    """What to say of it where no setting is known to help."""
    remedy = "close what else takes memory, choose another --device, or a smaller model"
    return f"{describe_out_of_memory(error)}: {remedy}"


M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc, malloc.h


def keep_freed_memory() -> None:
    """Have glibc keep what is freed: each step asks for the same gigabytes again.

    New pages, which the system must clear first, took a twentieth of a step.
    """
    if os.name == "posix" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def release_memory(device: torch.device) -> None:
    """Once, what is free in the heap or in torch's pool, where another kind of memory is short."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif os.name == "posix" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


MARGIN = 0.85  # of what is free may be taken: allocators leave gaps of a tenth and more


CGROUP = Path("/sys/fs/cgroup")  # where Linux limits a container


def free_bytes(device: torch.device) -> int:
    """What of a device's memory a run may take now."""
    if device.type == "cuda":
        return int(MARGIN * torch.cuda.mem_get_info(device)[0])
    free = psutil.virtual_memory().available
    with suppress(OSError, ValueError):  # no container, or none with a limit
        limit, used = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        free = min(free, limit - used)
    with suppress(ImportError):  # a limit on a process' addresses, which `ulimit -v` sets on POSIX
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            free = min(free, limit - psutil.Process().memory_info().vms)
    return int(MARGIN * free)
