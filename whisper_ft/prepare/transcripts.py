"""Transcribe the rows of a manifest by a model as it is, several at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from tqdm import tqdm
from whisper.audio import SAMPLE_RATE
from whisper.model import Whisper

from whisper_ft.data.audio import Samples, log_mel
from whisper_ft.data.dataset import RowError, read_row_audio
from whisper_ft.data.row import MAX_SECONDS, Row, is_within
from whisper_ft.data.segment_cache import SegmentCache, segment_key
from whisper_ft.models.decoding import DecodeRequest, decode, recordings_per_pass
from whisper_ft.models.loading import vocabulary_from_dims
from whisper_ft.models.weights_hash import hash_weights
from whisper_ft.runtime.devices import pick_dtype
from whisper_ft.runtime.progress import progress_bar
from whisper_ft.text.tokens import Segment, decode_segments


class RowTranscript(NamedTuple):
    """The text that a model heard in a row, or why it could not listen."""

    segments: tuple[Segment, ...]  # seconds from the row's start
    problem: str = ""  # "": none


class _Listener(NamedTuple):
    """A model and all else that decides what it writes."""

    model: Whisper
    prompt: str
    model_hash: str


def transcribe_rows(
    model: Whisper, rows: Sequence[Row], cache: SegmentCache, prompt: str = ""
) -> list[RowTranscript]:
    """Return the transcript of each row: greedy, with timestamps, after the same prompt.

    What `cache` holds is not decoded again, and what is decoded goes into it pass by pass, so that
    an interruption loses one pass. The model stays on its device; decoding is in float16 on a GPU.
    """
    dtype = pick_dtype("auto", model.device)
    listener = _Listener(model, prompt, hash_weights(model))
    transcripts: dict[int, RowTranscript] = {}
    bar: tqdm[int] = progress_bar(None, "transcribing", total=len(rows), unit="row")
    with bar:
        for batch in _batches(len(rows), recordings_per_pass(model.dims, dtype)):
            transcripts |= _transcribe_batch(listener, rows, batch, cache)
            bar.update(len(batch))
    return [transcripts[number] for number in range(len(rows))]


def _batches(n_rows: int, size: int) -> Iterator[range]:
    return (range(start, min(start + size, n_rows)) for start in range(0, n_rows, size))


def _transcribe_batch(
    listener: _Listener, rows: Sequence[Row], numbers: range, cache: SegmentCache
) -> dict[int, RowTranscript]:
    transcripts: dict[int, RowTranscript] = {}
    keys: dict[int, str] = {}
    samples: dict[int, Samples] = {}
    for number in numbers:
        try:
            keys[number] = segment_key(rows[number], listener.model_hash, listener.prompt)
            known = cache.get(keys[number])
            if known is None:
                samples[number] = _read_audio(rows[number])
            else:
                transcripts[number] = RowTranscript(known)
        except (OSError, ValueError, RowError) as error:
            transcripts[number] = RowTranscript((), _without_place(rows[number], error))
    found = _decode(listener, [rows[number] for number in samples], list(samples.values()))
    cache.add({keys[number]: segments for number, segments in zip(samples, found, strict=True)})
    return transcripts | {
        number: RowTranscript(segments) for number, segments in zip(samples, found, strict=True)
    }


def _without_place(row: Row, error: Exception) -> str:
    return str(error).removeprefix(f"{row.place}: ")


def _read_audio(row: Row) -> Samples:
    """Return the audio of a row's text: without a segment that the row's end cuts."""
    samples, _ = read_row_audio(row, timestamps=False)
    seconds = len(samples) / SAMPLE_RATE
    if not is_within(seconds, MAX_SECONDS):
        raise ValueError(f"lasts {seconds:.1f} s: a row may last {MAX_SECONDS:.0f} s: split it")
    return samples


@torch.no_grad()
def _decode(
    listener: _Listener, rows: Sequence[Row], samples: Sequence[Samples]
) -> list[tuple[Segment, ...]]:
    """Return the segments of each row; a last one without an end ends with the row."""
    if not rows:
        return []
    model, prompt = listener.model, listener.prompt
    mel = torch.stack([log_mel(audio, model.dims.n_mels) for audio in samples])
    features = model.encoder(mel.to(model.device, model.encoder.conv1.weight.dtype))
    requests = [DecodeRequest(i, prompt, row.language, row.task) for i, row in enumerate(rows)]
    results = decode(model, features, requests)
    tokenizer_of = vocabulary_from_dims(model.dims).tokenizer
    found = []
    for request, result, audio in zip(requests, results, samples, strict=True):
        seconds = round(len(audio) / SAMPLE_RATE, 2)
        segments = decode_segments(tokenizer_of(language=request.language), result.tokens)
        found.append(tuple(_within(segment, seconds) for segment in segments))
    return found


def _within(segment: Segment, seconds: float) -> Segment:
    """Return a segment that lies in the row's `seconds` and has an end."""
    end = seconds if segment.end is None else min(segment.end, seconds)
    return Segment(min(segment.start, end), end, segment.text)
