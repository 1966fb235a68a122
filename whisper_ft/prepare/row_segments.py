"""Find the segments of rows that have none, once per corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from tqdm import tqdm
from whisper.audio import SAMPLE_RATE
from whisper.model import Whisper

from whisper_ft.data.audio import Samples, log_mel
from whisper_ft.data.dataset import RowError, read_row_audio
from whisper_ft.data.row import Problem, Row
from whisper_ft.data.segment_cache import SegmentCache, segment_key
from whisper_ft.models.decoding import recordings_per_pass
from whisper_ft.models.forced_segments import KnownText, find_segments
from whisper_ft.models.loading import vocabulary_from_dims
from whisper_ft.models.weights_hash import hash_weights
from whisper_ft.runtime.progress import progress_bar
from whisper_ft.text.tokens import Segment

METHOD = "forced segments 2"  # a new number where the same inputs give other segments


class RowSegments(NamedTuple):
    """The segments that were found, by the index of the row, and why there are none elsewhere."""

    segments: dict[int, tuple[Segment, ...]]
    problems: list[Problem]  # of texts that decoding cannot write
    unreadable: list[Problem]  # of audio


def find_row_segments(
    model: Whisper,
    rows: Sequence[Row],
    cache: SegmentCache,
    amp_dtype: torch.dtype | None = None,
) -> RowSegments:
    """Return the segments that a model would write for each row that has a text and no segments.

    The model should be the stock one, in float32 or, on a GPU, in float16; it stays on its device.
    Its encoder, which takes most of the time, computes in `amp_dtype`; None is the model's own.
    What `cache` holds is not computed again, and what is found goes into it pass by pass. A row
    whose text decoding cannot write is among the problems, one whose audio cannot be read among the
    `unreadable`.
    """
    model_hash = hash_weights(model)
    indices = [i for i, row in enumerate(rows) if row.text.strip() and not row.segments]
    indices.sort(key=lambda i: len(rows[i].text))  # texts of a pass are done at about the same time
    size = recordings_per_pass(model.dims, model.encoder.conv1.weight.dtype)
    found = RowSegments({}, [], [])
    bar: tqdm[int] = progress_bar(None, "finding segments", total=len(indices), unit="row")
    with bar:
        for start in range(0, len(indices), size):
            batch = indices[start : start + size]
            _find_batch(model, rows, batch, cache, amp_dtype, model_hash, found)
            bar.update(len(batch))
    return found


def _find_batch(
    model: Whisper,
    rows: Sequence[Row],
    indices: Sequence[int],
    cache: SegmentCache,
    amp_dtype: torch.dtype | None,
    model_hash: str,
    found: RowSegments,
) -> None:
    """Add the segments of the rows at some indices to those found."""
    keys: dict[int, str] = {}
    samples: dict[int, Samples] = {}
    for index in indices:
        row = rows[index]
        try:
            keys[index] = segment_key(row, row.text, model_hash, METHOD, str(amp_dtype))
            known = cache.get(keys[index])
            if known is None:
                samples[index], _ = read_row_audio(row, timestamps=True)
            else:
                found.segments[index] = known
        except (OSError, RowError) as error:
            what = str(error).removeprefix(f"{row.place}: ")
            found.unreadable.append(Problem(row.place, what))
    texts: dict[int, KnownText] = {}
    for index, audio in samples.items():
        row = rows[index]
        tokenizer = vocabulary_from_dims(model.dims).tokenizer(language=row.language, task=row.task)
        try:
            texts[index] = KnownText.of(tokenizer, row.text, len(audio) / SAMPLE_RATE)
        except ValueError as error:
            found.problems.append(Problem(row.place, str(error)))
    if not texts:
        return
    features = _encode(model, [samples[index] for index in texts], amp_dtype)
    new = dict(zip(texts, find_segments(model, [*texts.values()], features), strict=True))
    cache.add({keys[index]: segments for index, segments in new.items()})
    found.segments.update(new)


@torch.no_grad()
def _encode(
    model: Whisper, samples: Sequence[Samples], amp_dtype: torch.dtype | None
) -> torch.Tensor:
    """Return the encoder's output [R, n_audio_ctx, n_audio_state] for R rows' audio."""
    mel = torch.stack([log_mel(audio, model.dims.n_mels) for audio in samples])
    device, dtype = model.device, model.encoder.conv1.weight.dtype
    with torch.autocast(device.type, dtype=amp_dtype, enabled=amp_dtype is not None):
        features: torch.Tensor = model.encoder(mel.to(device, dtype))
    return features.to(dtype)
