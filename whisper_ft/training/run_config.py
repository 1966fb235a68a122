"""What a run's `config.json` tells of it: settings, surroundings, and what it reads."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import torch

from whisper_ft.config.train import TrainConfig
from whisper_ft.data.row import Row
from whisper_ft.data.rows import JoinedRows, audio_stamps, row_places, total_seconds
from whisper_ft.runtime.environment import describe_environment
from whisper_ft.runtime.files import fingerprint


def record(
    config: TrainConfig,
    device: torch.device,
    amp_dtype: torch.dtype | None,
    train: Sequence[Row],
    dev: Sequence[Row],
) -> dict[str, Any]:
    """All that a resumed run must find again."""
    return {
        "settings": dataclasses.asdict(config),
        "manifests": {path: fingerprint(path).to_json() for path in (*config.train, *config.dev)},
        "folders": {
            path: fingerprint(path).to_json() for path in (config.noise, config.reverb) if path
        },
        "usable": usable(train, dev),
        "audio": hashlib.sha256(b"".join(audio_stamps([train, dev]))).hexdigest()[:16],
        **describe_environment(device, amp_dtype).to_json(),
    }


def usable(train: Sequence[Row], dev: Sequence[Row]) -> dict[str, Any]:
    """Which rows a run trains and is evaluated on: counts, length, and a hash of their places."""
    rows = JoinedRows([train, dev])
    digest = hashlib.sha256("\n".join(row_places(rows)).encode()).hexdigest()
    seconds = round(total_seconds(rows), 3)
    return {"train": len(train), "dev": len(dev), "seconds": seconds, "sha256": digest}
