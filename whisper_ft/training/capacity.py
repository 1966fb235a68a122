"""Check what fits: rows in a pass through the model, and a run's folder on its disk."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from pathlib import Path

import torch
from whisper.model import ModelDimensions, Whisper

from whisper_ft.config.train import AUTO, TrainConfig
from whisper_ft.models.memory_estimate import estimate_peak_bytes
from whisper_ft.models.parameters import n_parameters
from whisper_ft.runtime.out_of_memory import free_bytes
from whisper_ft.training.checkpoint import state_bytes
from whisper_ft.training.teacher import teacher_bytes

LOGGER = logging.getLogger("whisper_ft")
ROWS_PER_STEP = TrainConfig.batch_size  # times --accumulate, with --batch-size auto


def fit_batch(
    config: TrainConfig,
    device: torch.device,
    amp_dtype: torch.dtype | None,
    dims: ModelDimensions,
) -> TrainConfig:
    """Return settings in which `--batch-size auto` is the largest divisor of a step that fits.

    The rows of a step stay the same. Other settings are returned as they are. Raises ValueError
    if not even one row fits.
    """
    if config.batch_size != AUTO:
        return config
    n_rows = ROWS_PER_STEP * config.accumulate
    one_row, two_rows = (pass_bytes(config, amp_dtype, dims, n_rows=n) for n in (1, 2))
    per_row = two_rows - one_row
    free = free_bytes(device)
    n_fit = min(n_rows, 1 + int((free - one_row) // per_row))
    if n_fit < 1:
        smaller = [*(f"add {flag}" for flag in lighter_flags(config)), "use a smaller model"]
        raise ValueError(
            f"--batch-size: auto: one row needs {one_row / 1e9:.1f} GB and {free / 1e9:.1f} GB are "
            f"free: {' or '.join(smaller)}"
        )
    batch_size = max(n for n in range(1, n_fit + 1) if n_rows % n == 0)
    n_passes = n_rows // batch_size
    needed = one_row + (batch_size - 1) * per_row
    LOGGER.info(
        f"--batch-size auto: {batch_size} rows per pass, {n_passes} passes per step, in at most "
        f"{needed / 1e9:.1f} GB of the {free / 1e9:.1f} GB that are free"
    )
    return dataclasses.replace(config, batch_size=batch_size, accumulate=n_passes)


def fit_teacher(
    config: TrainConfig,
    device: torch.device,
    amp_dtype: torch.dtype | None,
    dims: ModelDimensions,
) -> TrainConfig:
    """Return settings without a teacher if it and one row of a step do not fit into memory.

    All words are learned then: nothing else would hold those that are no terms.
    """
    if not config.kl_weight:
        return config
    needed, free = pass_bytes(config, amp_dtype, dims, n_rows=1), free_bytes(device)
    if needed <= free:
        return config
    lighter = " or ".join(lighter_flags(config))
    LOGGER.warning(
        f"--kl-weight {config.kl_weight:g}: a step with a teacher needs {needed / 1e9:.1f} GB and "
        f"{free / 1e9:.1f} GB are free: training goes on without a teacher, and all words are "
        f"learned. A step needs less with {lighter or 'a smaller model'}."
    )
    return dataclasses.replace(config, kl_weight=0.0, text_weight=1.0)


def pass_bytes(
    config: TrainConfig, amp_dtype: torch.dtype | None, dims: ModelDimensions, *, n_rows: int
) -> int:
    """Return what a step needs at most with `n_rows` in a pass, its teacher included."""
    return teacher_bytes(config, amp_dtype, dims, n_rows=n_rows) + estimate_peak_bytes(
        *(dims, n_rows),
        trained=config.trained,
        gradient_checkpointing=config.gradient_checkpointing,
        amp_dtype=amp_dtype,
        texts_per_row=config.max_texts_per_row,
    )


def lighter_flags(config: TrainConfig) -> list[str]:
    """Return the flags that are not in use and make a pass need less memory."""
    flags = {
        "--gradient-checkpointing": not config.gradient_checkpointing,
        "--freeze-encoder": not config.encoder_is_frozen,
        "--contrast 0": config.contrast > 0,
    }
    return [flag for flag, helps in flags.items() if helps]


def describe_memory_needs(
    config: TrainConfig, amp_dtype: torch.dtype | None, dims: ModelDimensions
) -> str:
    """Return what a step needs, and what it needs with each setting that takes less."""

    def needs(n_rows: int = config.batch_size, **changes: object) -> str:
        other = dataclasses.replace(config, **changes)  # type: ignore[arg-type]
        return f"{pass_bytes(other, amp_dtype, dims, n_rows=n_rows) / 1e9:.1f} GB"

    size = config.batch_size
    rows = "1 row" if size == 1 else f"{size} rows"
    ways = [f"a step needs about {needs()} with {rows} per pass"]
    if not config.gradient_checkpointing:
        ways.append(f"{needs(gradient_checkpointing=True)} with --gradient-checkpointing")
    if not config.encoder_is_frozen:
        ways.append(f"{needs(freeze_encoder=True)} with --freeze-encoder")
    if config.contrast:
        ways.append(f"{needs(contrast=0.0)} with --contrast 0")
    if size > 1:
        smaller = f"--batch-size {size // 2} --accumulate {2 * config.accumulate}"
        ways.append(f"{needs(size // 2)} with {smaller}")
    return ", ".join(ways)


def check_disk_space(folder: Path, model: Whisper) -> None:
    """Raise ValueError if a run's files would not fit.

    A run keeps two states and writes a third before it drops one; so with three fp16 checkpoints.
    """
    needed = 3 * state_bytes(model) + 4 * 2 * n_parameters(model)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ValueError(
            f"--out: {folder}: {free / 1e9:.1f} GB are free and the run needs "
            f"{needed / 1e9:.1f} GB: free disk space, choose another disk, or use --freeze-encoder"
        )
