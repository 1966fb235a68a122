"""The command `compare`."""

from __future__ import annotations

import json
from pathlib import Path

from whisper_ft.config.commands import (
    CompareConfig,
)
from whisper_ft.evaluation import results
from whisper_ft.evaluation.comparison import changes_table


def compare(config: CompareConfig) -> int:
    """Tell what changed between prompts, or between two checkpoints, with paired intervals."""
    if len(config.samples) > 2:
        raise ValueError("give one file of samples, or two: before and after")
    held = [_read_samples(path) for path in config.samples]
    try:
        if len(held) == 2:
            found = results.domain_changes(held[0], held[1], config.score)
        else:
            found = results.prompt_changes(held[0], config.score)
    except (KeyError, TypeError, AttributeError):
        raise ValueError(_NO_SAMPLES.format(" ".join(config.samples))) from None
    print(f"{' -> '.join(config.samples)}\n{changes_table(found, config.score)}")
    return 0


_NO_SAMPLES = "{}: not what evaluate --samples writes: make it again"


def _read_samples(path: str) -> results.Domains:
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")  # a U+2028 is text
        found = results.domains([json.loads(line) for line in lines if line])
    except (ValueError, AttributeError):
        raise ValueError(_NO_SAMPLES.format(path)) from None
    if not found:
        raise ValueError(f"{path}: holds no samples: make it again with evaluate --samples")
    return found
