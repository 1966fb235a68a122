"""Which recordings a checkpoint transcribes, and under which initial prompts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from whisper.tokenizer import get_tokenizer

from whisper_ft.config.commands import LONGFORM_CONDITIONS, LongformConfig
from whisper_ft.config.options import out_of_bounds, type_problems
from whisper_ft.data.found_keywords import AS_WRITTEN, join_sources, read_keyword_rules
from whisper_ft.data.manifest import IN_PLACE
from whisper_ft.data.moved_folders import MovedFolders
from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.evaluation.longform_prompts import prompt_recordings
from whisper_ft.evaluation.longform_recordings import describe_recordings, longform_recordings
from whisper_ft.evaluation.readable_rows import check_readable
from whisper_ft.models.loading import try_load_vocabulary
from whisper_ft.runtime.devices import pick_device
from whisper_ft.runtime.problems import collect
from whisper_ft.validation.checks import usable_manifests

LOGGER = logging.getLogger("whisper_ft")
_REASONS = {  # why no recording has a prompt of a kind
    "right": "no recording has keywords, or one prompt that all of its rows share: add `keywords`",
    "wrong": "no other recording's prompt can serve as a wrong one: add recordings with keywords",
}


@dataclass(frozen=True)
class LongformPlan:
    """A checkpoint, and the recordings that it transcribes under which conditions."""

    checkpoint: str
    name: str
    manifests: tuple[str, ...]
    seed: int
    device: torch.device
    recordings: PromptedRows
    conditions: tuple[str, ...]
    keyword_source: str  # by what the rows' keywords were found


def make_longform_plan(config: LongformConfig) -> LongformPlan:
    """Read the manifests, join rows to recordings and choose their prompts.

    Raises ValueError with all that is wrong with the settings, the checkpoint and the manifests.
    """
    if wrong := type_problems(config):
        raise ValueError("\n".join(wrong))
    vocabulary, problems = try_load_vocabulary(config.checkpoint)
    problems += out_of_bounds(config)
    with collect(problems):
        device = pick_device(config.device)
    rules, moved = AS_WRITTEN, IN_PLACE
    with collect(problems):
        rules = read_keyword_rules(config.keywords, config.glossary)
    with collect(problems):
        moved = MovedFolders.of(config.relocate)
    usable = usable_manifests(
        config.manifests,
        [vocabulary] if vocabulary else [],
        language=config.language,
        task=config.task,
        keywords=rules,
        moved=moved,
        problems=problems,
    )
    all_rows = [row for checked in usable.values() for row in checked.rows]
    recordings = longform_recordings(all_rows)
    LOGGER.info(describe_recordings(all_rows, recordings))
    prompted = prompt_recordings(recordings, seed=config.seed)
    check_readable([prompted])
    return LongformPlan(
        checkpoint=config.checkpoint,
        name=config.name or config.checkpoint,
        manifests=tuple(Path(path).name for path in config.manifests),
        seed=config.seed,
        device=device,
        recordings=prompted,
        conditions=possible_conditions(prompted, config.conditions),
        keyword_source=join_sources(checked.keyword_source for checked in usable.values()),
    )


def possible_conditions(recordings: PromptedRows, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the wanted conditions for which a recording has a prompt, and warn of the others.

    Raises ValueError if none is left, or if a prompt is one that stock `transcribe()` refuses.
    """
    prompts = {"right": recordings.right_prompts, "wrong": recordings.wrong_prompts}
    lacking = [kind for kind in prompts if not any(prompts[kind])]
    known = [c for c in LONGFORM_CONDITIONS if c in wanted]
    possible = tuple(c for c in known if prompt_kind(c) not in lacking)
    left_out = [c for c in known if c not in possible]
    if left_out:
        reason = f"--conditions {' '.join(left_out)}: {_REASONS[lacking[0]]}"
        if not possible:
            raise ValueError(f"{reason}, or use --conditions none")
        LOGGER.warning("%s. Left out.", reason)
    if set(possible) != {"none"}:
        _check_prompts(recordings)
    return possible


def _check_prompts(recordings: PromptedRows) -> None:
    """Raise ValueError with every recording that has a prompt which `transcribe()` refuses."""
    problems = [
        f"{row.place}: a prompt holds <|...|>, which stock transcribe() refuses: remove it from "
        "prompts and keywords, or use --conditions none"
        for number, row in enumerate(recordings.rows)
        if has_refused_prompt(recordings, number)
    ]
    if problems:
        raise ValueError("\n".join(problems))


def has_refused_prompt(recordings: PromptedRows, number: int) -> bool:
    """Return whether a prompt of a recording holds `<|...|>`, which `transcribe()` refuses."""
    try:
        get_tokenizer(False).encode("\n".join(filter(None, recordings.prompts(number).values())))
    except ValueError:
        return True
    return False


def prompt_kind(condition: str) -> str:
    """Return the prompt of a condition: none, right or wrong."""
    return condition.removesuffix("_carried")
