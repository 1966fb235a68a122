"""Checkpoints on the same rows: what each scores, what differs, and what was forgotten."""

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

from whisper_ft.check import usable_rows
from whisper_ft.compare import (
    Samples,
    change,
    changes_table,
    evaluations_compared,
    most_different,
    prompts_compared,
)
from whisper_ft.conditions import PromptedRows, evaluation_rows
from whisper_ft.evaluate import decode_all
from whisper_ft.flags import out_of_bounds
from whisper_ft.model import cast, pick_device, pick_dtype
from whisper_ft.scores import CONDITIONS, cell, details, parts, score, short, shown, table
from whisper_ft.settings import EvaluateConfig
from whisper_ft.weights import average, load, vocabulary

COMPARED = ("wer", "keywords")
Domains = dict[str, Samples]  # by manifests; the first is what was trained for


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
            ready = cast(model.to(self.device), self.dtype)
            samples = {
                domain: decode_all(
                    ready, rows, domain, timestamps=self.timestamps, beam_size=self.beam_size
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
            vocabularies.append(vocabulary(path))
        except ValueError as error:
            wrong.append(str(error))
    try:
        device = pick_device(config.device)
    except ValueError as error:
        wrong.append(str(error))
    rows = usable_rows(
        [*manifests, *config.others],
        vocabularies,
        language=config.language,
        task=config.task,
        wrong=wrong,
    )
    dtype = pick_dtype(config.dtype, device)
    domains = {", ".join(manifests): [row for path in manifests for row in rows[path]]}
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
            "manifests": [Path(path).name for path in manifests],
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
            wrong.append(f"{flag}: {len(set(names))} different ones for {wanted}: give one each")
    given: dict[str, Sequence[object]] = {
        "checkpoint": checkpoints,
        "manifest": [os.path.abspath(path) for path in (*manifests, *config.others)],
        "share of --interpolate": config.interpolate,
    }
    twice = [what for what, values in given.items() if len(set(values)) < len(values)]
    return wrong + [f"a {what} comes twice: give each once" for what in twice]


def is_checkpoint(name: str) -> bool:
    """Whether an argument is a model and no manifest: by its name, or as a file of torch's."""
    official = name in whisper.available_models()
    return official or name.endswith(".pt") or (Path(name).is_file() and zipfile.is_zipfile(name))


def result_of(name: str, samples: Domains) -> dict[str, Any]:
    """What one model scores, for JSON: on the first domain, its parts, and the other domains."""
    first, *others = samples
    return {
        "name": name,
        "rows": len(samples[first]),
        "scores": score(samples[first]),
        "parts": {part: score(held) for part, held in parts(samples[first]).items()},
        "others": {other: score(samples[other]) for other in others},
    }


def told(result: dict[str, Any]) -> str:
    """The scores of one model for a terminal."""
    blocks = [details(result["scores"]), _wer_lines("WER by part", result["parts"])]
    blocks.append(_wer_lines("WER on others", result["others"]))
    return "\n\n".join(filter(None, blocks))


def _wer_lines(title: str, scores_of: dict[str, Any]) -> str:
    if not scores_of:
        return ""
    lines = [f"{title:34}{'rows':>6}" + "".join(f"{c:>20}" for c in CONDITIONS)]
    for name, scores in scores_of.items():
        cells = [f"{shown('wer', scores[c]['wer'], interval=True):>20}" for c in CONDITIONS]
        lines.append(f"{short(name)[-33:]:34}{scores['none']['rows']:>6}{''.join(cells)}")
    return "\n".join(lines)


def changes(done: dict[str, Domains]) -> list[dict[str, Any]]:
    """How scores change from the first model to each other: by prompt, part and other domain."""
    (first, before), *later = done.items()
    return [
        {"from": first, "to": name, "score": compared, "changes": _changes(before, after, compared)}
        for name, after in later
        for compared in COMPARED
    ]


def _changes(before: Domains, after: Domains, name: str) -> list[dict[str, Any]]:
    first, *others = before
    found = evaluations_compared(before[first], after[first], name)
    for domain in others:
        found.append(change(domain, (before[domain], "none"), (after[domain], "none"), name))
        if any(sample["prompt"]["right"] for sample in before[domain]):
            with_prompts = (before[domain], "right"), (after[domain], "right")
            found.append(change(f"{domain}, right", *with_prompts, name))
    return found


def compared(
    results: Sequence[dict[str, Any]],
    done: dict[str, Domains],
    changed: Sequence[dict[str, Any]],
    n_rows: int,
) -> str:
    """What differs between models, or between prompts where there is one: tables, then rows."""
    samples = [(name, next(iter(domains.values()))) for name, domains in done.items()]
    if len(samples) > 1:
        one, other = (*samples[0], "right"), (*samples[-1], "right")
        blocks = [
            f"{c['from']} -> {c['to']}\n{changes_table(c['changes'], c['score'])}" for c in changed
        ]
    else:
        one, other = ("no prompt", samples[0][1], "none"), ("right prompt", samples[0][1], "right")
        blocks = [changes_table(prompts_compared(samples[0][1], "wer"), "wer")]
    if rows := most_different(one, other, n_rows):
        blocks.append("rows that differ most\n" + "\n".join(rows))
    blocks.append(table(results))
    if results[0]["others"]:
        blocks.append(overview(results, changed))
    return "\n\n".join(blocks)


def overview(results: Sequence[dict[str, Any]], changed: Sequence[dict[str, Any]]) -> str:
    """A Markdown table of WER on what was trained for, by prompt, and on others, without.

    Bold is what differs from the first model's beyond the 95 % interval.
    """
    others = list(results[0]["others"])
    heads = ["checkpoint", "WER: right prompt", "none", "wrong", *map(short, others)]
    lines = ["| " + " | ".join(map(cell, heads)) + " |"]
    lines.append("|---|" + "---:|" * (3 + len(others)))
    for result in results:
        sure = {
            change["what"]
            for held in changed
            if (held["to"], held["score"]) == (result["name"], "wer")
            for change in held["changes"]
            if change["verdict"] in ("better", "worse")
        }
        entries = {c: result["scores"][c]["wer"] for c in CONDITIONS}
        entries |= {other: result["others"][other]["none"]["wer"] for other in others}
        cells = [
            f"**{shown('wer', e)}**" if n in sure else shown("wer", e) for n, e in entries.items()
        ]
        lines.append(f"| {cell(result['name'])} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
