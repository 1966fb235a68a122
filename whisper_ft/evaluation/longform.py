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
from whisper.tokenizer import get_tokenizer

from whisper_ft.config.commands import LONGFORM_CONDITIONS, LongformConfig
from whisper_ft.config.options import out_of_bounds, type_problems
from whisper_ft.data.audio import Samples, log_mel
from whisper_ft.data.dataset import read_row_audio
from whisper_ft.data.found_keywords import (
    AS_GIVEN,
    AS_WRITTEN,
    join_sources,
    read_keyword_rules,
)
from whisper_ft.data.row import MAX_SECONDS, Row
from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.evaluation.longform_prompts import prompt_recordings
from whisper_ft.evaluation.longform_recordings import describe_recordings, longform_recordings
from whisper_ft.evaluation.longform_scores import LongformSample, LongformScores, score_longform
from whisper_ft.evaluation.metrics import Count
from whisper_ft.evaluation.samples import Output
from whisper_ft.models.loading import load, try_load_vocabulary
from whisper_ft.runtime.devices import pick_device
from whisper_ft.runtime.progress import progress_bar
from whisper_ft.text.tokens import Segment
from whisper_ft.validation.checks import usable_manifests

LOGGER = logging.getLogger("whisper_ft")
_REASONS = {  # why no recording has a prompt of a kind
    "right": "no recording has keywords, or one prompt that all of its rows share: add `keywords`",
    "wrong": "no other recording's prompt can serve as a wrong one: add recordings with keywords",
}
SAMPLING_SEED = 0  # `transcribe` samples at a temperature where greedy decoding fails


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
    an unknown option, and `data.dataset.RowError` for audio that cannot be read.
    """
    config = LongformConfig(
        checkpoint=str(checkpoint), manifests=tuple(map(str, manifests)), **options
    )
    return transcribe_plan(make_longform_plan(config))


def make_longform_plan(config: LongformConfig) -> LongformPlan:
    """Read the manifests, join rows to recordings and choose their prompts.

    Raises ValueError with all that is wrong with the settings, the checkpoint and the manifests.
    """
    if wrong := type_problems(config):
        raise ValueError("\n".join(wrong))
    vocabulary, problems = try_load_vocabulary(config.checkpoint)
    problems += out_of_bounds(config)
    try:
        device = pick_device(config.device)
    except ValueError as error:
        problems.append(str(error))
    try:
        rules = read_keyword_rules(config.keywords, config.glossary)
    except ValueError as error:
        problems.append(str(error))
        rules = AS_WRITTEN
    usable = usable_manifests(
        config.manifests,
        [vocabulary] if vocabulary else [],
        language=config.language,
        task=config.task,
        keywords=rules,
        problems=problems,
    )
    all_rows = [row for checked in usable.values() for row in checked.rows]
    recordings = longform_recordings(all_rows)
    LOGGER.info(describe_recordings(all_rows, recordings))
    prompted = prompt_recordings(recordings, seed=config.seed)
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
    possible = tuple(c for c in LONGFORM_CONDITIONS if c in wanted and _kind(c) not in lacking)
    left_out = [c for c in LONGFORM_CONDITIONS if c in wanted and c not in possible]
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
    prompts = {condition: of_kind[_kind(condition)] for condition in LONGFORM_CONDITIONS}
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


def _kind(condition: str) -> str:
    """Return the prompt of a condition: none, right or wrong."""
    return condition.removesuffix("_carried")


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
