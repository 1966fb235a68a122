"""Stock `transcribe()` on whole recordings and on silence: what a user gets from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
import whisper
from torch import Tensor
from whisper.decoding import DecodingOptions
from whisper.model import Whisper

from whisper_ft.audio import MAX_SECONDS, SAMPLE_RATE, log_mel
from whisper_ft.data import hear
from whisper_ft.evaluate import normaliser
from whisper_ft.manifest import Row
from whisper_ft.metrics import Count, bootstrap_interval, character_errors, word_errors
from whisper_ft.packing import join
from whisper_ft.tokens import is_unspaced


def recordings(rows: Sequence[Row]) -> list[Row]:
    """Rows that follow each other joined, however long; silence of no recording stays alone."""
    joined: list[Row] = []
    before: Row | None = None
    for row in rows:
        if before is not None and row.continues(before):
            joined[-1] = join(joined[-1], row)
        else:
            joined.append(row)
        before = row
    return joined


@torch.no_grad()
def transcripts(model: Whisper, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """What `model.transcribe` writes for each row, with its defaults and the row's language."""
    for row in rows:
        samples, segments = hear(row, timestamps=False)  # not the half of a last, cut segment
        written = whisper.transcribe(
            model,
            samples,
            language=row.language,
            task=row.task,
            fp16=model.device.type == "cuda",
        )
        spoken = [segment for segment in segments if segment.text.strip()]
        record = {
            "place": row.place,
            "language": row.language,
            "task": row.task,
            "seconds": len(samples) / SAMPLE_RATE,
            "reference": row.text,
            "output": written["text"].strip(),
            "boundaries": sorted({t for s in spoken for t in (s.start, s.end) if t is not None}),
            "written_boundaries": sorted(
                {t for s in written["segments"] for t in (s["start"], s["end"])}
            ),
        }
        if not row.text.strip():
            record |= _gate(model, samples, row)
        yield record


def _gate(model: Whisper, samples: np.ndarray, row: Row) -> dict[str, float]:
    """The two numbers by which `transcribe` calls a first window silent."""
    window = samples[: int(MAX_SECONDS * SAMPLE_RATE)]
    mel: Tensor = log_mel(window, model.dims.n_mels).to(model.device)
    on_gpu = model.device.type == "cuda"
    options = DecodingOptions(language=row.language, task=row.task, fp16=on_gpu)
    result = model.decode(mel.half() if on_gpu else mel, options)
    return {"no_speech_prob": result.no_speech_prob, "avg_logprob": result.avg_logprob}


def score(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts over all recordings and all silence.

    `wer` with whisper's normaliser (by character where a language is written without spaces), its
    interval over recordings; `boundaries` is the mean distance, in seconds, from each time at which
    a reference segment begins or ends to the nearest that was written; `empty` is the share of
    silent rows of which nothing was written.
    """
    spoken = [record for record in records if record["reference"].strip()]
    silent = [record for record in records if not record["reference"].strip()]
    errors = [_errors(record) for record in spoken]
    distances = [distance for record in spoken for distance in _distances(record)]
    wer = reduce(Count.plus, errors, Count())
    empty = Count(sum(not record["output"] for record in silent), len(silent))
    return {
        "recordings": len(spoken),
        "hours": sum(record["seconds"] for record in spoken) / 3600,
        "wer": {**_count(wer), "interval": bootstrap_interval(errors)},
        "boundaries": _count(Count(sum(distances), len(distances))),
        "silent": len(silent),
        "empty": _count(empty),
        **{
            name: _count(Count(sum(record[name] for record in silent), len(silent)))
            for name in ("no_speech_prob", "avg_logprob")
        },
    }


def summary(scores: dict[str, Any]) -> str:
    """The scores in a few lines for a terminal."""
    lines = []
    if scores["recordings"]:
        wer, interval = scores["wer"]["rate"], scores["wer"]["interval"]
        between = (
            "" if interval is None else " [{:.1f}, {:.1f}]".format(*(100 * x for x in interval))
        )
        lines.append(
            f"{scores['recordings']} recordings, {scores['hours']:.2f} h: "
            f"WER {'-' if wer is None else f'{wer:.1%}'}{between}, "
            f"segment boundaries {scores['boundaries']['rate'] or 0.0:.2f} s off on average"
        )
    if scores["silent"]:
        lines.append(
            f"{scores['silent']} silent rows: {scores['empty']['rate']:.1%} stay empty, "
            f"P(no_speech) {scores['no_speech_prob']['rate']:.2f}, "
            f"average log-probability {scores['avg_logprob']['rate']:.2f}"
        )
    return "\n".join(lines)


def _errors(record: dict[str, Any]) -> Count:
    normalise = normaliser(record["language"], record["task"])
    by_character = is_unspaced(record["language"], record["task"])
    count = character_errors if by_character else word_errors
    return count(normalise(record["reference"]), normalise(record["output"]))


def _distances(record: dict[str, Any]) -> list[float]:
    written = np.array(record["written_boundaries"])
    if not len(written):
        return [record["seconds"]] * len(record["boundaries"])
    return [float(np.abs(written - time).min()) for time in record["boundaries"]]


def _count(count: Count) -> dict[str, Any]:
    return {"part": count.part, "total": count.total, "rate": count.rate}
