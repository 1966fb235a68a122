"""The results of an evaluation: scores to keep, samples to compare, and their files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whisper_ft.data.found_keywords import AS_GIVEN
from whisper_ft.evaluation.comparison import (
    Change,
    Side,
    check_keyword_sources,
    compare_evaluations,
    compare_prompts,
    compare_sides,
)
from whisper_ft.evaluation.samples import Sample, by_part, checked
from whisper_ft.evaluation.scoring import Scores, score
from whisper_ft.runtime.files import find_file_problem

# Exceptions of reading what this version did not write.
_ODD = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
COMPARED_SCORES = ("wer", "keyword_recall")
SamplesByDomain = Mapping[str, Sequence[Sample]]  # by manifests; --others after the first


@dataclass(frozen=True)
class EvaluationSettings:
    """The settings under which results may be compared."""

    manifests: tuple[str, ...]  # the last two parts of each path
    seed: int
    timestamps: bool
    dtype: str
    beam_size: int | None
    keyword_source: str = AS_GIVEN  # by what keywords were found; of several manifests, each once


@dataclass(frozen=True)
class EvaluationResult:
    """The scores of one checkpoint, or mixture of two; `scores["right"]["wer"].rate` is one."""

    name: str
    settings: EvaluationSettings
    n_rows: int
    scores: Scores
    parts: Mapping[str, Scores]  # by language and by corpus, where there are several
    others: Mapping[str, Scores]  # by other manifest
    samples: SamplesByDomain = field(default_factory=dict, repr=False)  # not part of the JSON

    @classmethod
    def of_samples(
        cls, name: str, settings: EvaluationSettings, samples: SamplesByDomain
    ) -> EvaluationResult:
        """Score samples: the first domain, its parts, and the other domains."""
        first, *others = samples
        return cls(
            name=name,
            settings=settings,
            n_rows=len(samples[first]),
            scores=score(samples[first]),
            parts={part: score(some) for part, some in by_part(samples[first]).items()},
            others={other: score(samples[other]) for other in others},
            samples=samples,
        )

    def to_json(self) -> dict[str, Any]:
        """Return settings and scores as JSON, without the samples."""
        return {
            **vars(self.settings),
            "name": self.name,
            "n_rows": self.n_rows,
            "scores": self.scores.to_json(),
            "parts": {name: scores.to_json() for name, scores in self.parts.items()},
            "others": {name: scores.to_json() for name, scores in self.others.items()},
        }

    @classmethod
    def from_json(cls, data: Any) -> EvaluationResult:
        """Read a result. Raises AttributeError, KeyError or TypeError for other data."""
        return cls(
            name=checked(data["name"], str),
            settings=EvaluationSettings(
                manifests=tuple(checked(path, str) for path in data["manifests"]),
                seed=checked(data["seed"], int),
                timestamps=checked(data["timestamps"], bool),
                dtype=checked(data["dtype"], str),
                beam_size=checked(data["beam_size"], int, type(None)),
                keyword_source=checked(data.get("keyword_source", AS_GIVEN), str),
            ),
            n_rows=checked(data["n_rows"], int),
            scores=Scores.from_json(data["scores"]),
            parts={name: Scores.from_json(scores) for name, scores in data["parts"].items()},
            others={name: Scores.from_json(scores) for name, scores in data["others"].items()},
        )


@dataclass(frozen=True)
class Comparison:
    """How one score changes from the first checkpoint to a later one."""

    before: str  # names of the checkpoints
    after: str
    score: str
    changes: tuple[Change, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON."""
        return vars(self) | {"changes": [change.to_json() for change in self.changes]}


def compare_results(results: Sequence[EvaluationResult]) -> list[Comparison]:
    """Compare the first result with each later one: by condition, part and other domain."""
    first, *later = results
    return [
        Comparison(
            before=first.name,
            after=result.name,
            score=name,
            changes=tuple(compare_domains(first.samples, result.samples, name)),
        )
        for result in later
        for name in COMPARED_SCORES
    ]


def compare_domains(before: SamplesByDomain, after: SamplesByDomain, name: str) -> list[Change]:
    """Compare a score on the first domain, by condition and part, and on the others.

    Raises ValueError when the rows of the two are not the same, or their keywords were found
    otherwise.
    """
    if list(before) != list(after):
        raise ValueError(
            "the two evaluations are not of the same manifests: evaluate both on the same "
            "manifests, with the same --others"
        )
    first, *others = before
    changes = compare_evaluations(before[first], after[first], name)
    for domain in others:
        check_keyword_sources(before[domain], after[domain])
        has_prompts = any(sample.prompts["right"] for sample in before[domain])
        for condition in ("none", "right") if has_prompts else ("none",):
            sides = Side(before[domain], condition), Side(after[domain], condition)
            changes.append(compare_sides(f"{domain}, {condition}", *sides, name))
    return changes


def compare_domain_prompts(samples: SamplesByDomain, name: str) -> list[Change]:
    """Compare a score with and without prompts, on each domain of one model's samples."""
    return [
        Change(**vars(change) | {"label": f"{domain} {change.label}".strip()})
        for domain, some in samples.items()
        for change in compare_prompts(some, name)
    ]


def evaluations_json(
    results: Sequence[EvaluationResult], comparisons: Sequence[Comparison] = ()
) -> dict[str, Any]:
    """Return what `evaluate --json` writes."""
    return {
        "evaluations": [result.to_json() for result in results],
        "comparisons": [comparison.to_json() for comparison in comparisons],
    }


def read_evaluations(path: Path) -> list[EvaluationResult]:
    """Read what `evaluate --json` wrote. Raises ValueError for another file."""
    if problem := find_file_problem(path):
        raise ValueError(f"{path}: {problem}: give a file that `evaluate --json` wrote")
    reason = ""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))["evaluations"]
        results = [EvaluationResult.from_json(entry) for entry in data]
    except _ODD as error:
        results, reason = [], f" ({_describe(error)}; an earlier version may have written it)"
    if not results:
        raise ValueError(
            f"{path}: holds no evaluations that can be read{reason}: write it again with "
            "evaluate --json"
        )
    return results


def sample_lines(samples: SamplesByDomain) -> list[dict[str, Any]]:
    """Return what `evaluate --samples` writes: samples with their domain, "" for the first."""
    first = next(iter(samples))
    return [
        {"domain": "" if domain == first else domain, **sample.to_json()}
        for domain, some in samples.items()
        for sample in some
    ]


def read_samples(path: Path) -> SamplesByDomain:
    """Read what `evaluate --samples` or a run wrote; of a run, the last step's samples.

    Raises ValueError for another file, with the first line that cannot be read.
    """
    if problem := find_file_problem(path):
        raise ValueError(f"{path}: {problem}: give a file that `evaluate --samples` wrote")
    samples: dict[str, list[Sample]] = {}
    number = 1
    try:
        records, last_step = {}, None
        for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
            if line:  # bytes, as a U+2028 is text
                records[number] = json.loads(line.decode("utf-8"))
                last_step = records[number].get("step")
        for number in records:
            record = records[number]
            if record.get("step") == last_step:
                domain = checked(record.get("domain", ""), str)
                samples.setdefault(domain, []).append(Sample.from_json(record))
    except _ODD as error:
        if _holds_scores(path):
            raise ValueError(
                f"{path}: holds scores, of evaluate --json: give the samples, which evaluate "
                "--samples writes"
            ) from None
        raise ValueError(
            f"{path}:{number}: not a sample that can be read ({_describe(error)}; an earlier "
            "version may have written it): write the file again with evaluate --samples"
        ) from None
    if not samples:
        raise ValueError(f"{path}: holds no samples: write it again with evaluate --samples")
    return samples


def _holds_scores(path: Path) -> bool:
    try:
        return bool(read_evaluations(path))
    except (OSError, ValueError):
        return False


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
