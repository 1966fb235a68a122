"""Evaluate checkpoints, or mixtures of two, on the same rows."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import whisper
from whisper.model import Whisper

from whisper_ft.config.commands import EvaluateConfig
from whisper_ft.config.options import out_of_bounds, type_problems
from whisper_ft.data.found_keywords import AS_WRITTEN, join_sources, read_keyword_rules
from whisper_ft.data.manifest import IN_PLACE
from whisper_ft.data.moved_folders import MovedFolders
from whisper_ft.evaluation.conditions import PromptedRows, evaluation_rows
from whisper_ft.evaluation.decode_rows import decode_all
from whisper_ft.evaluation.readable_rows import check_readable
from whisper_ft.evaluation.results import EvaluationResult, EvaluationSettings
from whisper_ft.evaluation.samples import short_path
from whisper_ft.models.averaging import average
from whisper_ft.models.layers import use_fast_layers
from whisper_ft.models.loading import LoadedModel, load, load_vocabulary
from whisper_ft.models.parameters import cast_matrices
from whisper_ft.runtime.devices import pick_device, pick_dtype
from whisper_ft.runtime.problems import collect
from whisper_ft.text.counts import format_count
from whisper_ft.validation.checks import usable_manifests


def evaluate(
    checkpoints: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    manifests: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    **options: Any,
) -> list[EvaluationResult]:
    """Score checkpoints on manifests under right, no and wrong prompts.

        (result,) = evaluate("runs/mine/best.pt", "data/test.jsonl", device="cuda")
        print(result.scores["right"]["wer"].rate)

    `checkpoints` are .pt files or official model names; each has a result. `manifests` are scored
    together, and `others=["more.jsonl"]` separately. `options` are fields of `EvaluateConfig`, such
    as `others`, `rows`, `beam_size` or `dtype`. Those that only the command uses (`json`,
    `samples`, `differing`) have no effect, because nothing is printed or written:
    `EvaluationResult.samples` holds the outputs.
    Raises ValueError with all that is wrong with options, checkpoints and manifests, TypeError for
    an unknown option or for what is not a path, and `data.dataset.RowError` for audio that was
    changed meanwhile.
    """
    inputs = (
        *_as_paths("checkpoints", checkpoints, "paths or official names"),
        *_as_paths("manifests", manifests, "paths"),
    )
    return list(evaluate_plan(make_evaluation_plan(EvaluateConfig(inputs=inputs, **options))))


def _as_paths(name: str, given: object, wanted: str) -> list[str]:
    """Return one path, or several, as texts. Raises TypeError for anything else."""
    if isinstance(given, (str, LoadedModel)) or not isinstance(given, Iterable):
        given = [given]
    paths = []
    for path in given:
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"{name}: {type(path).__name__} is not a path: give {wanted}")
        paths.append(str(path))
    return paths


@dataclass(frozen=True)
class EvaluationPlan:
    """The checkpoints, or mixtures of two, and the rows that they decode."""

    checkpoints: tuple[str, ...]
    names: tuple[str, ...]
    domains: dict[str, PromptedRows]  # by manifests; --others after the first
    weights: tuple[float, ...]  # of the second checkpoint in each mixture; none: no mixtures
    device: torch.device
    dtype: torch.dtype
    settings: EvaluationSettings


def evaluate_plan(plan: EvaluationPlan) -> Iterator[EvaluationResult]:
    """Yield the result of each checkpoint or mixture, loading each when its turn comes."""
    for name, model in _mixtures(plan) if plan.weights else _models(plan):
        ready = cast_matrices(model.to(plan.device), plan.dtype)
        use_fast_layers(ready)
        samples = {
            domain: decode_all(
                ready,
                rows,
                f"{name}, {short_path(domain)}",
                timestamps=plan.settings.timestamps,
                beam_size=plan.settings.beam_size,
            )
            or []
            for domain, rows in plan.domains.items()
        }
        yield EvaluationResult.of_samples(name, plan.settings, samples)


def _models(plan: EvaluationPlan) -> Iterator[tuple[str, Whisper]]:
    for path, name in zip(plan.checkpoints, plan.names, strict=True):
        yield name, load(path).model


def _mixtures(plan: EvaluationPlan) -> Iterator[tuple[str, Whisper]]:
    checkpoints = [load(path) for path in plan.checkpoints]
    first, second = plan.names
    for weight in plan.weights:
        name = f"{1 - weight:g} {first} + {weight:g} {second}"
        name = {0.0: first, 1.0: second}.get(weight, name)
        mixed = average(checkpoints, [1 - weight, weight]).model
        yield name, mixed.half().float()  # as `average` saves it


def make_evaluation_plan(config: EvaluateConfig) -> EvaluationPlan:
    """Read checkpoints' vocabularies and the manifests, and choose prompts.

    Raises ValueError with all that is wrong with the settings, checkpoints and manifests.
    """
    if wrong := type_problems(config):
        raise ValueError("\n".join(wrong))
    checkpoints = tuple(filter(is_checkpoint, config.inputs))
    manifests = tuple(path for path in config.inputs if path not in checkpoints)
    problems = _problems(config, checkpoints, manifests)
    vocabularies = []
    for path in checkpoints:
        with collect(problems):
            vocabularies.append(load_vocabulary(path))
            if len(checkpoints) > 1:  # find a damaged one before the first decodes for hours
                load(path)
    with collect(problems):
        device = pick_device(config.device)
    rules, moved = AS_WRITTEN, IN_PLACE
    with collect(problems):
        rules = read_keyword_rules(config.keywords, config.glossary)
    with collect(problems):
        moved = MovedFolders.of(config.relocate)
    usable = usable_manifests(
        [*manifests, *(path for path in config.others if not is_checkpoint(path))],
        vocabularies,
        language=config.language,
        task=config.task,
        keywords=rules,
        moved=moved,
        problems=problems,
    )
    dtype = pick_dtype(config.dtype, device)
    checked_by_domain = {", ".join(manifests): [usable[path] for path in manifests]}
    checked_by_domain |= {path: [usable[path]] for path in config.others}
    domains = {
        domain: evaluation_rows(
            [row for checked in several for row in checked.rows],
            seed=config.seed,
            n_rows=config.rows,
            glossary=rules.glossary.terms,
            keyword_source=join_sources(checked.keyword_source for checked in several),
        )
        for domain, several in checked_by_domain.items()
    }
    check_readable(domains.values())
    return EvaluationPlan(
        checkpoints=checkpoints,
        names=config.name or checkpoints,
        domains=domains,
        weights=config.interpolate,
        device=device,
        dtype=dtype,
        settings=EvaluationSettings(
            manifests=tuple(map(short_path, manifests)),
            seed=config.seed,
            timestamps=not config.without_timestamps,
            dtype=str(dtype).removeprefix("torch."),
            beam_size=config.beam_size,
            keyword_source=join_sources(usable[path].keyword_source for path in manifests),
        ),
    )


def _problems(
    config: EvaluateConfig, checkpoints: Sequence[str], manifests: Sequence[str]
) -> list[str]:
    """Return what is wrong with the settings."""
    problems = out_of_bounds(config)
    if not checkpoints:
        problems.append("no checkpoint: give a .pt file or an official name before the manifests")
    if not manifests:
        problems.append("no manifest: give one after the checkpoints")
    if config.interpolate and len(checkpoints) != 2:
        count = format_count(len(checkpoints), "checkpoint")
        problems.append(f"--interpolate: {count}: give exactly two")
    n_models = len(config.interpolate) or len(checkpoints)
    for flag, values, n_expected, noun in (
        ("--name", config.name, len(checkpoints), "checkpoint"),
        ("--samples", config.samples, n_models, "model"),
    ):
        if values and not len(values) == len(set(values)) == n_expected:
            problems.append(
                f"{flag}: {format_count(len(set(values)), 'different value')} for "
                f"{format_count(n_expected, noun)}: give each its own, after the manifests"
            )
    if not all(map(str.strip, config.name)):
        problems.append("--name: an empty name: give each checkpoint a name of visible characters")
    problems += [
        f"--others: {path}: a checkpoint: give manifests only"
        for path in config.others
        if is_checkpoint(path)
    ]
    return problems + _repeated(config, checkpoints, manifests)


def _repeated(
    config: EvaluateConfig, checkpoints: Sequence[str], manifests: Sequence[str]
) -> list[str]:
    values_by_kind: dict[str, Sequence[object]] = {
        "checkpoint": [os.path.realpath(p) if Path(p).exists() else p for p in checkpoints],
        "manifest": [os.path.realpath(path) for path in (*manifests, *config.others)],
        "weight of --interpolate": [f"{weight:g}" for weight in config.interpolate],
    }
    return [
        f"the same {kind} is given twice: give each once"
        for kind, values in values_by_kind.items()
        if len(set(values)) < len(values)
    ]


def is_checkpoint(name: str) -> bool:
    """Return whether an argument is meant as a checkpoint, not a manifest; it need not exist."""
    path = Path(name)
    if path.is_file():
        return name.endswith(".pt") or zipfile.is_zipfile(path)
    official = name in whisper.available_models()
    return official or (path / "best.pt").exists() or path.suffix not in (".jsonl", ".json")
