"""Samples: a row with its prompts and a model's outputs under right, no and wrong prompts."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whisper_ft.data.found_keywords import AS_GIVEN
from whisper_ft.evaluation.metrics import Count
from whisper_ft.text.tokens import Segment

CONDITIONS = ("right", "none", "wrong")


@dataclass(frozen=True)
class Output:
    """A model's output for a row under one prompt."""

    text: str
    segments: tuple[Segment, ...]  # times in seconds; none when decoded without timestamps
    loss: Count  # cross-entropy of the reference's text: nats, tokens

    def to_json(self) -> dict[str, Any]:
        """Return the output as JSON."""
        segments = [segment._asdict() for segment in self.segments]
        return {"text": self.text, "segments": segments, "loss": self.loss._asdict()}

    @classmethod
    def from_json(cls, data: Any) -> Output:
        """Read an output. Raises KeyError or TypeError for other data."""
        part, total = data["loss"]["part"], data["loss"]["total"]
        loss = Count(checked(part, int, float), checked(total, int))
        return cls(checked(data["text"], str), read_segments(data["segments"]), loss)


@dataclass(frozen=True)
class Sample:
    """A row as an evaluation saw it. `prompts` and `outputs` have an entry for each condition."""

    number: int  # index of the row in its evaluation
    place: str  # file:line
    language: str
    task: str
    recording: str
    seconds: float
    keywords: tuple[str, ...]
    reference: str
    segments: tuple[Segment, ...]  # of the reference; none when the row has none of its own
    prompts: Mapping[str, str | None]  # None: there is no wrong prompt
    prompt_terms: tuple[str, ...]  # the row's keywords, and others' that its prompts hold
    outputs: Mapping[str, Output | None]  # None: not decoded
    keyword_source: str = AS_GIVEN  # by what the keywords were found

    @property
    def corpus(self) -> str:
        """The manifest of the row."""
        return self.place.rpartition(":")[0]

    @property
    def short_place(self) -> str:
        """The place with the last two parts of its path."""
        return short_path(self.place)

    @property
    def language_name(self) -> str:
        """The language, with " to en" for translation."""
        return self.language + " to en" * (self.task == "translate")

    def to_json(self) -> dict[str, Any]:
        """Return the sample as JSON."""
        return vars(self) | {
            "segments": [segment._asdict() for segment in self.segments],
            "outputs": {
                condition: output and output.to_json() for condition, output in self.outputs.items()
            },
        }

    @classmethod
    def from_json(cls, data: Any) -> Sample:
        """Read a sample; other keys are ignored.

        Raises KeyError or TypeError for other data.
        """
        outputs = {c: data["outputs"][c] for c in CONDITIONS}
        prompts = {c: checked(data["prompts"][c], str, type(None)) for c in CONDITIONS}
        return cls(
            number=checked(data["number"], int),
            **{
                name: checked(data[name], str)
                for name in ("place", "language", "task", "recording", "reference")
            },
            seconds=checked(data["seconds"], int, float),
            keywords=tuple(checked(term, str) for term in data["keywords"]),
            segments=read_segments(data["segments"]),
            prompts=prompts,
            prompt_terms=tuple(checked(term, str) for term in data["prompt_terms"]),
            outputs={c: None if o is None else Output.from_json(o) for c, o in outputs.items()},
            keyword_source=checked(data.get("keyword_source", AS_GIVEN), str),
        )


def read_segments(data: Any) -> tuple[Segment, ...]:
    """Read a list of `{start, end, text}`. Raises KeyError or TypeError for other data."""
    return tuple(
        Segment(
            checked(entry["start"], int, float),
            checked(entry["end"], int, float, type(None)),
            checked(entry["text"], str),
        )
        for entry in data
    )


def checked(value: Any, *kinds: type) -> Any:
    """Return a value of one of these types.

    Raises TypeError for another type (a bool is no int) and for a number that is not finite.
    """
    if type(value) not in kinds:
        raise TypeError(f"{value!r:.40} is not of type {' or '.join(k.__name__ for k in kinds)}")
    if isinstance(value, (int, float)) and not abs(value) <= sys.float_info.max:
        raise TypeError("a number is not finite")
    return value


def by_part(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """Group samples by language and by corpus, where there are several of them."""
    parts: dict[str, list[Sample]] = {}
    for names in (
        [sample.language_name for sample in samples],
        [sample.corpus for sample in samples],
    ):
        if len(set(names)) > 1:
            for name in dict.fromkeys(names):
                parts[name] = [s for s, n in zip(samples, names, strict=True) if n == name]
    return parts


def short_path(path: str) -> str:
    """Return the last two parts of a path, which tell corpora apart."""
    return "/".join(Path(path).parts[-2:])


def cased_corpora(samples: Sequence[Sample]) -> set[str]:
    """Return the corpora where most references mix upper and lower case.

    Only there does case count in keywords.
    """
    is_mixed: dict[str, list[bool]] = {}
    for sample in samples:
        text = sample.reference
        if text.strip():
            is_mixed.setdefault(sample.corpus, []).append(text not in (text.lower(), text.upper()))
    return {corpus for corpus, mixed in is_mixed.items() if 2 * sum(mixed) > len(mixed)}


def recording_groups(samples: Sequence[Sample]) -> list[str]:
    """Return each sample's recording, for resampling whole recordings.

    Empty when a sample has no recording, or when all are of one.
    """
    groups = [sample.recording for sample in samples]
    return groups if all(groups) and len(set(groups)) > 1 else []
