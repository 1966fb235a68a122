"""Transcribe whole recordings and silence with whisper's own `transcribe()`, and score that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import whisper
from whisper.audio import SAMPLE_RATE
from whisper.decoding import DecodingOptions
from whisper.model import Whisper

from whisper_ft.config.commands import LongformConfig
from whisper_ft.data.audio import log_mel
from whisper_ft.data.dataset import read_row_audio
from whisper_ft.data.packing import join_rows
from whisper_ft.data.row import MAX_SECONDS, Row
from whisper_ft.evaluation.longform_scores import LongformSample, LongformScores, score_longform
from whisper_ft.models.loading import load, try_load_vocabulary
from whisper_ft.runtime.devices import pick_device
from whisper_ft.runtime.progress import progress_bar
from whisper_ft.text.tokens import Segment
from whisper_ft.validation.checks import usable_rows


@dataclass(frozen=True)
class LongformPlan:
    """A checkpoint and the recordings that it transcribes."""

    checkpoint: str
    name: str
    manifests: tuple[str, ...]
    device: torch.device
    recordings: Sequence[Row]


@dataclass(frozen=True)
class LongformResult:
    """The scores of a checkpoint on whole recordings and silence."""

    name: str
    manifests: tuple[str, ...]  # names of the files
    scores: LongformScores
    samples: Sequence[LongformSample]  # not part of the JSON

    def to_json(self) -> dict[str, Any]:
        """Return name, manifests and scores as JSON."""
        manifests = list(self.manifests)
        return {"name": self.name, "manifests": manifests, "scores": self.scores.to_json()}


def longform(
    checkpoint: str | Path, manifests: Sequence[str | Path], **options: Any
) -> LongformResult:
    """Score whisper's own `transcribe()` on whole recordings, made of joined rows, and silence.

    `checkpoint` is a .pt file or an official model name. `options` are fields of `LongformConfig`,
    such as `device` or `language`; `json` and `samples` have no effect, because nothing is printed
    or written.
    Raises ValueError with all that is wrong with options, checkpoint and manifests, TypeError for
    an unknown option, and `data.dataset.RowError` for audio that cannot be read.
    """
    config = LongformConfig(str(checkpoint), tuple(map(str, manifests)), **options)
    return transcribe_plan(make_longform_plan(config))


def make_longform_plan(config: LongformConfig) -> LongformPlan:
    """Read the manifests and join rows to recordings.

    Raises ValueError with all that is wrong with the settings, the checkpoint and the manifests.
    """
    vocabulary, problems = try_load_vocabulary(config.checkpoint)
    try:
        device = pick_device(config.device)
    except ValueError as error:
        problems.append(str(error))
    rows = usable_rows(
        config.manifests,
        [vocabulary] if vocabulary else [],
        language=config.language,
        task=config.task,
        problems=problems,
    )
    return LongformPlan(
        checkpoint=config.checkpoint,
        name=config.name or config.checkpoint,
        manifests=tuple(Path(path).name for path in config.manifests),
        device=device,
        recordings=join_recordings([row for some in rows.values() for row in some]),
    )


def transcribe_plan(plan: LongformPlan) -> LongformResult:
    """Load the checkpoint, transcribe the recordings and score that."""
    model = load(plan.checkpoint, plan.device).model
    samples = list(
        progress_bar(
            transcribe_recordings(model, plan.recordings),
            "transcribing",
            total=len(plan.recordings),
            unit="recording",
        )
    )
    return LongformResult(plan.name, plan.manifests, score_longform(samples), samples)


def join_recordings(rows: Sequence[Row]) -> list[Row]:
    """Join consecutive rows of a recording, however long; silence of no recording stays alone."""
    joined: list[Row] = []
    previous: Row | None = None
    for row in rows:
        if previous is not None and row.continues(previous):
            joined[-1] = join_rows(joined[-1], row)
        else:
            joined.append(row)
        previous = row
    return joined


@torch.no_grad()
def transcribe_recordings(model: Whisper, rows: Sequence[Row]) -> Iterator[LongformSample]:
    """Yield a sample of each row, transcribed with the defaults and the row's language.

    Raises RowError for audio that cannot be read.
    """
    for row in rows:
        # A last segment that the row's end cuts is left out: its words are not in the reference.
        samples, segments = read_row_audio(row, timestamps=False)
        result = whisper.transcribe(
            model,
            samples,
            language=row.language,
            task=row.task,
            fp16=model.device.type == "cuda",
        )
        gate = None if row.text.strip() else _silence_gate(model, samples, row)
        yield LongformSample(
            place=row.place,
            language=row.language,
            task=row.task,
            seconds=len(samples) / SAMPLE_RATE,
            reference=row.text,
            output=result["text"].strip(),
            segments=tuple(segments),
            output_segments=tuple(_segment(segment) for segment in result["segments"]),
            no_speech_prob=gate and gate[0],
            avg_logprob=gate and gate[1],
        )


def _segment(segment: Mapping[str, Any]) -> Segment:
    return Segment(segment["start"], segment["end"], segment["text"])


def _silence_gate(model: Whisper, samples: np.ndarray, row: Row) -> tuple[float, float]:
    """Return (no_speech_prob, avg_logprob) of the first window.

    By these two `transcribe` decides whether the window is silent.
    """
    window = samples[: int(MAX_SECONDS * SAMPLE_RATE)]
    mel = log_mel(window, model.dims.n_mels).to(model.device)
    on_gpu = model.device.type == "cuda"
    options = DecodingOptions(language=row.language, task=row.task, fp16=on_gpu)
    result = model.decode(mel.half() if on_gpu else mel, options)
    return result.no_speech_prob, result.avg_logprob
