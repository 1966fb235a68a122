"""Stock `transcribe()` on whole recordings and on silence: what a user gets from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import whisper
from torch import Tensor
from whisper.audio import SAMPLE_RATE
from whisper.decoding import DecodingOptions
from whisper.model import Whisper

from whisper_ft.data.audio import log_mel
from whisper_ft.data.dataset import read_row_audio
from whisper_ft.data.packing import join_rows
from whisper_ft.data.row import MAX_SECONDS, Row
from whisper_ft.evaluation.bootstrap import intervals
from whisper_ft.evaluation.metrics import Count, boundary_errors, timed, word_errors
from whisper_ft.evaluation.scored_text import split_words


def recordings(rows: Sequence[Row]) -> list[Row]:
    """Rows that follow each other joined, however long; silence of no recording stays alone."""
    joined: list[Row] = []
    before: Row | None = None
    for row in rows:
        if before is not None and row.continues(before):
            joined[-1] = join_rows(joined[-1], row)
        else:
            joined.append(row)
        before = row
    return joined


@torch.no_grad()
def transcripts(model: Whisper, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """What `model.transcribe` writes for each row, with its defaults and the row's language."""
    for row in rows:
        samples, segments = read_row_audio(
            row, timestamps=False
        )  # not the half of a last, cut segment
        written = whisper.transcribe(
            model,
            samples,
            language=row.language,
            task=row.task,
            fp16=model.device.type == "cuda",
        )
        record = {
            "place": row.place,
            "language": row.language,
            "task": row.task,
            "seconds": len(samples) / SAMPLE_RATE,
            "reference": row.text,
            "output": written["text"].strip(),
            "segments": [segment._asdict() for segment in segments],
            "written": [
                {name: segment[name] for name in ("start", "end", "text")}
                for segment in written["segments"]
            ],
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
    interval over recordings. `boundaries` is how far, in seconds, written segments start and end
    from where the reference's do, before and after the same words; `parted` is the share of the
    reference's that are among them. `empty` is the share of silent rows of which nothing was
    written.
    """
    spoken = [record for record in records if record["reference"].strip()]
    silent = [record for record in records if not record["reference"].strip()]
    errors = [_errors(record) for record in spoken]
    parted = [_boundaries(record) for record in spoken]
    wer, distance, share = (
        Count.sum(counts)
        for counts in (errors, [count for count, _ in parted], [count for _, count in parted])
    )
    empty = Count(sum(not record["output"] for record in silent), len(silent))
    return {
        "recordings": len(spoken),
        "hours": sum(record["seconds"] for record in spoken) / 3600,
        "wer": {**_count(wer), "interval": intervals([[count] for count in errors])[0]},
        "boundaries": _count(distance),
        "parted": _count(share),
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
            f"WER {'-' if wer is None else f'{wer:.1%}'}{between}"
        )
        if (off := scores["boundaries"]["rate"]) is not None:
            lines[-1] += (
                f", segments start and end {off:.2f} s off on average where the reference's do "
                f"({scores['parted']['rate']:.0%} of its boundaries)"
            )
    if scores["silent"]:
        lines.append(
            f"{scores['silent']} silent rows: {scores['empty']['rate']:.1%} stay empty, "
            f"P(no_speech) {scores['no_speech_prob']['rate']:.2f}, "
            f"average log-probability {scores['avg_logprob']['rate']:.2f}"
        )
    return "\n".join(lines)


def _boundaries(record: dict[str, Any]) -> tuple[Count, Count]:
    """(seconds off, of so many times; times that a written segment has too, of how many)."""
    said, written = (
        timed(
            [(s["start"], s["end"], s["text"]) for s in record[name]],
            lambda t: split_words(t, record["language"], record["task"]),
        )
        for name in ("segments", "written")
    )
    return boundary_errors(said, written)


def _errors(record: dict[str, Any]) -> Count:
    reference, output = (
        split_words(record[name], record["language"], record["task"])
        for name in ("reference", "output")
    )
    return word_errors(" ".join(reference), " ".join(output))


def _count(count: Count) -> dict[str, Any]:
    return {"part": count.part, "total": count.total, "rate": count.rate}
