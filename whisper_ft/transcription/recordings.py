"""Transcribe recordings, each with its own prompt: in batches, or by stock Whisper if long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import torch
import whisper
from torch import Tensor
from whisper.audio import N_FRAMES
from whisper.model import Whisper

from whisper_ft.config.train import TASKS
from whisper_ft.data.audio import log_mel, n_mel_frames, read_audio
from whisper_ft.data.audio_cache import probe_once
from whisper_ft.models.decoding import DecodeRequest, decode, recordings_per_pass
from whisper_ft.models.loading import LoadedModel, load, vocabulary_from_dims
from whisper_ft.runtime.devices import pick_device, pick_dtype
from whisper_ft.runtime.progress import progress_bar
from whisper_ft.text.counts import format_count
from whisper_ft.text.languages import language_code
from whisper_ft.text.tokens import Segment, decode_segments


@dataclass(frozen=True)
class Transcript:
    """The text of a recording, and its segments if timestamps were decoded."""

    audio: Path
    prompt: str
    text: str
    segments: tuple[Segment, ...]  # seconds from the recording's start
    language: str


@dataclass(frozen=True)
class _Options:
    """How to decode all recordings of a call."""

    language: str
    task: str
    timestamps: bool
    beam_size: int | None


@torch.no_grad()
def transcribe(
    model: Whisper | LoadedModel | str | PathLike[str],
    recordings: Sequence[str | PathLike[str]] | str | PathLike[str],
    prompts: Sequence[str] | str = "",
    *,
    language: str = "en",
    task: str = "transcribe",
    timestamps: bool = True,
    beam_size: int | None = None,
    device: str = "auto",
) -> list[Transcript]:
    """Transcribe audio files, each after its own prompt, and return the transcripts in that order.

    `model` is a loaded model, which stays on its device, or a checkpoint's path or an official
    name, which is loaded to `device`. `recordings` are paths; one path is one recording. `prompts`
    are one for each recording, or one for all; "" is no prompt.

    Recordings of at most 30 s are decoded together, each as `whisper.decode` decodes it alone at
    temperature 0. A longer one goes through `whisper.transcribe`, which carries the prompt from
    window to window (`carry_initial_prompt`).

    Raises ValueError for prompts, a language or a task that cannot be used, and one that names
    every file that cannot be read, before anything is decoded.
    """
    if isinstance(recordings, (str, PathLike)):
        recordings = [recordings]
    paths = [Path(recording) for recording in recordings]
    prompts = _prompt_of_each(prompts, len(paths))
    is_short = _are_short(paths)
    if not isinstance(model, (Whisper, LoadedModel)):
        model = load(str(model), pick_device(device))
    if isinstance(model, LoadedModel):
        model = model.model
    language = language_code(language)
    _check_task(model, language, task)
    options = _Options(language, task, timestamps, beam_size)
    size = recordings_per_pass(model.dims, pick_dtype("auto", model.device))
    transcripts: dict[int, Transcript] = {}
    for batch in progress_bar(_batches(is_short, size), "transcribing", unit="batch"):
        of_batch = [paths[number] for number in batch], [prompts[number] for number in batch]
        transcribe_batch = _decode_short if is_short[batch[0]] else _transcribe_long
        transcripts |= zip(batch, transcribe_batch(model, *of_batch, options), strict=True)
    return [transcripts[number] for number in range(len(paths))]


def _prompt_of_each(prompts: Sequence[str] | str, n_recordings: int) -> list[str]:
    """Return a prompt for each recording. Raises ValueError if they do not fit."""
    prompts = [prompts] * n_recordings if isinstance(prompts, str) else list(prompts)
    if len(prompts) != n_recordings:
        raise ValueError(
            f"{format_count(len(prompts), 'prompt')} for "
            f"{format_count(n_recordings, 'recording')}: give one for each, or one for all"
        )
    for number, prompt in enumerate(prompts, start=1):
        if not isinstance(prompt, str):
            raise ValueError(f'prompt {number} is {prompt!r:.40}: give text, "" for none')
    return prompts


def _check_task(model: Whisper, language: str, task: str) -> None:
    """Raise ValueError for a language or a task that the model lacks."""
    vocabulary = vocabulary_from_dims(model.dims)
    if problem := vocabulary.language_problem(language):
        raise ValueError(f"language: {problem}")
    if task not in TASKS:
        raise ValueError(f"task: {task!r}: give {' or '.join(TASKS)}")
    if task == "translate" and not vocabulary.multilingual:
        raise ValueError(f"task: {task!r}: the model is English-only: use a model without .en")


def _are_short(paths: Sequence[Path]) -> list[bool]:
    """Return whether each file fits in one window of 30 s. Raises ValueError for bad files."""
    is_short, problems = [], []
    for path in paths:
        try:
            is_short.append(n_mel_frames(probe_once(path).duration) <= N_FRAMES)
        except ValueError as error:
            problems.append(f"{path}: {error}")
    if problems:
        raise ValueError("\n".join(problems))
    return is_short


def _batches(is_short: Sequence[bool], size: int) -> list[list[int]]:
    """Return the numbers of recordings to decode at once: short ones together, long ones alone."""
    short = [number for number, fits in enumerate(is_short) if fits]
    long = [number for number, fits in enumerate(is_short) if not fits]
    return [short[i : i + size] for i in range(0, len(short), size)] + [[n] for n in long]


def _decode_short(
    model: Whisper, paths: Sequence[Path], prompts: Sequence[str], options: _Options
) -> list[Transcript]:
    dtype = pick_dtype("auto", model.device)
    mel = torch.stack([_mel(path, model.dims.n_mels) for path in paths])
    features = model.encoder(mel.to(model.device, dtype))
    requests = [
        DecodeRequest(i, prompt, options.language, options.task, options.timestamps)
        for i, prompt in enumerate(prompts)
    ]
    results = decode(model, features, requests, beam_size=options.beam_size)
    tokenizer = vocabulary_from_dims(model.dims).tokenizer(language=options.language)
    return [
        Transcript(
            path,
            prompt,
            result.text,
            tuple(decode_segments(tokenizer, result.tokens)) if options.timestamps else (),
            options.language,
        )
        for path, prompt, result in zip(paths, prompts, results, strict=True)
    ]


def _mel(path: Path, n_mels: int) -> Tensor:
    try:
        return log_mel(read_audio(path), n_mels)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _transcribe_long(
    model: Whisper, paths: Sequence[Path], prompts: Sequence[str], options: _Options
) -> list[Transcript]:
    ((path, prompt),) = zip(paths, prompts, strict=True)
    try:
        output = whisper.transcribe(
            model,
            read_audio(path),
            initial_prompt=prompt or None,
            carry_initial_prompt=True,
            language=options.language,
            task=options.task,
            without_timestamps=not options.timestamps,
            beam_size=options.beam_size,
            fp16=model.device.type == "cuda",
        )
    except ValueError as error:  # whisper refuses <|...|> in a prompt
        raise ValueError(f"{path}: {error}") from None
    segments = tuple(
        Segment(segment["start"], segment["end"], segment["text"].strip())
        for segment in output["segments"]
        if options.timestamps
    )
    return [Transcript(path, prompt, output["text"].strip(), segments, options.language)]
