"""The command `doctor`."""

from __future__ import annotations

from whisper_ft.config.commands import DoctorConfig
from whisper_ft.runtime.diagnostics import describe_machine
from whisper_ft.training.self_test import run_self_test


def doctor(config: DoctorConfig) -> int:
    """Print what a bug report needs; return 1 if a part does not work here."""
    self_test = run_self_test()  # starts a worker, which comes before any use of a GPU
    lines = [*describe_machine(paths=config.paths), *self_test.describe(paths=config.paths)]
    print(*lines, sep="\n")
    return int(not self_test.passed)
