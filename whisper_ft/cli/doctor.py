"""The command `doctor`."""

from __future__ import annotations

from whisper_ft.config.commands import (
    DoctorConfig,
)
from whisper_ft.training.self_test import diagnose


def doctor(config: DoctorConfig) -> int:
    """Print what a bug report needs; 1 if a part does not work here."""
    told, works = diagnose(paths=config.paths)
    print(told)
    return int(not works)
