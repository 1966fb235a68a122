"""Decode rows under right, no and wrong prompts, several rows at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm
from whisper.audio import SAMPLE_RATE
from whisper.model import Whisper

from whisper_ft.data.audio import Samples, log_mel
from whisper_ft.data.dataset import RowError, read_row_audio, row_error
from whisper_ft.data.loader import pad_tokens
from whisper_ft.data.row import Row
from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.evaluation.metrics import Count
from whisper_ft.evaluation.samples import CONDITIONS, Output, Sample
from whisper_ft.models.decoding import DecodeRequest, decode, recordings_per_pass
from whisper_ft.models.loading import vocabulary_from_dims
from whisper_ft.models.loss import row_losses
from whisper_ft.runtime.out_of_memory import release_memory
from whisper_ft.runtime.progress import progress_bar
from whisper_ft.text.tokens import IGNORE, Segment, build_example, decode_segments

PROMPTED = ("right", "wrong")  # the conditions with a prompt


def decode_all(
    model: Whisper,
    prompted: PromptedRows,
    description: str,
    *,
    timestamps: bool = True,
    beam_size: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Sample] | None:
    """Return the samples of `decode_rows` in the rows' order; None when stopped.

    The progress bar, with this description, shows the hours of audio decoded per hour.
    """
    samples, seconds = [], 0.0
    n_rows = len(prompted.rows)
    bar: tqdm[Sample] = progress_bar(None, description, total=n_rows, unit="row", smoothing=0)
    with bar:
        for sample in decode_rows(model, prompted, timestamps=timestamps, beam_size=beam_size):
            samples.append(sample)
            seconds += sample.seconds
            speed = seconds / max(bar.format_dict["elapsed"], 1e-9)
            bar.set_postfix_str(f"{speed:.1f} hours of audio/hour", refresh=False)
            bar.update()
            if stop():
                return None
    return sorted(samples, key=lambda sample: sample.number)


@torch.no_grad()
def decode_rows(
    model: Whisper,
    prompted: PromptedRows,
    *,
    timestamps: bool = True,
    beam_size: int | None = None,
) -> Iterator[Sample]:
    """Yield a sample of each row: its reference, and by condition its prompt and output.

    Decoding is greedy, or with a beam, at temperature 0, with the row's language given, on the mel
    of whisper's transcribe(), in the dtype of the model's matrices. Several rows are decoded at
    once, those with the longest references first; `Sample.number` is the row's index. The encoder
    runs once a row. A wrong prompt of None has an output of None; an empty right prompt shares the
    output without a prompt. Raises RowError naming an unreadable row.
    """
    size = recordings_per_pass(model.dims, model.encoder.conv1.weight.dtype)
    numbers = sorted(range(len(prompted.rows)), key=lambda n: -len(prompted.rows[n].text))
    for start in range(0, len(numbers), size):
        yield from _decode_pass(
            model, prompted, numbers[start : start + size], timestamps, beam_size
        )
        release_memory(model.device)  # caches grow by a token at a time and leave gaps in the heap


@torch.no_grad()
def prompted_losses(model: Whisper, prompted: PromptedRows) -> dict[str, Count]:
    """Return the loss of the rows' texts by condition: nats and tokens, without any decoding.

    A row counts only if it has a right and a wrong prompt, so that the conditions compare the same
    rows. Raises RowError naming an unreadable row.
    """
    numbers = [
        number
        for number in range(len(prompted.rows))
        if all((prompted.prompts(number)[condition] or "").strip() for condition in PROMPTED)
    ]
    losses = dict.fromkeys(CONDITIONS, Count())
    size = recordings_per_pass(model.dims, model.encoder.conv1.weight.dtype)
    starts = range(0, len(numbers), size)
    for start in progress_bar(starts, "losses by prompt", leave=False, unit="pass"):
        encoded = _encode_pass(model, prompted, numbers[start : start + size], timestamps=True)
        nats = {
            (request.recording, request.prompt): loss
            for request, loss in zip(encoded.requests, _losses(model, encoded), strict=True)
        }
        for i, prompts in enumerate(encoded.prompts):
            for condition, prompt in prompts.items():
                losses[condition] = losses[condition].plus(nats[i, prompt or ""])
    return losses


class _EncodedPass(NamedTuple):
    """Rows whose audio was encoded at once, and what to decode of them."""

    rows: list[Row]
    audio: list[tuple[Samples, tuple[Segment, ...]]]
    features: Tensor  # [R, n_audio_ctx, n_audio_state]
    prompts: list[dict[str, str | None]]  # by condition
    requests: list[DecodeRequest]  # one for each different prompt of a row


def _encode_pass(
    model: Whisper, prompted: PromptedRows, numbers: Sequence[int], timestamps: bool
) -> _EncodedPass:
    rows = [prompted.rows[number] for number in numbers]
    # The words of a cut segment are not in the reference, so its audio is left out too.
    audio = [_read_audio(row) for row in rows]
    mel = torch.stack([log_mel(samples, model.dims.n_mels) for samples, _ in audio])
    features = model.encoder(mel.to(model.device, model.encoder.conv1.weight.dtype))
    prompts = [prompted.prompts(number) for number in numbers]
    requests = [
        DecodeRequest(i, prompt, row.language, row.task, timestamps)
        for i, row in enumerate(rows)
        for prompt in dict.fromkeys(prompts[i].values())
        if prompt is not None
    ]
    return _EncodedPass(rows, audio, features, prompts, requests)


def _read_audio(row: Row) -> tuple[Samples, tuple[Segment, ...]]:
    try:
        return read_row_audio(row, timestamps=False)
    except RowError:
        raise
    except Exception as error:
        raise row_error(row.place, error) from None


def _decode_pass(
    model: Whisper,
    prompted: PromptedRows,
    numbers: Sequence[int],
    timestamps: bool,
    beam_size: int | None,
) -> Iterator[Sample]:
    encoded = _encode_pass(model, prompted, numbers, timestamps)
    rows, audio, features, prompts, requests = encoded
    results = decode(model, features, requests, beam_size=beam_size)
    losses = _losses(model, encoded)
    outputs = {
        (request.recording, request.prompt): Output(
            result.text, _output_segments(model, request, result.tokens), loss
        )
        for request, result, loss in zip(requests, results, losses, strict=True)
    }
    for i, (row, (samples, segments)) in enumerate(zip(rows, audio, strict=True)):
        yield Sample(
            number=numbers[i],
            place=row.place,
            language=row.language,
            task=row.task,
            recording=row.recording,
            seconds=len(samples) / SAMPLE_RATE,
            keywords=tuple(row.keywords),
            reference=row.text,
            segments=tuple(s for s in segments if s.end is not None) if row.segments else (),
            prompts=prompts[i],
            prompt_terms=tuple(prompted.prompt_terms(numbers[i])),
            outputs={
                condition: None if prompt is None else outputs[i, prompt]
                for condition, prompt in prompts[i].items()
            },
            keyword_source=prompted.keyword_source,
        )


def _output_segments(
    model: Whisper, request: DecodeRequest, ids: Sequence[int]
) -> tuple[Segment, ...]:
    """Return the timed segments of an output; none without timestamps."""
    if not request.timestamps:
        return ()
    tokenizer = vocabulary_from_dims(model.dims).tokenizer(language=request.language)
    return tuple(decode_segments(tokenizer, ids))


def _losses(model: Whisper, encoded: _EncodedPass) -> list[Count]:
    """Return (cross-entropy in nats, tokens) of the row's text after each request's prompt.

    Timestamps are left out: after a plain prompt the model finds them unlikely, while decoding
    forces them all the same. Raises RowError for a loss that is not finite.
    """
    rows, audio, features, _, requests = encoded
    tokenizer_of = vocabulary_from_dims(model.dims).tokenizer
    eot = tokenizer_of().eot  # ids from here on are not text
    examples = [
        build_example(
            tokenizer_of(language=request.language, task=request.task),
            rows[request.recording].text,
            request.prompt,
            segments=[s for s in audio[request.recording][1] if s.end is not None],
            timestamps=request.timestamps,
            n_text_ctx=model.dims.n_text_ctx,
        )
        for request in requests
    ]
    tokens, targets = (ids.to(features.device) for ids in pad_tokens(examples))
    targets[targets >= eot] = IGNORE
    request_features = features[[request.recording for request in requests]]
    nats = row_losses(model.decoder, request_features, tokens, targets).tolist()
    n_learned = (targets != IGNORE).sum(dim=1).tolist()
    for request, loss in zip(requests, nats, strict=True):
        if not math.isfinite(loss):
            place = rows[request.recording].place
            raise RowError(f"{place}: its loss is {loss} in {features.dtype}: decode in float32")
    return [Count(*pair) for pair in zip(nats, n_learned, strict=True)]
