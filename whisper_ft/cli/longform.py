"""The command `longform`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tqdm import tqdm

from whisper_ft.config.commands import (
    LongformConfig,
)
from whisper_ft.evaluation.longform import recordings, score, summary, transcripts
from whisper_ft.models.loading import load, try_load_vocabulary
from whisper_ft.runtime.devices import pick_device
from whisper_ft.runtime.files import check_output_paths, write_json, write_json_lines
from whisper_ft.validation.checks import usable_rows


def longform(config: LongformConfig) -> int:
    """Score stock transcribe() on whole recordings and on silence."""
    vocabulary, wrong = try_load_vocabulary(config.checkpoint)
    held = usable_rows(
        config.manifests,
        [vocabulary] if vocabulary else [],
        language=config.language,
        task=config.task,
        wrong=wrong,
    )
    check_output_paths([config.json, config.samples], [config.checkpoint, *config.manifests])
    rows = recordings([row for rows in held.values() for row in rows])
    model = load(config.checkpoint, pick_device(config.device)).model
    samples = list(tqdm(transcripts(model, rows), "transcribing", len(rows), unit="recording"))
    result: dict[str, Any] = {
        "name": config.name or config.checkpoint,
        "manifests": [Path(path).name for path in config.manifests],
        "scores": score(samples),
    }
    if config.json:
        write_json(Path(config.json), result)
    if config.samples:
        write_json_lines(Path(config.samples), samples)
    print(f"\n{summary(result['scores'])}")
    return 0
