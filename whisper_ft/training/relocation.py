"""Resume a run whose manifests have moved: the same content in another place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from whisper_ft.config.options import flag
from whisper_ft.config.train import TrainConfig
from whisper_ft.runtime.files import find_file_problem, fingerprint
from whisper_ft.training.run_config import RunConfig

MANIFESTS = ("train", "dev", "others")  # settings that name them


def relocate(
    saved: RunConfig, changes: TrainConfig, given: Collection[str]
) -> tuple[RunConfig, dict[str, str], list[str]]:
    """Return a run with its manifests where `changes` has them, and each new path's old one.

    The third value is the list of problems: other numbers of manifests, or another content.
    """
    moved: dict[str, str] = {}  # old path by new path
    problems: list[str] = []
    for name in MANIFESTS:
        if name not in given:
            continue
        old, new = getattr(saved.settings, name), getattr(changes, name)
        if len(old) != len(new):
            problems.append(
                f"{flag(name)}: {len(new)} for the {len(old)} of the run: give all of them, in "
                f"the order of {', '.join(old) or 'none'}"
            )
            continue
        for before, after in zip(old, new, strict=True):
            if problem := _find_difference(saved, before, after):
                problems.append(f"{flag(name)}: {problem}")
            elif before != after:
                moved[after] = before
    if problems:
        return saved, {}, problems
    paths = {old: new for new, old in moved.items()}
    train, dev, others = (
        tuple(paths.get(path, path) for path in getattr(saved.settings, name)) for name in MANIFESTS
    )
    settings = replace(saved.settings, train=train, dev=dev, others=others)
    manifests = {paths.get(path, path): known for path, known in saved.manifests.items()}
    return replace(saved, settings=settings, manifests=manifests), moved, []


def original_place(place: str, moved: Mapping[str, str]) -> str:
    """Return a row's place, or that of several rows, as it was before manifests moved."""
    for new, old in moved.items():
        if place.startswith(f"{new}:"):
            return old + place.removeprefix(new)
    return place


def _find_difference(saved: RunConfig, before: str, after: str) -> str:
    """Return why a manifest is not one of the run's in another place; "" if it is."""
    if problem := find_file_problem(Path(after)):
        return f"{after}: {problem}: give the place to which {before} has moved"
    if fingerprint(after) != saved.manifests[before]:
        return (
            f"{after}: its content is not that of {before} when the run began: give the same "
            "file, or start a new run"
        )
    return ""
