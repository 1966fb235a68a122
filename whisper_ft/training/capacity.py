"""What the machine has room for: rows at once, a frozen encoder's features, a run's folder."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import torch
from whisper.model import ModelDimensions, Whisper

from whisper_ft.config.train import AUTO, TrainConfig
from whisper_ft.models.memory_estimate import estimate_peak_bytes
from whisper_ft.models.parameters import n_parameters
from whisper_ft.runtime.out_of_memory import free_bytes
from whisper_ft.training.checkpoint import state_bytes

ROWS_A_STEP = TrainConfig.batch_size  # times --accumulate, where the batch's size is found


def fit_batch(
    config: TrainConfig,
    device: torch.device,
    amp_dtype: torch.dtype | None,
    dims: ModelDimensions,
) -> TrainConfig:
    """Settings whose batch has a size: for auto, the largest part of a step's rows that fits.

    Raises ValueError where not even one row does.
    """
    if config.batch_size != AUTO:
        return config
    n_rows = ROWS_A_STEP * config.accumulate
    needs = [
        estimate_peak_bytes(
            *(dims, n),
            frozen_encoder=config.freeze_encoder,
            gradient_checkpointing=config.gradient_checkpointing,
            amp_dtype=amp_dtype,
        )
        for n in (1, 2)
    ]
    room = free_bytes(device)
    n_fit = min(n_rows, 1 + int((room - needs[0]) // (needs[1] - needs[0])))
    if n_fit < 1:
        raise ValueError(
            f"--batch-size: auto: one row takes {needs[0] / 1e9:.1f} GB and {room / 1e9:.1f} are "
            "free: --gradient-checkpointing and --freeze-encoder take less, or a smaller model"
        )
    size = max(n for n in range(1, n_fit + 1) if n_rows % n == 0)
    taken = needs[0] + (size - 1) * (needs[1] - needs[0])
    print(
        f"--batch-size auto: {size} rows at once, {n_rows // size} times a step, in at most "
        f"{taken / 1e9:.1f} GB of the {room / 1e9:.1f} that are free"
    )
    return dataclasses.replace(config, batch_size=size, accumulate=n_rows // size)


def advice(config: TrainConfig, amp_dtype: torch.dtype | None, dims: ModelDimensions) -> str:
    """What so many rows at once take, and under each setting that takes less."""

    def needs(batch_size: int, frozen: bool, recomputed: bool) -> str:
        n_bytes = estimate_peak_bytes(
            dims,
            batch_size,
            frozen_encoder=frozen,
            gradient_checkpointing=recomputed,
            amp_dtype=amp_dtype,
        )
        return f"{n_bytes / 1e9:.1f} GB"

    size, frozen, recomputed = (
        config.batch_size,
        config.freeze_encoder,
        config.gradient_checkpointing,
    )
    rows = "1 row" if size == 1 else f"{size} rows"
    ways = [f"a step takes about {needs(size, frozen, recomputed)} with {rows} at once"]
    if not recomputed:
        ways.append(f"{needs(size, frozen, True)} with --gradient-checkpointing")
    if not frozen:
        ways.append(f"{needs(size, True, recomputed)} with --freeze-encoder")
    if size > 1:
        less = f"--batch-size {size // 2} --accumulate {2 * config.accumulate}"
        ways.append(f"{needs(size // 2, frozen, recomputed)} with {less}")
    return ", ".join(ways)


def refuse_full_disk(folder: Path, model: Whisper) -> None:
    """A run holds two states and writes a third before it drops one, and two fp16 checkpoints."""
    needed = 3 * state_bytes(model) + 3 * 2 * n_parameters(model)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ValueError(
            f"--out: {folder}: {free / 1e9:.1f} GB are free and the run needs "
            f"{needed / 1e9:.1f}: make room, choose another disk, or --freeze-encoder"
        )
