"""Stock `transcribe()` on whole recordings and on silence: what a user gets from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any, NamedTuple

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
from whisper_ft.metrics import Count, alignment, bootstrap_interval, word_errors
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
    interval over recordings. `boundaries` is how far, in seconds, written segments end and begin
    from where the reference's do, of those that part the same two words; `parted` is the share of
    the reference's that are among them. `empty` is the share of silent rows of which nothing was
    written.
    """
    spoken = [record for record in records if record["reference"].strip()]
    silent = [record for record in records if not record["reference"].strip()]
    errors = [_errors(record) for record in spoken]
    parted = [_boundaries(record) for record in spoken]
    wer, distance, share = (
        reduce(Count.plus, counts, Count())
        for counts in (errors, [count for count, _ in parted], [count for _, count in parted])
    )
    empty = Count(sum(not record["output"] for record in silent), len(silent))
    return {
        "recordings": len(spoken),
        "hours": sum(record["seconds"] for record in spoken) / 3600,
        "wer": {**_count(wer), "interval": bootstrap_interval(errors)},
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
                f", segments end and begin {off:.2f} s off on average where the reference's do "
                f"({scores['parted']['rate']:.0%} of its boundaries)"
            )
    if scores["silent"]:
        lines.append(
            f"{scores['silent']} silent rows: {scores['empty']['rate']:.1%} stay empty, "
            f"P(no_speech) {scores['no_speech_prob']['rate']:.2f}, "
            f"average log-probability {scores['avg_logprob']['rate']:.2f}"
        )
    return "\n".join(lines)


class _Words(NamedTuple):
    """Normalised words (characters, where a language is written without spaces), and pauses."""

    words: list[str]
    pauses: dict[int, tuple[float, float]]  # before a word: its predecessor's end, its start


def _words(record: dict[str, Any], segments: Sequence[dict[str, Any]]) -> _Words:
    words: list[str] = []
    pauses: dict[int, tuple[float, float]] = {}
    before: float | None = None
    for segment in segments:
        said = _normalised(record, segment["text"])
        if said and before is not None:
            pauses[len(words)] = (before, segment["start"])
        words += said
        before = segment["end"] if said else before
    return _Words(words, pauses)


def _boundaries(record: dict[str, Any]) -> tuple[Count, Count]:
    """(seconds off, of so many times; boundaries where a written segment ends, of how many)."""
    said, written = (_words(record, record[name]) for name in ("segments", "written"))
    off, n_parted = 0.0, 0
    for kind, start, end, hyp_start, _ in alignment(said.words, written.words):
        for word in range(start + 1, end) if kind == "equal" else ():  # so its predecessor is too
            here, there = said.pauses.get(word), written.pauses.get(hyp_start + word - start)
            if here and there:
                n_parted += 1
                off += abs(here[0] - there[0]) + abs(here[1] - there[1])
    return Count(off, 2 * n_parted), Count(n_parted, len(said.pauses))


def _errors(record: dict[str, Any]) -> Count:
    reference, output = (_normalised(record, record[name]) for name in ("reference", "output"))
    return word_errors(" ".join(reference), " ".join(output))


def _normalised(record: dict[str, Any], text: str) -> list[str]:
    language, task = record["language"], record["task"]
    words = normaliser(language, task)(text).split()
    return list("".join(words)) if is_unspaced(language, task) else words


def _count(count: Count) -> dict[str, Any]:
    return {"part": count.part, "total": count.total, "rate": count.rate}
