"""Decode rows under right, no and wrong prompts, several rows at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from tqdm import tqdm
from whisper.audio import SAMPLE_RATE
from whisper.model import Whisper

from whisper_ft.data.audio import log_mel
from whisper_ft.data.dataset import RowError, read_row_audio
from whisper_ft.data.loader import pad_tokens
from whisper_ft.data.row import Row
from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.evaluation.metrics import Count
from whisper_ft.evaluation.samples import Output, Sample
from whisper_ft.models.decoding import DecodeRequest, decode, recordings_per_pass
from whisper_ft.models.loading import vocabulary_from_dims
from whisper_ft.models.loss import row_losses
from whisper_ft.runtime.progress import progress_bar
from whisper_ft.text.tokens import IGNORE, Segment, build_example, decode_segments


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


def _decode_pass(
    model: Whisper,
    prompted: PromptedRows,
    numbers: Sequence[int],
    timestamps: bool,
    beam_size: int | None,
) -> Iterator[Sample]:
    rows = [prompted.rows[number] for number in numbers]
    # The words of a cut segment are not in the reference, so its audio is left out too.
    audio = [read_row_audio(row, timestamps=False) for row in rows]
    mel = torch.stack([log_mel(samples, model.dims.n_mels) for samples, _ in audio])
    features = model.encoder(mel.to(model.device, model.encoder.conv1.weight.dtype))
    prompts = [prompted.prompts(number) for number in numbers]
    requests = [
        DecodeRequest(i, prompt, row.language, row.task, timestamps)
        for i, row in enumerate(rows)
        for prompt in dict.fromkeys(prompts[i].values())
        if prompt is not None
    ]
    results = decode(model, features, requests, beam_size=beam_size)
    losses = _losses(model, features, requests, rows, [segments for _, segments in audio])
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
        )


def _output_segments(
    model: Whisper, request: DecodeRequest, ids: Sequence[int]
) -> tuple[Segment, ...]:
    """Return the timed segments of an output; none without timestamps."""
    if not request.timestamps:
        return ()
    tokenizer = vocabulary_from_dims(model.dims).tokenizer(language=request.language)
    return tuple(decode_segments(tokenizer, ids))


def _losses(
    model: Whisper,
    features: Tensor,
    requests: Sequence[DecodeRequest],
    rows: Sequence[Row],
    segments: Sequence[Sequence[Segment]],
) -> list[Count]:
    """Return (cross-entropy in nats, tokens) of the row's text after each request's prompt.

    Timestamps are left out: after a plain prompt the model finds them unlikely, while decoding
    forces them all the same. Raises RowError for a loss that is not finite.
    """
    tokenizer_of = vocabulary_from_dims(model.dims).tokenizer
    eot = tokenizer_of().eot  # ids from here on are not text
    examples = [
        build_example(
            tokenizer_of(language=request.language, task=request.task),
            rows[request.recording].text,
            request.prompt,
            segments=[s for s in segments[request.recording] if s.end is not None],
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
