"""The device and the precision are those asked for, or the best there is."""

import pytest
import torch

from whisper_ft.runtime import devices
from whisper_ft.runtime.devices import pick_amp, pick_device


def test_a_device_that_is_not_there_is_refused_with_the_reason():
    assert pick_device("cpu").type == "cpu"
    for name, words in (
        ("mps", "not supported: .*sparse tensor"),
        ("cuda:99", "torch sees"),
        ("xpu", "not supported"),
        ("toaster", "no such device"),
    ):
        with pytest.raises(ValueError, match=f"--device: {name}: .*{words}"):
            pick_device(name)


def test_amp_off_is_float32_and_auto_is_never_emulated(monkeypatch):
    cpu = torch.device("cpu")
    assert pick_amp("off", cpu) is None and pick_amp("fp16", cpu) is torch.float16
    monkeypatch.setattr(devices, "_cpu_has_bf16", lambda: False)
    assert pick_amp("auto", cpu) is None
    with pytest.raises(ValueError, match="--amp: bf16: cpu has no bf16"):
        pick_amp("bf16", cpu)
    monkeypatch.setattr(devices, "_cpu_has_bf16", lambda: True)
    assert pick_amp("auto", cpu) is torch.bfloat16
