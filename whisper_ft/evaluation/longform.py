"""Transcribe whole recordings and silence with whisper's own `transcribe()`, and score that."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import whisper
from whisper.audio import SAMPLE_RATE
from whisper.decoding import DecodingOptions
from whisper.model import Whisper

from whisper_ft.config.commands import LONGFORM_CONDITIONS, LongformConfig
from whisper_ft.data.audio import Samples, log_mel
from whisper_ft.data.dataset import read_row_audio
from whisper_ft.data.found_keywords import (
    AS_GIVEN,
)
from whisper_ft.data.row import MAX_SECONDS, Row
from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.evaluation.longform_plan import LongformPlan, make_longform_plan, prompt_kind
from whisper_ft.evaluation.longform_scores import LongformSample, LongformScores, score_longform
from whisper_ft.evaluation.metrics import Count
from whisper_ft.evaluation.samples import Output
from whisper_ft.models.loading import load
from whisper_ft.runtime.progress import progress_bar
from whisper_ft.text.tokens import Segment

LOGGER = logging.getLogger("whisper_ft")
SAMPLING_SEED = 0  # `transcribe` samples at a temperature where greedy decoding fails


@dataclass(frozen=True)
class LongformResult:
    """The scores of a checkpoint on whole recordings and silence."""

    name: str
    scores: LongformScores
    samples: Sequence[LongformSample]  # not part of the JSON
    manifests: tuple[str, ...] = ()  # names of the files
    seed: int = 0
    keyword_source: str = AS_GIVEN  # by what the rows' keywords were found

    def to_json(self) -> dict[str, Any]:
        """Return name, manifests, seed, source of keywords and scores as JSON."""
        return {
            "name": self.name,
            "manifests": list(self.manifests),
            "seed": self.seed,
            "keyword_source": self.keyword_source,
            "scores": self.scores.to_json(),
        }


def longform(
    checkpoint: str | Path, manifests: Sequence[str | Path], **options: Any
) -> LongformResult:
    """Score whisper's own `transcribe()` on whole recordings, made of joined rows, and silence.

        result = longform("runs/mine/best.pt", ["my/dev.jsonl"], conditions=["none", "right"])
        print(result.scores["right"]["wer"].rate)

    `checkpoint` is a .pt file or an official model name. `options` are fields of `LongformConfig`,
    such as `conditions`, `device` or `language`; `json` and `samples` have no effect, because
    nothing is printed or written.
    Raises ValueError with all that is wrong with options, checkpoint and manifests, TypeError for
    an unknown option, and `data.dataset.RowError` for audio that was changed meanwhile.
    """
    config = LongformConfig(
        checkpoint=str(checkpoint), manifests=tuple(map(str, manifests)), **options
    )
    return transcribe_plan(make_longform_plan(config))


def transcribe_plan(plan: LongformPlan) -> LongformResult:
    """Load the checkpoint, transcribe the recordings and score that."""
    model = load(plan.checkpoint, plan.device).model
    result = score_recordings(model, plan.recordings, plan.conditions, name=plan.name)
    return replace(
        result,
        manifests=plan.manifests,
        seed=plan.seed,
        keyword_source=plan.keyword_source,
    )


def score_recordings(
    model: Whisper,
    recordings: PromptedRows,
    conditions: Sequence[str] = LONGFORM_CONDITIONS,
    *,
    name: str = "",
) -> LongformResult:
    """Return the scores of a model in memory on recordings.

    For a check of a few minutes: `prompt_recordings(longform_recordings(rows, max_seconds=120),
    seed=0, total_seconds=300)`.
    """
    samples = transcribe_recordings(model, recordings, conditions)
    return LongformResult(name, score_longform(samples), samples)


def transcribe_recordings(
    model: Whisper, recordings: PromptedRows, conditions: Sequence[str] = LONGFORM_CONDITIONS
) -> list[LongformSample]:
    """Return a sample of each recording, as `transcribe` writes it with a model in memory.

    Everything but the prompt and the row's language is `transcribe`'s default. An empty right
    prompt shares the output without a prompt; a wrong prompt of None has an output of None.
    Random states are left as they were, and what `transcribe` samples is the same in every call.
    Raises RowError for audio that cannot be read.
    """
    numbers = range(len(recordings.rows))
    bar = progress_bar(numbers, "transcribing", total=len(numbers), unit="recording")
    return [transcribe_recording(model, recordings, number, conditions) for number in bar]


@torch.no_grad()
def transcribe_recording(
    model: Whisper, recordings: PromptedRows, number: int, conditions: Sequence[str]
) -> LongformSample:
    """Return the sample of the recording with this index: see `transcribe_recordings`."""
    row = recordings.rows[number]
    # A last segment that the row's end cuts is left out: its words are not in the reference.
    samples, segments = read_row_audio(row, timestamps=False)
    of_kind = recordings.prompts(number)
    prompts = {condition: of_kind[prompt_kind(condition)] for condition in LONGFORM_CONDITIONS}
    outputs: dict[str, Output | None] = dict.fromkeys(LONGFORM_CONDITIONS)
    known: dict[tuple[str, bool], Output] = {}
    for condition in conditions:
        prompt = prompts[condition]
        if prompt is not None:
            key = prompt, bool(prompt) and condition.endswith("_carried")
            if key not in known:
                known[key] = _transcribe(model, samples, row, *key)
            outputs[condition] = known[key]
    gate = None if row.text.strip() else _silence_gate(model, samples, row)
    return LongformSample(
        number=number,
        place=row.place,
        language=row.language,
        task=row.task,
        recording=row.recording,
        seconds=len(samples) / SAMPLE_RATE,
        keywords=row.keywords,
        reference=row.text,
        segments=tuple(s for s in segments if s.end is not None) if row.segments else (),
        prompts=prompts,
        prompt_terms=tuple(recordings.prompt_terms(number)),
        outputs=outputs,
        no_speech_prob=gate and gate[0],
        avg_logprob=gate and gate[1],
    )


def _transcribe(model: Whisper, samples: Samples, row: Row, prompt: str, carry: bool) -> Output:
    options = {"initial_prompt": prompt, "carry_initial_prompt": carry} if prompt else {}
    on_gpu = model.device.type == "cuda"
    with torch.random.fork_rng([model.device] if on_gpu else []):
        torch.manual_seed(SAMPLING_SEED)
        result = whisper.transcribe(
            model, samples, language=row.language, task=row.task, fp16=on_gpu, **options
        )
    segments = tuple(_segment(segment) for segment in result["segments"])
    return Output(result["text"].strip(), segments, Count())


def _segment(segment: Mapping[str, Any]) -> Segment:
    return Segment(segment["start"], segment["end"], segment["text"])


def _silence_gate(model: Whisper, samples: Samples, row: Row) -> tuple[float, float]:
    """Return (no_speech_prob, avg_logprob) of the first window, without a prompt.

    By these two `transcribe` decides whether the window is silent.
    """
    window = samples[: int(MAX_SECONDS * SAMPLE_RATE)]
    mel = log_mel(window, model.dims.n_mels).to(model.device)
    on_gpu = model.device.type == "cuda"
    options = DecodingOptions(language=row.language, task=row.task, fp16=on_gpu)
    result = model.decode(mel.half() if on_gpu else mel, options)
    return result.no_speech_prob, result.avg_logprob
