"""Checked rows for training and for dev, and the order of sampling them."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from whisper.model import Whisper

from whisper_ft.config.train import TrainConfig
from whisper_ft.data.found_keywords import AS_GIVEN, AS_WRITTEN, join_sources, read_keyword_rules
from whisper_ft.data.manifest import IN_PLACE, read_manifest
from whisper_ft.data.moved_folders import MovedFolders
from whisper_ft.data.packing import format_packing, pack_rows
from whisper_ft.data.row import Row
from whisper_ft.data.rows import JoinedRows
from whisper_ft.data.sampler import Sampler, language_groups
from whisper_ft.evaluation.best_score import find_undefined
from whisper_ft.evaluation.conditions import PromptedRows, evaluation_rows
from whisper_ft.evaluation.readable_rows import draw_readable
from whisper_ft.models.loading import Vocabulary
from whisper_ft.runtime.problems import collect
from whisper_ft.text.counts import format_count
from whisper_ft.training.halves import MIN_ROWS
from whisper_ft.training.segments import add_segments
from whisper_ft.validation.checks import CheckedManifest, check_manifest, log_keywords
from whisper_ft.validation.duplicates import describe_shared_rows

LOGGER = logging.getLogger("whisper_ft")
MAX_DRAWS = 20  # for each training row that is wanted for a sample
N_LISTED = 200  # training rows whose keywords the lists of a sample hold, at least
MAX_WARNINGS = 5  # of each manifest that are shown


@dataclass(frozen=True)
class RunRows:
    """Checked manifests, and the problems that stop the run."""

    train: tuple[CheckedManifest, ...]
    dev: tuple[CheckedManifest, ...]
    others: tuple[CheckedManifest, ...]
    glossary: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def keyword_sources(self) -> str:
        """By what the keywords of all manifests were found."""
        return join_sources(m.keyword_source for m in (*self.train, *self.dev, *self.others))


@dataclass(frozen=True)
class TrainingRows:
    """Rows as they are trained on, all manifests' joined, and the order of sampling them."""

    rows: Sequence[Row]
    sampler: Sampler


def read_rows(config: TrainConfig, vocabulary: Vocabulary | None) -> RunRows:
    """Read and check the manifests for training and dev, and those of `--others`.

    With `--skip-bad-rows` a bad row is left out and is no problem unless no row is left. Warnings
    and the rows left out are logged.
    """
    problems: list[str] = []
    rules, moved = AS_WRITTEN, IN_PLACE
    with collect(problems):
        rules = read_keyword_rules(config.keywords, config.glossary)
    with collect(problems):
        moved = MovedFolders.of(config.relocate)
    used: set[Path] = set()  # of the moved folders
    checked: dict[str, list[CheckedManifest]] = {"train": [], "dev": [], "others": []}
    for split, paths in (
        ("train", config.train),
        ("dev", config.dev),
        ("others", config.others),
    ):
        for path in paths:
            manifest = read_manifest(
                path, language=config.language, task=config.task, keywords=rules, moved=moved
            )
            used |= manifest.moved
            found = check_manifest(manifest, vocabulary)
            checked[split].append(found)
            _log_warnings(found)
            log_keywords(path, found)
            if config.skip_bad_rows and found.rows:
                _log_skipped(path, found)
            else:
                problems += map(str, found.problems)
    problems += moved.unused(used)
    dev = JoinedRows([manifest.rows for manifest in checked["dev"]])
    if shared := describe_shared_rows(dev, [manifest.rows for manifest in checked["train"]]):
        LOGGER.warning(shared)
    return RunRows(
        train=tuple(checked["train"]),
        dev=tuple(checked["dev"]),
        others=tuple(checked["others"]),
        glossary=rules.glossary.terms,
        problems=tuple(problems),
    )


def _log_warnings(checked: CheckedManifest) -> None:
    for warning in checked.warnings[:MAX_WARNINGS]:
        LOGGER.warning(str(warning))
    if (n_warnings := len(checked.warnings)) > MAX_WARNINGS:
        LOGGER.warning(f"{n_warnings} warnings in all: `python -m whisper_ft check` shows them")


def _log_skipped(path: str, checked: CheckedManifest) -> None:
    for problem in checked.problems:
        LOGGER.info(f"left out: {problem}")
    if checked.problems:
        n_left_out = len({problem.place for problem in checked.problems})
        LOGGER.info(f"left out {n_left_out} rows of {path}, {len(checked.rows)} remain")


def order_training_rows(
    config: TrainConfig,
    checked: Sequence[CheckedManifest],
    vocabulary: Vocabulary,
    stock: Whisper | None,
    amp_dtype: torch.dtype | None,
) -> TrainingRows:
    """Find segments and pack the rows as the settings say, and order them by weight and language.

    `stock` is the model before training, which finds the segments; without it none are found. Its
    encoder computes in `amp_dtype`.
    """
    manifests: list[Sequence[Row]] = []
    languages: list[tuple[str, ...]] = []
    for manifest in checked:
        rows = manifest.rows
        if config.segments == "auto" and stock is not None:
            rows = add_segments(rows, stock, amp_dtype, skip_bad_rows=config.skip_bad_rows)
        if config.pack == "off":
            manifests.append(rows)
            languages.append(manifest.languages)
        else:
            packed = pack_rows(rows, config.pack, vocabulary.tokenizer, config.seed)
            LOGGER.info(format_packing(rows, packed))
            manifests.append(packed)
            languages.append(tuple(row.language for row in packed))
    weights = config.train_weights or (1.0,) * len(manifests)
    groups, group_weights = language_groups(languages, weights, config.language_temperature)
    return TrainingRows(JoinedRows(manifests), Sampler(groups, group_weights, config.seed))


def dev_rows(
    config: TrainConfig, checked: Sequence[CheckedManifest], glossary: Sequence[str]
) -> PromptedRows:
    """Draw the rows of every evaluation, with their prompts.

    Warns if `--best-by` names a score that these rows do not have, and says what chooses instead.
    """
    prompted = _prompted_rows(config, checked, glossary)
    if prompted.rows and (lacking := find_undefined(prompted, config.best_by)):
        instead = "best.pt is the last checkpoint"
        if any(row.text.strip() for row in prompted.rows):
            instead = "the lowest loss chooses best.pt instead"
        n_rows = format_count(len(prompted.rows), "dev row")
        LOGGER.warning(
            f"--best-by: {config.best_by}: none of the {n_rows} of an evaluation has {lacking}: "
            f"{instead}. Add such rows, or raise --eval-rows"
        )
    return prompted


def other_rows(
    config: TrainConfig, checked: Sequence[CheckedManifest], glossary: Sequence[str]
) -> PromptedRows:
    """Draw the rows of `--others`, as many as an evaluation has dev rows.

    Raises ValueError if there are too few to choose by.
    """
    prompted = _prompted_rows(config, checked, glossary)
    if checked and len(prompted.rows) < MIN_ROWS:
        raise ValueError(
            f"--others: {format_count(len(prompted.rows), 'row')}: too few to choose by: give "
            f"{MIN_ROWS} or more (and as many --eval-rows), or leave this out"
        )
    return prompted


def _prompted_rows(
    config: TrainConfig, checked: Sequence[CheckedManifest], glossary: Sequence[str]
) -> PromptedRows:
    source = join_sources(manifest.keyword_source for manifest in checked)
    rows = [row for manifest in checked for row in manifest.rows]
    return _draw(config, rows, glossary, source)


def _draw(
    config: TrainConfig, rows: Sequence[Row], glossary: Sequence[str], keyword_source: str
) -> PromptedRows:
    """Draw rows to evaluate. Raises ValueError for audio that cannot be read."""
    draw = partial(
        evaluation_rows,
        seed=config.seed,
        n_rows=config.eval_rows,
        glossary=glossary,
        keyword_source=keyword_source,
    )
    return draw_readable(rows, draw, skip_bad_rows=config.skip_bad_rows)


def sample_training_rows(
    config: TrainConfig, rows: Sequence[Row], glossary: Sequence[str]
) -> PromptedRows:
    """Draw a few training rows that have a right prompt, as many as an evaluation has dev rows.

    More rows give their keywords to lists: of a few rows, each list would hold nearly all keywords,
    and no list would be wrong for any row.
    """
    n_wanted = max(config.eval_rows, N_LISTED)
    rng = random.Random(f"training rows {config.seed}")
    drawn: dict[int, Row] = {}
    for _ in range(MAX_DRAWS * n_wanted if rows else 0):
        row = rows[index := rng.randrange(len(rows))]
        if row.text.strip() and (row.prompt.strip() or row.keywords):
            drawn[index] = row
        if len(drawn) == n_wanted:
            break
    return _draw(config, list(drawn.values()), glossary, AS_GIVEN)
