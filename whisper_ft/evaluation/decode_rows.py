"""Does the prompt help? Rows decoded under right, no and wrong prompts, to be scored."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm
from whisper.audio import SAMPLE_RATE
from whisper.model import Whisper

from whisper_ft.data.audio import log_mel
from whisper_ft.data.dataset import RowError, read_row_audio
from whisper_ft.data.loader import padded
from whisper_ft.data.row import Row
from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.evaluation.metrics import Count
from whisper_ft.evaluation.samples import Sample
from whisper_ft.models.decoding import DecodeRequest, decode
from whisper_ft.models.loading import vocabulary_from_dims
from whisper_ft.models.loss import row_losses
from whisper_ft.text.tokens import IGNORE, Segment, build_example, decode_segments

MOST_TOGETHER, CROSS_BYTES = 16, 10**9  # rows decoded at once, and memory for what they heard


def decode_all(
    model: Whisper,
    prompted: PromptedRows,
    label: str,
    *,
    timestamps: bool = True,
    beam_size: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Sample] | None:
    """The samples of `decode_rows` in the rows' order, behind a progress bar; None when stopped."""
    samples, seconds = [], 0.0
    with tqdm(total=len(prompted.rows), desc=label, unit="row", smoothing=0) as bar:
        for sample in decode_rows(model, prompted, timestamps=timestamps, beam_size=beam_size):
            samples.append(sample)
            seconds += sample["seconds"]
            speed = seconds / max(bar.format_dict["elapsed"], 1e-9)
            bar.set_postfix_str(f"{speed:.1f} hours of audio/hour", refresh=False)
            bar.update()
            if stop():
                return None
    return sorted(samples, key=lambda sample: sample["number"])


@torch.no_grad()
def decode_rows(
    model: Whisper,
    prompted: PromptedRows,
    *,
    timestamps: bool = True,
    beam_size: int | None = None,
) -> Iterator[Sample]:
    """A sample of each row: its reference, and by condition the prompt, output and loss.

    Greedy, or with a beam, at temperature 0, the row's language given, transcribe's mel, in the
    dtype of the model's matrices. Rows are decoded several at once, those of the longest references
    first, `number` telling each one's place; the encoder runs once a row. Where the wrong prompt is
    None its output is None; an empty right prompt shares the output without. Raises RowError naming
    an unreadable row.
    """
    size = _n_together(model)
    numbers = sorted(range(len(prompted.rows)), key=lambda n: -len(prompted.rows[n].text))
    for start in range(0, len(numbers), size):
        some = numbers[start : start + size]
        yield from _decoded(model, prompted, some, timestamps, beam_size)


def _n_together(model: Whisper) -> int:
    """Rows whose cross attention, the largest part of decoding's memory, fits its share."""
    dims, n_bytes = model.dims, model.encoder.conv1.weight.element_size()
    a_row = 2 * dims.n_text_layer * dims.n_audio_ctx * dims.n_text_state * n_bytes
    return min(MOST_TOGETHER, max(1, CROSS_BYTES // a_row))


def _decoded(
    model: Whisper,
    prompted: PromptedRows,
    numbers: Sequence[int],
    timestamps: bool,
    beam_size: int | None,
) -> Iterator[Sample]:
    rows = [prompted.rows[number] for number in numbers]
    # the words of a cut segment are not in the reference: nothing of it is heard
    heard = [read_row_audio(row, timestamps=False) for row in rows]
    mel = torch.stack([log_mel(samples, model.dims.n_mels) for samples, _ in heard])
    features = model.encoder(mel.to(model.device, model.encoder.conv1.weight.dtype))
    prompts: list[dict[str, str | None]] = [
        {"right": prompted.rights[n], "none": "", "wrong": prompted.wrongs[n]} for n in numbers
    ]
    asked = [
        DecodeRequest(i, prompt, row.language, row.task, timestamps)
        for i, (row, conditions) in enumerate(zip(rows, prompts, strict=True))
        for prompt in dict.fromkeys(conditions.values())
        if prompt is not None
    ]
    results = decode(model, features, asked, beam_size=beam_size)
    losses = _losses(model, features, asked, rows, [segments for _, segments in heard])
    done: dict[tuple[int, Any], dict[str, Any]] = {}
    for one, result, loss in zip(asked, results, losses, strict=True):
        written = _written(model, one, result.tokens)
        done[one.recording, one.prompt] = {"output": result.text, "written": written, "loss": loss}
    nothing: dict[str, Any] = dict.fromkeys(("output", "written", "loss"))
    for i, (row, (samples, segments)) in enumerate(zip(rows, heard, strict=True)):
        by_condition = {c: done.get((i, prompt), nothing) for c, prompt in prompts[i].items()}
        yield {
            "number": numbers[i],
            **{name: getattr(row, name) for name in ("place", "language", "task", "recording")},
            "seconds": len(samples) / SAMPLE_RATE,
            "keywords": list(row.keywords),
            "reference": row.text,
            "segments": [s for s in segments if s.end is not None] if row.segments else [],
            "prompt": prompts[i],
            "listed": prompted.listed(numbers[i]),
            **{name: {c: held[name] for c, held in by_condition.items()} for name in nothing},
        }


def _written(model: Whisper, one: DecodeRequest, ids: Sequence[int]) -> list[Segment]:
    """The timed segments of an output; none without timestamps."""
    if not one.timestamps:
        return []
    return decode_segments(vocabulary_from_dims(model.dims).tokenizer(language=one.language), ids)


def _losses(
    model: Whisper,
    features: Tensor,
    asked: Sequence[DecodeRequest],
    rows: Sequence[Row],
    segments: Sequence[Sequence[Segment]],
) -> list[Count]:
    """(summed cross-entropy in nats, tokens) of each row's text after each prompt.

    Of the text alone: a plain prompt makes timestamps unlikely, which decoding forces all the same.
    """
    tokenizer_of = vocabulary_from_dims(model.dims).tokenizer
    eot = tokenizer_of().eot  # the first id that is no text
    examples = [
        build_example(
            tokenizer_of(language=one.language, task=one.task),
            rows[one.recording].text,
            one.prompt,
            segments=[s for s in segments[one.recording] if s.end is not None],
            timestamps=one.timestamps,
            n_text_ctx=model.dims.n_text_ctx,
        )
        for one in asked
    ]
    tokens, targets = (ids.to(features.device) for ids in padded(examples))
    targets[targets >= eot] = IGNORE
    of_each = features[[one.recording for one in asked]]
    nats = row_losses(model.decoder, of_each, tokens, targets).tolist()
    n_learned = (targets != IGNORE).sum(dim=1).tolist()
    for one, loss in zip(asked, nats, strict=True):
        if not math.isfinite(loss):
            place = rows[one.recording].place
            raise RowError(f"{place}: its loss is {loss} in {features.dtype}: decode in float32")
    return [Count(*pair) for pair in zip(nats, n_learned, strict=True)]
