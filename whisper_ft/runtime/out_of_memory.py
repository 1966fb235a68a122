"""Recognise a lack of memory, say what helps, and find out how much memory is free."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

import psutil
import torch

# Parts of the messages of torch's allocators, oneDNN, CUDA and CUDA's libraries.
MESSAGES = (
    "can't allocate memory",
    "not enough memory",
    "could not create a primitive",
    "Cannot allocate memory",
    "CUDA error: out of memory",
    "STATUS_ALLOC_FAILED",
)
USABLE_SHARE = 0.85  # of the free memory: allocators leave gaps of a tenth and more
CGROUP = Path("/sys/fs/cgroup")  # where Linux limits a container
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # parameters of glibc's mallopt (malloc.h)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of torch or Python means a lack of memory, on any device."""
    types = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, types) or any(message in str(error) for message in MESSAGES)


def describe_out_of_memory(error: BaseException) -> str:
    """Return "out of memory" with the first line of the error, which may not say so itself."""
    first_line = (str(error).strip().splitlines() or [""])[0].split("DefaultCPUAllocator: ")[-1]
    return f"out of memory ({first_line})" if first_line else "out of memory"


def out_of_memory_message(error: BaseException) -> str:
    """Return a message with a remedy, for errors that no setting is known to avoid."""
    remedy = "close other programs that use memory, choose another --device, or a smaller model"
    return f"{describe_out_of_memory(error)}: {remedy}"


def free_bytes(device: torch.device) -> int:
    """Return how much of a device's memory a run may use now.

    Considers the limits of containers and of `ulimit -v`.
    """
    if device.type == "cuda":
        return int(USABLE_SHARE * torch.cuda.mem_get_info(device)[0])
    free = psutil.virtual_memory().available
    with suppress(OSError, ValueError):  # not in a container, or in one without a limit
        limit, used = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        free = min(free, limit - used)
    with suppress(ImportError):  # Windows has no limit on a process's addresses
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            free = min(free, limit - psutil.Process().memory_info().vms)
    return int(USABLE_SHARE * free)


def keep_freed_memory() -> None:
    """Have glibc keep freed memory, since each step needs the same gigabytes again.

    The system clears new pages before it hands them out, which took a twentieth of a step.
    """
    if os.name == "posix" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def release_memory(device: torch.device) -> None:
    """Return unused memory of the heap, or of torch's pool on a GPU, to the system once."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif os.name == "posix" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
