"""Samples: what a model wrote for a row under each prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

CONDITIONS = ("right", "none", "wrong")


Sample = dict[str, Any]  # what evaluate.decode_rows yields


def parts(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """The samples of each language and of each corpus, where there are several."""
    found: dict[str, list[Sample]] = {}
    for name_of in (language_of, corpus_of):
        names = list(dict.fromkeys(map(name_of, samples)))
        if len(names) > 1:
            found |= {name: [s for s in samples if name_of(s) == name] for name in names}
    return found


def language_of(sample: Sample) -> str:
    """The language, and the task where it is to translate."""
    return sample["language"] + " to en" * (sample["task"] == "translate")


def corpus_of(sample: Sample) -> str:
    """The manifest that a sample's row is of."""
    return sample["place"].rpartition(":")[0]


def short(path: str) -> str:
    """The last two parts of a path, by which people tell corpora apart."""
    return "/".join(Path(path).parts[-2:])


def cased_corpora(samples: Sequence[Sample]) -> set[str]:
    """Corpora most of whose references mix upper and lower case: there it counts in keywords."""
    mixed: dict[str, list[bool]] = {}
    for sample in samples:
        text = sample["reference"]
        if text.strip():
            mixed.setdefault(corpus_of(sample), []).append(text not in (text.lower(), text.upper()))
    return {corpus for corpus, held in mixed.items() if 2 * sum(held) > len(held)}


def groups_of(samples: Sequence[Sample]) -> list[str]:
    """Recordings, to be resampled whole; none where a row has none or all are of one."""
    groups = [sample["recording"] for sample in samples]
    return groups if all(groups) and len(set(groups)) > 1 else []
