"""What numbers depend on is described as a run's config.json keeps it."""

import platform
from dataclasses import replace

import torch

from whisper_ft.runtime.environment import describe_environment
from whisper_ft.version import __version__


def test_the_environment_has_versions_the_machine_and_the_precision():
    environment = describe_environment(torch.device("cpu"), torch.bfloat16)
    assert environment.to_json() == {
        "versions": environment.versions,
        "machine": {"device": "cpu", "threads": 1},
        "amp_dtype": "torch.bfloat16",
    }
    assert environment.versions["whisper_ft"] == __version__
    assert environment.versions["python"] == platform.python_version()
    assert environment.versions["torch"] == torch.__version__
    assert environment.dtype is torch.bfloat16
    float32 = describe_environment(torch.device("cpu"), None)
    assert float32.amp_dtype == "None" and float32.dtype is None
    assert replace(environment, amp_dtype="torch.nn").dtype is None
