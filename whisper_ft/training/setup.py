"""From settings to a run that can start: everything read, checked and decided, nothing trained."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from whisper_ft.config.train import TrainConfig
from whisper_ft.data.augmentation import NO_AUGMENTATION, Augmentation, check_augmentation
from whisper_ft.data.dataset import Examples
from whisper_ft.data.feature_cache import FeatureKey, feature_bytes
from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.packing import format_packing, pack_rows
from whisper_ft.data.prompts import format_coverage, parse_policy
from whisper_ft.data.row import Row
from whisper_ft.data.rows import JoinedRows
from whisper_ft.data.sampler import Sampler, language_groups
from whisper_ft.evaluation.conditions import PromptedRows, evaluation_rows
from whisper_ft.models.layers import (
    use_activation_checkpointing,
    use_fast_layers,
    use_stochastic_depth,
)
from whisper_ft.models.loading import (
    LoadedModel,
    Vocabulary,
    load,
    load_vocabulary,
    vocabulary_from_dims,
)
from whisper_ft.models.parameters import freeze_encoder, n_parameters
from whisper_ft.runtime.devices import pick_amp, pick_device
from whisper_ft.runtime.files import write_json
from whisper_ft.training.capacity import fit_batch, refuse_full_disk
from whisper_ft.training.checkpoint import lock_folder, state_bytes
from whisper_ft.training.encoder_pass import find_features
from whisper_ft.training.optimizer import peak_lr
from whisper_ft.training.run_config import record
from whisper_ft.validation.checks import CheckedManifest, check_manifest

MAX_SHOWN = 100  # problems; the rest would only scroll these away
MAX_WARNINGS = 5  # of each manifest; they stop nothing


@dataclass(frozen=True)
class Plan:
    """All that the loop needs to know; `state_path` is of the state that a resumed run left."""

    config: TrainConfig
    folder: Path
    device: torch.device
    amp_dtype: torch.dtype | None
    loaded: LoadedModel
    examples: Examples
    order: Sampler
    dev: PromptedRows
    total_visits: int
    total_steps: int
    warmup: int
    peak_lr: float
    eval_every: int
    unencoded: frozenset[Path] = frozenset()  # features to compute before the first step
    state_path: Path | None = None
    lock: IO[str] | None = None  # open while the folder is this process'

    @property
    def step_size(self) -> int:
        """Rows in an optimiser step."""
        return self.config.batch_size * self.config.accumulate

    def record(self) -> dict[str, Any]:
        """What `config.json` says of it."""
        rows = self.examples.rows, self.dev.rows
        return record(self.config, self.device, self.amp_dtype, *rows)

    def summary(self) -> str:
        """What is about to happen, in a few lines."""
        model = self.loaded.model
        precision = str(self.amp_dtype).removeprefix("torch.") if self.amp_dtype else "float32"
        trained = n_parameters(model, trainable=True) / 1e6
        lines = [
            f"{self.config.model}: {n_parameters(model) / 1e6:.1f} M parameters, {trained:.1f} M "
            f"trained, {precision} on {self.device}",
            f"{self.order.epoch_length} visits an epoch; {self.total_steps} steps of "
            f"{self.step_size} rows, warm-up {self.warmup}, peak learning rate {self.peak_lr:.2e}",
        ]
        if prompts := format_coverage(self.examples.policy, self.examples.rows):
            lines.append(prompts)
        if n_dev := len(self.dev.rows):
            lines.append(f"evaluation every {self.eval_every} steps on {n_dev} dev rows")
        if (known := self.examples.feature_paths) is not None:
            size = len(self.unencoded) * feature_bytes(model.dims)
            lines.append(
                f"{self.config.feature_cache}: features of {len(set(known.values()))} stretches of "
                f"audio, {len(self.unencoded)} of them to be written: {size / 1e9:.2f} GB"
            )
        lines.append(
            f"{self.folder}: a state of {state_bytes(model) / 1e9:.2f} GB, two are kept; "
            f"{shutil.disk_usage(self.folder).free / 1e9:.1f} GB are free"
        )
        return "\n".join(lines)


class SetupError(ValueError):
    """What the user must mend before a run can start: a line for each thing, all of them."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = len(problems) - MAX_SHOWN
        tail = [f"... and {more} more: `python -m whisper_ft check` shows all"] if more > 0 else []
        super().__init__("\n".join([*problems[:MAX_SHOWN], *tail]))


def make_plan(config: TrainConfig) -> Plan:
    """Plan a new run and write its `config.json`. Raises Refused with all problems at once."""
    config = config.resolved()
    folder = Path(config.out)
    problems = config.problems()
    vocabulary: Vocabulary | None = None
    try:
        vocabulary = load_vocabulary(config.model)
    except ValueError as error:
        problems.append(f"--model: {error}")
    train, dev, more = read_rows(config, vocabulary)
    problems += more
    if (folder / "config.json").exists():
        try:
            lock_folder(folder).close()
            what = f"holds a run: go on with it by --resume {folder}"
        except (OSError, ValueError) as error:
            what = str(error)
        problems.append(f"--out: {folder}: {what}, or choose another")
    decided = decide_settings(config, problems)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = lock_folder(folder)
        if (folder / "config.json").exists():  # of a run that came and went while rows were read
            raise ValueError("holds a run by now")
    except ValueError as error:
        raise SetupError([f"--out: {folder}: {error}, or choose another"]) from None
    except OSError as error:
        raise SetupError([f"--out: {folder}: cannot be written ({error.strerror})"]) from None
    try:
        loaded = load(config.model)
        config = fit_batch(config, decided["device"], decided["amp"], loaded.model.dims)
        plan = assemble(config, decided, loaded, train, dev)
        refuse_full_disk(plan.folder, plan.loaded.model)
    except ValueError as error:
        raise SetupError([str(error)]) from None
    write_json(folder / "config.json", plan.record())
    return dataclasses.replace(plan, lock=lock)


def read_rows(
    config: TrainConfig, vocabulary: Vocabulary | None
) -> tuple[list[CheckedManifest], list[CheckedManifest], list[str]]:
    """Checked training and dev manifests, and their problems, fewer with `--skip-bad-rows`."""
    problems: list[str] = []
    checked: dict[str, list[CheckedManifest]] = {"train": [], "dev": []}
    for split, paths in (("train", config.train), ("dev", config.dev)):
        for path in paths:
            manifest = read_manifest(path, language=config.language, task=config.task)
            found = check_manifest(manifest, vocabulary)
            checked[split].append(found)
            for warning in found.warnings[:MAX_WARNINGS]:
                print(f"warning: {warning}")
            if len(found.warnings) > MAX_WARNINGS:
                n_warnings = len(found.warnings)
                print(f"warning: {n_warnings} warnings: `python -m whisper_ft check` shows all")
            if not config.skip_bad_rows or not found.rows:
                problems += [str(problem) for problem in found.problems]
                continue
            for problem in found.problems:
                print(f"left out: {problem}")
            if found.problems:
                n_left_out = len({problem.place for problem in found.problems})
                print(f"left out {n_left_out} rows of {path}, {len(found.rows)} remain")
    return checked["train"], checked["dev"], problems


def decide_settings(config: TrainConfig, problems: list[str]) -> dict[str, Any]:
    """Device, AMP's dtype and policy; raises Refused with these settings' problems and the rest."""
    decided: dict[str, Any] = {}
    for name, decide in (
        ("device", lambda: pick_device(config.device)),
        ("policy", lambda: parse_policy(config.prompts, config.distractors)),
        ("amp", lambda: pick_amp(config.amp, decided.get("device", torch.device("cpu")))),
    ):
        try:
            decided[name] = decide()
        except ValueError as error:
            problems.append(str(error))
    fields = (field.name for field in dataclasses.fields(Augmentation))
    decided["augmentation"] = Augmentation(**{name: getattr(config, name) for name in fields})
    problems += check_augmentation(decided["augmentation"])
    if problems:
        raise SetupError(problems)
    return decided


def assemble(
    config: TrainConfig,
    decided: dict[str, Any],
    loaded: LoadedModel,
    train: Sequence[CheckedManifest],
    dev: Sequence[CheckedManifest],
) -> Plan:
    """Put a plan together. Raises ValueError for settings that do not fit the model or the rows."""
    dims = loaded.model.dims
    peak = config.lr or peak_lr(dims)
    loaded.model.to(decided["device"])
    use_fast_layers(loaded.model)
    if config.freeze_encoder:
        freeze_encoder(loaded.model)
    if config.gradient_checkpointing:
        use_activation_checkpointing(loaded.model)
    if config.stochastic_depth:
        use_stochastic_depth(loaded.model, config.stochastic_depth)
    vocabulary = vocabulary_from_dims(dims)
    manifests = [
        _packed(checked.rows, config, vocabulary) if config.pack != "off" else checked.rows
        for checked in train
    ]
    groups, weights = language_groups(
        [
            checked.languages if rows is checked.rows else [row.language for row in rows]
            for rows, checked in zip(manifests, train, strict=True)
        ],
        config.train_weights or (1.0,) * len(manifests),
        config.language_temperature,
    )
    order = Sampler(groups, weights, config.seed)
    step_size = config.batch_size * config.accumulate
    total_visits = math.ceil(config.epochs * order.epoch_length)
    if config.max_steps is not None:
        total_visits = min(total_visits, config.max_steps * step_size)
    total_steps = math.ceil(total_visits / step_size)
    if config.warmup is not None and config.warmup >= total_steps:
        raise ValueError(f"--warmup: {config.warmup}: the run has {total_steps} steps: give fewer")
    known: dict[FeatureKey, Path] | None = None
    unencoded = frozenset[Path]()
    rows = JoinedRows(manifests)
    if config.feature_cache and decided["augmentation"] != NO_AUGMENTATION:
        print("--feature-cache is not used: augmentation changes the audio at each visit")
    elif config.feature_cache:
        visited = sorted({visit.row for visit in order.between(0, total_visits)})
        known, unencoded = find_features(config, decided["amp"], loaded.model, rows, visited)
    return Plan(
        config=config,
        folder=Path(config.out),
        device=decided["device"],
        amp_dtype=decided["amp"],
        loaded=loaded,
        examples=Examples(
            rows=rows,
            policy=decided["policy"],
            tokenizer_of=vocabulary.tokenizer,
            n_mels=dims.n_mels,
            n_text_ctx=dims.n_text_ctx,
            timestamp_rate=config.timestamp_rate,
            seed=config.seed,
            augmentation=decided["augmentation"],
            bpe_dropout=config.bpe_dropout,
            feature_paths=known,
        ),
        order=order,
        dev=_dev_rows(config, [row for checked in dev for row in checked.rows]),
        total_visits=total_visits,
        total_steps=total_steps,
        warmup=total_steps // 10 if config.warmup is None else config.warmup,
        peak_lr=peak,
        eval_every=config.eval_every or math.ceil(order.epoch_length / step_size),
        unencoded=unencoded,
    )


def _dev_rows(config: TrainConfig, rows: Sequence[Row]) -> PromptedRows:
    """The rows of every evaluation. Raises ValueError where they cannot choose the best."""
    prompted = evaluation_rows(rows, seed=config.seed, n_rows=config.eval_rows)
    of_keywords = config.best_by in ("keyword_recall", "b_wer")
    if rows and of_keywords and not any(row.keywords for row in prompted.rows):
        raise ValueError(
            f"--best-by: {config.best_by}: no dev row has keywords to choose by: give some, or wer"
        )
    return prompted


def _packed(rows: Sequence[Row], config: TrainConfig, vocabulary: Vocabulary) -> list[Row]:
    packed = pack_rows(rows, config.pack, vocabulary.tokenizer, config.seed)
    print(format_packing(rows, packed))
    return packed
