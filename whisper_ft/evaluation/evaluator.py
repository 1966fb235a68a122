"""Checkpoints, or mixtures of two, on the same rows: which, and what they write."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import whisper
from whisper.model import Whisper

from whisper_ft.config.commands import EvaluateConfig
from whisper_ft.config.options import out_of_bounds
from whisper_ft.data.row import Row
from whisper_ft.evaluation.conditions import PromptedRows, evaluation_rows
from whisper_ft.evaluation.decode_rows import decode_all
from whisper_ft.evaluation.results import Domains
from whisper_ft.evaluation.samples import short
from whisper_ft.models.averaging import average
from whisper_ft.models.layers import use_fast_layers
from whisper_ft.models.loading import load, load_vocabulary
from whisper_ft.models.parameters import cast_matrices
from whisper_ft.runtime.devices import pick_device, pick_dtype
from whisper_ft.validation.checks import usable_rows


@dataclass(frozen=True)
class Evaluation:
    """Which checkpoints, or mixtures of two, decode which rows."""

    checkpoints: tuple[str, ...]
    names: tuple[str, ...]
    domains: dict[str, PromptedRows]
    shares: tuple[float, ...]
    device: torch.device
    dtype: torch.dtype
    timestamps: bool
    beam_size: int | None
    settings: dict[str, Any]  # by which results are to be compared

    def decoded(self) -> Iterator[tuple[str, Domains]]:
        """(name, samples) of each model, loaded when its turn comes."""
        for name, model in self._mixtures() if self.shares else self._models():
            ready = cast_matrices(model.to(self.device), self.dtype)
            use_fast_layers(ready)
            samples = {
                domain: decode_all(
                    ready,
                    rows,
                    f"{name}, {short(domain)}",
                    timestamps=self.timestamps,
                    beam_size=self.beam_size,
                )
                for domain, rows in self.domains.items()
            }
            yield name, {domain: held or [] for domain, held in samples.items()}

    def _models(self) -> Iterator[tuple[str, Whisper]]:
        for path, name in zip(self.checkpoints, self.names, strict=True):
            yield name, load(path).model

    def _mixtures(self) -> Iterator[tuple[str, Whisper]]:
        ends = [load(path) for path in self.checkpoints]
        for share in self.shares:
            name = f"{1 - share:g} {self.names[0]} + {share:g} {self.names[1]}"
            name = {0.0: self.names[0], 1.0: self.names[1]}.get(share, name)
            mixed = average(ends, [1 - share, share]).model
            yield name, mixed.half().float()  # as `average` saves it


def plan(config: EvaluateConfig) -> Evaluation:
    """What to decode. Raises ValueError with all that is wrong with flags, models and rows."""
    checkpoints = tuple(filter(is_checkpoint, config.inputs))
    manifests = tuple(path for path in config.inputs if path not in checkpoints)
    wrong = _problems(config, checkpoints, manifests)
    vocabularies = []
    for path in checkpoints:
        try:
            vocabularies.append(load_vocabulary(path))
            if len(checkpoints) > 1:  # the last is found to be damaged before the first decodes
                load(path)
        except ValueError as error:
            wrong.append(str(error))
    try:
        device = pick_device(config.device)
    except ValueError as error:
        wrong.append(str(error))
    rows = usable_rows(
        [*manifests, *(path for path in config.others if not is_checkpoint(path))],
        vocabularies,
        language=config.language,
        task=config.task,
        wrong=wrong,
    )
    dtype = pick_dtype(config.dtype, device)
    domains: dict[str, Sequence[Row]] = {
        ", ".join(manifests): [row for path in manifests for row in rows[path]]
    }
    domains |= {path: rows[path] for path in config.others}
    return Evaluation(
        checkpoints,
        config.name or checkpoints,
        {d: evaluation_rows(r, seed=config.seed, n_rows=config.rows) for d, r in domains.items()},
        config.interpolate,
        device,
        dtype,
        not config.without_timestamps,
        config.beam_size,
        {
            "manifests": [short(path) for path in manifests],
            "seed": config.seed,
            "timestamps": not config.without_timestamps,
            "dtype": str(dtype).removeprefix("torch."),
            "beam_size": config.beam_size,
        },
    )


def _problems(
    config: EvaluateConfig, checkpoints: Sequence[str], manifests: Sequence[str]
) -> list[str]:
    """What is wrong with the flags and what stands beside them."""
    wrong = out_of_bounds(config)
    if not checkpoints:
        wrong.append("no checkpoint: give a .pt or an official name before the manifests")
    if not manifests:
        wrong.append("no manifest: give one after the checkpoints")
    if config.interpolate and len(checkpoints) != 2:
        wrong.append(f"--interpolate: {len(checkpoints)} checkpoints: give two to mix")
    n_models = len(config.interpolate) or len(checkpoints)
    for flag, names, wanted in (
        ("--name", config.name, len(checkpoints)),
        ("--samples", config.samples, n_models),
    ):
        if names and len(set(names)) != wanted:
            wrong.append(
                f"{flag}: {len(set(names))} given for {wanted} checkpoints: give each its own, "
                "after the manifests"
            )
    if not all(map(str.strip, config.name)):
        wrong.append("--name: an empty one: give words")
    wrong += [
        f"--others: {path}: a checkpoint: name manifests"
        for path in config.others
        if is_checkpoint(path)
    ]
    given: dict[str, Sequence[object]] = {
        "checkpoint": [os.path.realpath(p) if Path(p).exists() else p for p in checkpoints],
        "manifest": [os.path.realpath(path) for path in (*manifests, *config.others)],
        "share of --interpolate": [f"{share:g}" for share in config.interpolate],
    }
    twice = [what for what, values in given.items() if len(set(values)) < len(values)]
    return wrong + [f"a {what} comes twice: give each once" for what in twice]


def is_checkpoint(name: str) -> bool:
    """Whether an argument is meant as a model and not as a manifest, be it there or not."""
    path = Path(name)
    if path.is_file():
        return name.endswith(".pt") or zipfile.is_zipfile(path)
    official = name in whisper.available_models()
    return official or (path / "best.pt").exists() or path.suffix not in (".jsonl", ".json")
