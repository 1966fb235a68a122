"""Visits to batches: how a row becomes tensors."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset
from whisper.audio import HOP_LENGTH, N_FRAMES, SAMPLE_RATE
from whisper.tokenizer import Tokenizer

from whisper_ft.data.audio import log_mel, read_audio, stamp
from whisper_ft.data.augmentation import (
    PLAIN,
    Augmentation,
    begins_too_late,
    draw_warp,
    masked,
    moved,
)
from whisper_ft.data.bpe_dropout import DroppingTokenizer
from whisper_ft.data.feature_cache import read_features
from whisper_ft.data.prompts import Prompt, PromptPolicy, example_rng
from whisper_ft.data.row import Row
from whisper_ft.data.sampler import ExampleIndex
from whisper_ft.runtime.out_of_memory import is_out_of_memory
from whisper_ft.text.tokens import IGNORE, Segment, build_example, encode_prompt

# Of silent visits. `transcribe` drops a window for P(no_speech) above .6 only when its text is
# unlikely too; where it is not, the text must be empty. A quarter leaves .75 to no_speech.
BLANK_RATE = 0.25


class Example(NamedTuple):
    mel: Tensor | None  # [n_mels, 3000]; None where the features are known
    tokens: list[int]
    targets: list[int]
    place: str  # of the row, for messages
    n_fallbacks: int  # drawn variants that did not fit, so that the plain one stands
    features: Tensor | None = None  # float16 [n_audio_ctx, n_audio_state], see features.py


class RowError(Exception):
    """A row that passed every check and yet cannot be read now; its words name the row."""


def row_error(place: str, error: Exception) -> RowError:
    """Return an error that names the row, with the traceback if the cause is unexpected.

    Re-raises a lack of memory, which no row is to blame for.
    """
    if is_out_of_memory(error):
        raise error
    if isinstance(error, OSError | ValueError):
        return RowError(f"{place}: {error}")
    return RowError(f"{place}: {''.join(traceback.format_exception(error)).strip()}")


@dataclass(frozen=True)
class Examples(Dataset):
    """Visits to examples. Holds nothing that changes, so workers and resumed runs agree."""

    rows: Sequence[Row]
    policy: PromptPolicy
    tokenizer_of: Callable[..., Tokenizer]  # (language=..., task=...), whisper's own
    n_mels: int
    n_text_ctx: int
    timestamp_rate: float
    seed: int
    augmentation: Augmentation = PLAIN
    bpe_dropout: float = 0.0
    encoded: Mapping[tuple[int, bool], Path] | None = None  # (row, with timestamps) to its features

    def __getitem__(self, visit: ExampleIndex) -> Example | RowError:
        """The example of a visit, or, as a value that crosses processes whole, what went wrong."""
        try:
            return self._example(visit)
        except RowError as error:
            return error
        except Exception as error:
            return row_error(self.rows[visit.row].place, error)

    def _example(self, visit: ExampleIndex) -> Example:
        row = self.rows[visit.row]
        tokenizer, prompt, timestamps = self.draw(visit)
        mel = features = None
        n_fallbacks = 0
        if self.encoded is None:
            mel, segments, n_fallbacks = self._heard(visit, timestamps)
        else:
            features, seconds = read_features(self.encoded[visit.row, timestamps])
            segments = row.resolved_segments(seconds)
        tokens, targets, fits = self._written(visit, tokenizer, prompt, segments, timestamps)
        return Example(mel, tokens, targets, row.place, n_fallbacks + (not fits), features)

    def _heard(
        self, visit: ExampleIndex, timestamps: bool
    ) -> tuple[Tensor, tuple[Segment, ...], int]:
        """(mel, segments, drawn variants that did not fit) of a visit, augmented."""
        augmentation = self.augmentation
        samples, segments = read_row_audio(self.rows[visit.row], timestamps=timestamps)
        n_fallbacks = 0
        if augmentation.speed:
            rng = self._chance("speed", visit)
            samples, segments, fits = augmentation.changed_speed(samples, segments, rng)
            n_fallbacks += not fits
        samples = augmentation.sound(samples, lambda kind: self._chance(kind, visit))
        n_frames = min(len(samples) // HOP_LENGTH, N_FRAMES)
        mel = log_mel(samples, self.n_mels)
        if augmentation.spec_augment:
            rng = self._chance("spec_augment", visit)
            if warp := draw_warp(n_frames, rng):
                changed = moved(segments, warp.seconds)
                if begins_too_late(segments, changed):
                    n_fallbacks += 1
                else:
                    mel, segments = warp.mel(mel), changed
            mel = masked(mel, n_frames, rng)
        return mel, segments, n_fallbacks

    def _written(
        self,
        visit: ExampleIndex,
        tokenizer: Tokenizer,
        prompt: Prompt,
        segments: Sequence[Segment],
        timestamps: bool,
    ) -> tuple[list[int], list[int], bool]:
        """(tokens, targets, whether BPE dropout's many tokens fit, with as much of the prompt)."""
        prompt_ids = encode_prompt(tokenizer, prompt)

        def build(text_tokenizer: Any) -> tuple[list[int], list[int]]:
            return build_example(
                text_tokenizer,
                self.rows[visit.row].text,
                prompt_ids,
                segments=segments,
                timestamps=timestamps,
                blank=self.blank(visit, timestamps),
                n_text_ctx=self.n_text_ctx,
            )

        plain = build(tokenizer)
        if self.bpe_dropout:
            rng = self._chance("bpe_dropout", visit)
            with suppress(ValueError):
                dropped = build(DroppingTokenizer(tokenizer, self.bpe_dropout, rng))
                if dropped[1].count(IGNORE) == plain[1].count(IGNORE):
                    return *dropped, True
        return *plain, not self.bpe_dropout

    def blank(self, visit: ExampleIndex, timestamps: bool) -> bool:
        """Whether silence is a blank text this time: decoding writes that with timestamps only."""
        rate = BLANK_RATE / max(self.timestamp_rate, BLANK_RATE)
        return timestamps and self._chance("blank", visit).random() < rate

    def _chance(self, kind: str, visit: ExampleIndex) -> random.Random:
        """The chance of one augmentation of a visit, which no other changes."""
        return random.Random(f"{kind} {self.seed} {visit.turn} {visit.row}")

    def draw(self, visit: ExampleIndex) -> tuple[Tokenizer, Prompt, bool]:
        """(tokenizer, prompt, whether there are timestamps) of a visit."""
        row = self.rows[visit.row]
        rng = example_rng(self.seed, visit.turn, visit.row)
        timestamps = rng.random() < self.timestamp_rate
        tokenizer = self.tokenizer_of(language=row.language, task=row.task)
        prompt = self.policy(self.rows, visit.row, rng, timestamps=timestamps, tokenizer=tokenizer)
        return tokenizer, prompt, timestamps


def read_row_audio(row: Row, *, timestamps: bool) -> tuple[np.ndarray, tuple[Segment, ...]]:
    """A row's samples at 16 kHz, those of its parts joined, and its segments.

    Without timestamps to say where the last whole segment ends, the audio stops before a segment
    that the row's end cuts (Whisper paper, section 2.3). Raises RowError for unreadable audio.
    """
    samples = np.concatenate([_read(part) for part in row.parts]) if row.parts else _read(row)
    segments = row.resolved_segments(len(samples) / SAMPLE_RATE)
    if segments[-1].end is None and not timestamps:
        samples = samples[: round(segments[-1].start * SAMPLE_RATE)]
    return samples, segments


def _read(row: Row) -> np.ndarray:
    try:
        samples = read_audio(row.audio, row.start, row.end, row.channel)
        if row.stamp not in (None, stamp(row.audio)):
            raise ValueError("changed since it was checked: restore it, or begin again with it")
        return samples
    except (OSError, ValueError) as error:
        raise RowError(f"{row.place}: {row.audio}: {error}") from None
