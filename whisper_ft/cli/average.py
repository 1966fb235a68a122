"""The command `average`."""

from __future__ import annotations

import os
from pathlib import Path

from whisper_ft.config.commands import AverageConfig
from whisper_ft.config.options import out_of_bounds
from whisper_ft.models import averaging
from whisper_ft.models.loading import load, try_load_vocabulary
from whisper_ft.models.saving import save_weights
from whisper_ft.runtime.files import check_output_paths


def average(config: AverageConfig) -> int:
    """Write a checkpoint whose weights are the average of others."""
    n_models = len(config.checkpoints)
    problems = [p for path in config.checkpoints for p in try_load_vocabulary(path)[1]]
    problems += out_of_bounds(config)
    real_paths = {os.path.realpath(p) if Path(p).exists() else p for p in config.checkpoints}
    if len(real_paths) < n_models:
        problems.append("the same checkpoint is given twice: give each once")
    if problem := averaging.find_weight_problem(config.weights, n_models):
        problems.append(f"--weights: {problem}")
    if not config.out:
        problems.append("--out: not given: name the .pt to write")
    if problems:
        raise ValueError("\n".join(problems))
    check_output_paths({"--out": [config.out]}, config.checkpoints)
    averaged = averaging.average([load(path) for path in config.checkpoints], config.weights)
    save_weights(averaged.model, Path(config.out), averaged.alignment_heads)
    weights = averaging.normalized_weights(config.weights, n_models)
    parts = [f"{w:g} {path}" for w, path in zip(weights, config.checkpoints, strict=True)]
    print(f"{config.out}: {' + '.join(parts)}")
    return 0
