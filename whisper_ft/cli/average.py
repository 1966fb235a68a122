"""The command `average`."""

from __future__ import annotations

import math
from pathlib import Path

from whisper_ft.config.commands import (
    AverageConfig,
)
from whisper_ft.config.options import out_of_bounds
from whisper_ft.models import averaging
from whisper_ft.models.loading import load, try_load_vocabulary
from whisper_ft.models.saving import save_weights
from whisper_ft.runtime.files import check_output_paths


def average(config: AverageConfig) -> int:
    """Average checkpoints: between stock and fine-tuned weights lies what forgets less."""
    n, out = len(config.checkpoints), Path(config.out)
    shares = config.weights or (1 / n,) * n
    problems = [p for path in config.checkpoints for p in try_load_vocabulary(path)[1]]
    problems += out_of_bounds(config)
    if len(shares) != n:
        problems.append(f"--weights: {len(shares)} for {n} checkpoints: give one a checkpoint")
    elif not math.isclose(sum(shares), 1, abs_tol=1e-3):
        problems.append(f"--weights: they add up to {sum(shares):g}: they must add up to 1")
    if not config.out:
        problems.append("--out: not given: name the .pt to write")
    if problems:
        raise ValueError("\n".join(problems))
    shares = tuple(share / sum(shares) for share in shares)
    mixed = averaging.average([load(path) for path in config.checkpoints], shares)
    check_output_paths([config.out], config.checkpoints)
    save_weights(mixed.model, out, mixed.alignment_heads)
    print(
        f"{out}: "
        + " + ".join(f"{s:g} {p}" for s, p in zip(shares, config.checkpoints, strict=True))
    )
    return 0
