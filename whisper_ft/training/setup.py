"""From settings to a plan: read, check and choose everything before the first step."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import torch
from whisper.model import ModelDimensions, Whisper

from whisper_ft.config.options import type_problems
from whisper_ft.config.train import TrainConfig
from whisper_ft.data.augmentation import NO_AUGMENTATION
from whisper_ft.data.dataset import Examples
from whisper_ft.data.prompts import PromptPolicy
from whisper_ft.data.respelling import Lexicon, Perturbation
from whisper_ft.data.row import Row
from whisper_ft.data.rows import row_keywords
from whisper_ft.data.sampler import Sampler
from whisper_ft.data.target_weights import TargetWeights
from whisper_ft.models.layers import (
    use_activation_checkpointing,
    use_fast_layers,
    use_stochastic_depth,
)
from whisper_ft.models.loading import LoadedModel, load, try_load_vocabulary, vocabulary_from_dims
from whisper_ft.models.parameters import set_trained
from whisper_ft.runtime.files import write_json
from whisper_ft.runtime.problems import collect
from whisper_ft.training.capacity import check_disk_space, fit_batch, fit_teacher
from whisper_ft.training.checkpoint import lock_folder
from whisper_ft.training.encoder_pass import CachedFeatures, find_features
from whisper_ft.training.longform_check import recordings_to_check
from whisper_ft.training.optimizer import peak_lr
from whisper_ft.training.plan import Plan, Schedule, SetupError
from whisper_ft.training.rows import (
    RunRows,
    TrainingRows,
    dev_rows,
    order_training_rows,
    other_rows,
    read_rows,
    sample_training_rows,
)
from whisper_ft.training.run_config import CONFIG
from whisper_ft.training.settings import ResolvedSettings, resolve_settings
from whisper_ft.training.teacher import make_teacher

LOGGER = logging.getLogger("whisper_ft")
NO_TERMS = (
    "--learn: terms: no training row has keywords that --prompts gives, so there is no term to "
    "learn: use --learn texts, or give rows `keywords` and --prompts a share for keywords"
)
UNUSED_OTHERS = "--others: only --interpolate auto uses it: leave one of the two out"


def make_plan(config: TrainConfig) -> Plan:
    """Plan a new run: check everything, lock its folder and write its `config.json`.

    Raises SetupError with all problems at once.
    """
    raise_problems(type_problems(config))
    config = config.resolved()
    folder = Path(config.out)
    vocabulary, model_problems = try_load_vocabulary(config.model)
    rows = read_rows(config, vocabulary)
    resolved = resolve_settings(config)
    found = has_terms(resolved.policy, rows)
    config = config.with_recipe(has_terms=found)
    raise_problems(
        config.problems(),
        [UNUSED_OTHERS] if config.others and config.interpolate == "off" else [],
        [NO_TERMS] if config.learn == "terms" and not (found or rows.problems) else [],
        [f"--model: {problem}" for problem in model_problems],
        rows.problems,
        [] if rows.problems else other_rows_problems(config, rows),
        folder_problems(folder),
        resolved.problems,
    )
    lock = lock_new_folder(folder)
    with setup_errors(lock):
        loaded = load(config.model)
        config = fit_teacher(config, resolved.device, resolved.amp_dtype, loaded.model.dims)
        config = fit_batch(config, resolved.device, resolved.amp_dtype, loaded.model.dims)
        plan = assemble(
            config, resolved, loaded, loaded.model, rows, lock, segments_dtype=resolved.amp_dtype
        )
        check_disk_space(folder, loaded.model)
        write_json(folder / CONFIG, plan.run_config().to_json())
    return plan


def assemble(
    config: TrainConfig,
    resolved: ResolvedSettings,
    loaded: LoadedModel,
    stock: Whisper | None,
    rows: RunRows,
    lock: IO[str],
    *,
    segments_dtype: torch.dtype | None,
) -> Plan:
    """Put a plan together; `stock` is the model before training, None where no step is left.

    `segments_dtype` is the precision in which the run began, on whatever device it goes on: rows
    keep their segments. Raises ValueError for settings that do not fit the model or the rows.
    """
    model, vocabulary = loaded.model, vocabulary_from_dims(loaded.model.dims)
    teacher = None
    if stock is not None:
        teacher = make_teacher(stock, config, resolved.device, resolved.amp_dtype)
        use_fast_layers(stock.to(resolved.device))
    dev = dev_rows(config, rows.dev, rows.glossary)  # problems come before segments are found
    others = other_rows(config, rows.others, rows.glossary)
    trained = order_training_rows(config, rows.train, vocabulary, stock, segments_dtype)
    prepare_model(model, config, resolved.device)
    schedule = make_schedule(config, trained.sampler, model.dims)
    features = choose_features(config, resolved, model, trained, schedule)
    return Plan(
        config=config,
        folder=Path(config.out),
        device=resolved.device,
        amp_dtype=resolved.amp_dtype,
        loaded=loaded,
        examples=make_examples(config, resolved, loaded, trained, rows.glossary, features),
        sampler=trained.sampler,
        dev=dev,
        others=others,
        recordings=recordings_to_check(config, [row for part in rows.dev for row in part.rows]),
        train_sample=sample_training_rows(config, trained.rows, rows.glossary),
        keyword_source=rows.keyword_sources,
        schedule=schedule,
        teacher=teacher,
        lock=lock,
        missing_features=features.missing,
    )


def make_examples(
    config: TrainConfig,
    resolved: ResolvedSettings,
    loaded: LoadedModel,
    trained: TrainingRows,
    glossary: tuple[str, ...],
    features: CachedFeatures,
) -> Examples:
    """Return how training rows become examples; all their words are read only if needed."""
    dims = loaded.model.dims
    changes = (config.respell, config.lookalikes, config.contrast)
    text_weight = 1.0 if config.text_weight is None else config.text_weight
    is_weighted = bool(config.kl_weight) or text_weight < 1
    lexicon = Lexicon()
    if is_weighted or any(changes):
        lexicon = Lexicon.of_rows(trained.rows, glossary)
    return Examples(
        rows=trained.rows,
        policy=replace(resolved.policy, glossary=glossary),
        tokenizer_of=vocabulary_from_dims(dims).tokenizer,
        n_mels=dims.n_mels,
        n_text_ctx=dims.n_text_ctx,
        timestamp_rate=config.timestamp_rate,
        seed=config.seed,
        augmentation=resolved.augmentation,
        bpe_dropout=config.bpe_dropout,
        perturbation=Perturbation(*changes, lexicon),
        target_weights=TargetWeights(text_weight, lexicon) if is_weighted else None,
        feature_paths=features.paths,
        stand_ins=trained.sampler.groups if config.skip_bad_rows else (),
    )


def has_terms(policy: PromptPolicy, rows: RunRows) -> bool:
    """Return whether prompts of the training rows can hold the keywords of their row."""

    def can_hold(row: Row) -> bool:
        has_prompt = bool(row.prompt.strip())
        is_own = bool(policy.own) and has_prompt
        return is_own or bool(policy.keywords) or (bool(policy.carried) and bool(row.recording))

    parts = [manifest.rows for manifest in rows.train]
    return any(
        row_keywords(part, index) and can_hold(part[index])
        for part in parts
        for index in range(len(part))
    )


def other_rows_problems(config: TrainConfig, rows: RunRows) -> list[str]:
    """Return why the rows of `--others` cannot choose a mixture."""
    problems: list[str] = []
    with collect(problems):
        other_rows(config, rows.others, rows.glossary)
    return problems


def raise_problems(*problems: Sequence[str]) -> None:
    """Raise SetupError if any of these lists holds a problem."""
    if everything := [problem for several in problems for problem in several]:
        raise SetupError(everything)


@contextmanager
def setup_errors(lock: IO[str]) -> Iterator[None]:
    """Turn a ValueError into a SetupError, and unlock the folder after any exception."""
    try:
        yield
    except BaseException as error:
        lock.close()
        if isinstance(error, ValueError) and not isinstance(error, SetupError):
            raise SetupError([str(error)]) from None
        raise


def folder_problems(folder: Path) -> list[str]:
    """Return why a new run cannot have this folder: it is none, or it holds a run already."""
    existing = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not existing.is_dir():
        return [f"--out: {folder}: {existing} is not a folder: choose another folder"]
    if not (folder / CONFIG).exists():
        return []
    try:
        lock_folder(folder).close()
    except (OSError, ValueError) as error:
        return [f"--out: {folder}: {error}, or choose another folder"]
    return [f"--out: {folder}: holds a run: resume it with --resume {folder}, or choose another"]


def lock_new_folder(folder: Path) -> IO[str]:
    """Make and lock the folder of a new run. Raises SetupError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = lock_folder(folder)
    except ValueError as error:
        raise SetupError([f"--out: {folder}: {error}, or choose another folder"]) from None
    except OSError as error:
        raise SetupError([f"--out: {folder}: cannot be written ({error.strerror})"]) from None
    if (folder / CONFIG).exists():  # of a run that started and ended while rows were read
        lock.close()
        raise SetupError([f"--out: {folder}: holds a run by now: choose another folder"])
    return lock


def prepare_model(model: Whisper, config: TrainConfig, device: torch.device) -> None:
    """Move a model to the device and set, in place, how it is trained."""
    model.to(device)
    use_fast_layers(model)
    set_trained(model, config.trained)
    if config.gradient_checkpointing:
        use_activation_checkpointing(model)
    if config.stochastic_depth:
        use_stochastic_depth(model, config.stochastic_depth)


def make_schedule(config: TrainConfig, sampler: Sampler, dims: ModelDimensions) -> Schedule:
    """Return how long the run is. Raises ValueError for a warm-up that is longer."""
    step_size = config.batch_size * config.accumulate
    total_examples = math.ceil(config.epochs * sampler.epoch_length)
    if config.max_steps is not None:
        total_examples = min(total_examples, config.max_steps * step_size)
    total_steps = math.ceil(total_examples / step_size)
    if config.warmup is not None and config.warmup >= total_steps:
        raise ValueError(f"--warmup: {config.warmup}: the run has {total_steps} steps: give fewer")
    return Schedule(
        total_examples=total_examples,
        total_steps=total_steps,
        warmup=total_steps // 10 if config.warmup is None else config.warmup,
        peak_lr=config.lr or peak_lr(dims, config.layers or "all"),
        eval_every=config.eval_every or math.ceil(sampler.epoch_length / step_size),
    )


def choose_features(
    config: TrainConfig,
    resolved: ResolvedSettings,
    model: Whisper,
    trained: TrainingRows,
    schedule: Schedule,
) -> CachedFeatures:
    """Find the cached encoder output of every row that the run samples, if the cache is used."""
    if not config.feature_cache:
        return CachedFeatures()
    if resolved.augmentation != NO_AUGMENTATION:
        LOGGER.info("--feature-cache is not used: augmentation changes the audio of each example")
        return CachedFeatures()
    examples = trained.sampler.between(0, schedule.total_examples)
    sampled = (example.row for example in examples)
    return find_features(config, resolved.amp_dtype, model, trained.rows, sampled)
