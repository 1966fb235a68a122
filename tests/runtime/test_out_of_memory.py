"""A lack of memory is recognised, and free memory is found."""

import resource

import psutil
import pytest
import torch

from whisper_ft.runtime.out_of_memory import (
    describe_out_of_memory,
    free_bytes,
    is_out_of_memory,
    out_of_memory_message,
)


def test_what_is_free_is_asked_of_the_machine():
    assert 1e8 < free_bytes(torch.device("cpu")) < 1e14


def test_a_limit_on_addresses_is_heeded(monkeypatch):
    """As `ulimit -v` sets it: what of it is taken already cannot be had again."""
    taken = psutil.Process().memory_info().vms
    limit = taken + 2_000_000_000
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, resource.RLIM_INFINITY))
    assert free_bytes(torch.device("cpu")) == pytest.approx(0.85 * 2e9, rel=0.1)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation'"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: not enough memory"),
    ],
    ids=repr,
)
def test_a_lack_of_memory_is_known_by_its_words(error):
    description = describe_out_of_memory(error)
    assert is_out_of_memory(error) and "\n" not in description
    assert description.startswith("out of memory")
    assert "choose another --device" in out_of_memory_message(error)
    assert not is_out_of_memory(
        RuntimeError("CUDA error: an illegal memory access was encountered")
    )
