"""Resume a run whose inputs have moved: the same content in another place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from whisper_ft.config.options import flag
from whisper_ft.config.train import TrainConfig
from whisper_ft.runtime.files import find_file_problem, fingerprint
from whisper_ft.training.run_config import RunConfig

MANIFESTS = ("train", "dev", "others")  # settings that name them
FOLDERS = ("noise", "reverb")  # of sounds
INPUTS = (*MANIFESTS, *FOLDERS, "glossary")


def relocate(
    saved: RunConfig, changes: TrainConfig, given: Collection[str]
) -> tuple[RunConfig, dict[str, str], list[str]]:
    """Return a run with its inputs where `changes` has them, and each new manifest's old path.

    The third value is the list of problems: other numbers of manifests, or another content.
    """
    settings, problems = saved.settings, list[str]()
    moved: dict[str, str] = {}  # old path by new path
    for name in (name for name in INPUTS if name in given):
        old, new = named_paths(settings, name), named_paths(changes, name)
        if len(old) != len(new) or not new:
            what = "the run has none: leave it out"
            if old:
                what = f"{len(new)} for the {len(old)} of the run: give all of them, in the order "
                what += f"of {', '.join(old)}"
            problems.append(f"{flag(name)}: {what}")
            continue
        for before, after in zip(old, new, strict=True):
            if problem := _find_difference(saved, before, after):
                problems.append(f"{flag(name)}: {problem}")
            elif before != after:
                moved[after] = before
        place: Any = new if name in MANIFESTS else new[0]
        settings = replace(settings, **{name: place})
    if problems:
        return saved, {}, problems
    paths = {old: new for new, old in moved.items()}
    manifests, folders = (
        {paths.get(path, path): known for path, known in files.items()}
        for files in (saved.manifests, saved.folders)
    )
    return replace(saved, settings=settings, manifests=manifests, folders=folders), moved, []


def named_paths(settings: TrainConfig, name: str) -> tuple[str, ...]:
    """Return the paths that a setting among INPUTS names."""
    value = getattr(settings, name)
    return value if name in MANIFESTS else tuple(filter(None, [value]))


def original_place(place: str, moved: Mapping[str, str]) -> str:
    """Return a row's place, or that of several rows, as it was before manifests moved."""
    for new, old in moved.items():
        if place.startswith(f"{new}:"):
            return old + place.removeprefix(new)
    return place


def _find_difference(saved: RunConfig, before: str, after: str) -> str:
    """Return why a file or folder is not one of the run's in another place; "" if it may be.

    A glossary's content shows in the source of the keywords, which is compared later.
    """
    if before in saved.folders:
        problem = "" if Path(after).is_dir() else "no such folder"
    else:
        problem = find_file_problem(Path(after))
    if problem:
        return f"{after}: {problem}: give the place to which {before} has moved"
    known = saved.manifests.get(before) or saved.folders.get(before)
    if known is not None and fingerprint(after) != known:
        return (
            f"{after}: its content is not that of {before} when the run began: give the same "
            "content, with --relocate OLD NEW if its audio has moved, or start a new run"
        )
    return ""
