"""How a row becomes the tensors and tokens of a training example."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset
from whisper.audio import HOP_LENGTH, N_FRAMES, SAMPLE_RATE
from whisper.tokenizer import Tokenizer

from whisper_ft.data.audio import Samples, log_mel, read_audio
from whisper_ft.data.audio_info import file_stamp
from whisper_ft.data.augmentation import (
    NO_AUGMENTATION,
    Augmentation,
    draw_warp,
    mask_mel,
    shift_segments,
    starts_too_late,
)
from whisper_ft.data.bpe_dropout import DroppingTokenizer
from whisper_ft.data.feature_cache import FeatureKey, read_features
from whisper_ft.data.prompt_kinds import Prompt
from whisper_ft.data.prompts import PromptPolicy, example_rng
from whisper_ft.data.respelling import NO_PERTURBATION, Perturbation, replace_words
from whisper_ft.data.row import Row
from whisper_ft.data.sampler import ExampleIndex
from whisper_ft.data.target_weights import TargetWeights, Weights
from whisper_ft.runtime.out_of_memory import is_out_of_memory
from whisper_ft.text.tokens import IGNORE, Segment, build_example, encode_prompt

# Share of silent examples whose text is blank. `transcribe` drops a window for P(no_speech) above
# 0.6 only if its text is unlikely too; if it is likely, the text must be empty. A quarter leaves
# 0.75 to no_speech.
BLANK_RATE = 0.25
MAX_STAND_INS = 10  # rows tried in place of one that cannot be read: more is no damaged row


class TokenizedText(NamedTuple):
    """The tokens of a text and its prompt."""

    tokens: list[int]
    targets: list[int]
    weights: Weights | None = None  # of its targets in the loss; None: all weigh the same
    n_fallbacks: int = 0  # drawn changes that did not fit, so that the plain text was used


class Example(NamedTuple):
    """A training example before it is stacked into a batch."""

    mel: Tensor | None  # [n_mels, 3000]; None if features are given
    texts: tuple[TokenizedText, ...]  # of this audio: one, or a second one as a contrast
    place: str  # of the row, for messages
    n_fallbacks: int  # drawn changes of the audio or the text that did not fit
    features: Tensor | None = None  # float16 [n_audio_ctx, n_audio_state], see feature_cache.py
    unreadable: tuple[str, ...] = ()  # errors of rows that this one stands in for

    @property
    def tokens(self) -> list[int]:
        """The tokens of the first text."""
        return self.texts[0].tokens

    @property
    def targets(self) -> list[int]:
        """The targets of the first text."""
        return self.texts[0].targets


class DrawnText(NamedTuple):
    """The drawn texts of an example, before they become tokens."""

    tokenizer: Tokenizer
    prompt: Prompt  # text or ids, with its terms in other spellings if that is drawn
    plain_prompt: Prompt  # as the policy drew it
    spellings: Mapping[str, str]  # of the row's terms in its text
    timestamps: bool  # whether the targets have them

    @property
    def plain(self) -> DrawnText:
        """The same without other spellings."""
        return self._replace(prompt=self.plain_prompt, spellings={})


class RowError(Exception):
    """A row that passed every check and cannot be read now; the message names the row."""


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
class Examples(Dataset[Example | RowError]):
    """Training examples by `ExampleIndex`.

    An example depends on its index alone, so workers and resumed runs make the same ones. A row of
    the same group of `stand_ins` is drawn in place of one whose audio cannot be read.
    """

    rows: Sequence[Row]
    policy: PromptPolicy
    tokenizer_of: Callable[..., Tokenizer]  # whisper's own, by language and task
    n_mels: int
    n_text_ctx: int
    timestamp_rate: float
    seed: int
    augmentation: Augmentation = NO_AUGMENTATION
    bpe_dropout: float = 0.0
    perturbation: Perturbation = NO_PERTURBATION
    target_weights: TargetWeights | None = None  # None: all targets weigh the same
    feature_paths: Mapping[FeatureKey, Path] | None = None  # of a frozen encoder's output
    stand_ins: tuple[Sequence[int], ...] = ()  # groups of rows; none: there are no stand-ins

    def __getitem__(self, index: ExampleIndex) -> Example | RowError:
        """Return an example or, as a value that crosses processes, the error of its row."""
        errors: list[RowError] = []
        for candidate in chain([index], self._draw_stand_ins(index)):
            try:
                return self._build(candidate)._replace(unreadable=tuple(map(str, errors)))
            except RowError as error:
                errors.append(error)
            except Exception as error:
                return row_error(self.rows[candidate.row].place, error)
        return errors[0]

    def _draw_stand_ins(self, index: ExampleIndex) -> Iterator[ExampleIndex]:
        """Draw rows of the same group to try in place of one that is unreadable."""
        group = next((group for group in self.stand_ins if index.row in group), ())
        read = group
        if self.feature_paths is not None:  # those that the run samples
            read = [row for row in group if (row, True) in self.feature_paths]
        if not read:
            return
        rng = self._rng("stand-in", index)
        for _ in range(MAX_STAND_INS):
            yield index._replace(row=rng.choice(read))

    def _build(self, index: ExampleIndex) -> Example:
        row = self.rows[index.row]
        drawn = self.draw_text(index)
        mel = features = None
        n_fallbacks = 0
        if self.feature_paths is None:
            mel, segments, n_fallbacks = self._read_mel(index, drawn.timestamps)
        else:
            features, seconds = _read_row_features(
                row, self.feature_paths[index.row, drawn.timestamps]
            )
            segments = row.resolved_segments(seconds)
        both = (drawn, self.draw_contrast(index, drawn))
        texts = tuple(self.tokenize(index, text, segments) for text in both if text)
        n_fallbacks += sum(text.n_fallbacks for text in texts)
        return Example(mel, texts, row.place, n_fallbacks, features)

    def _read_mel(
        self, index: ExampleIndex, timestamps: bool
    ) -> tuple[Tensor, tuple[Segment, ...], int]:
        """Return (augmented mel [n_mels, 3000], its segments, number of fallbacks)."""
        augmentation = self.augmentation
        samples, segments = read_row_audio(self.rows[index.row], timestamps=timestamps)
        n_fallbacks = 0
        if augmentation.speed:
            rng = self._rng("speed", index)
            samples, segments, changed = augmentation.change_speed(samples, segments, rng)
            n_fallbacks += not changed
        samples = augmentation.augment_samples(samples, lambda kind: self._rng(kind, index))
        n_frames = min(len(samples) // HOP_LENGTH, N_FRAMES)
        mel = log_mel(samples, self.n_mels)
        if augmentation.spec_augment:
            rng = self._rng("spec_augment", index)
            if warp := draw_warp(n_frames, rng):
                shifted = shift_segments(segments, warp.warp_time)
                if starts_too_late(segments, shifted):
                    n_fallbacks += 1
                else:
                    mel, segments = warp.warp_mel(mel), shifted
            mel = mask_mel(mel, n_frames, rng)
        return mel, segments, n_fallbacks

    def tokenize(
        self, index: ExampleIndex, drawn: DrawnText, segments: Sequence[Segment]
    ) -> TokenizedText:
        """Return tokens and targets.

        A fallback is another spelling that does not fit, or BPE dropout that leaves less of the
        prompt.
        """
        n_fallbacks = 0
        text = self._encode_respelled(index, drawn, segments) if drawn.spellings else None
        if drawn.spellings and text is None:
            drawn, n_fallbacks = drawn.plain, 1
        text = text or self._encode(index, drawn.tokenizer, drawn, segments)
        if not self.bpe_dropout:
            return text._replace(n_fallbacks=n_fallbacks)
        rng = self._rng("bpe_dropout", index)
        dropping = DroppingTokenizer(drawn.tokenizer, self.bpe_dropout, rng)
        with suppress(ValueError):  # more tokens than fit
            dropped = self._encode(index, dropping, drawn, segments)
            if dropped.targets.count(IGNORE) == text.targets.count(IGNORE):
                return dropped._replace(n_fallbacks=n_fallbacks)
        return text._replace(n_fallbacks=n_fallbacks + 1)

    def _encode_respelled(
        self, index: ExampleIndex, drawn: DrawnText, segments: Sequence[Segment]
    ) -> TokenizedText | None:
        """Return a text with other spellings; None if it, or a spelling in its prompt, is cut."""
        try:
            text = self._encode(index, drawn.tokenizer, drawn, segments)
        except ValueError:
            return None
        kept = _read_prompt(drawn.tokenizer, text.tokens).casefold()
        return text if all(s.casefold() in kept for s in drawn.spellings.values()) else None

    def _encode(
        self,
        index: ExampleIndex,
        text_tokenizer: Tokenizer,
        drawn: DrawnText,
        segments: Sequence[Segment],
    ) -> TokenizedText:
        row = self.rows[index.row]
        spelled = partial(replace_words, spellings=drawn.spellings)
        tokens, targets = build_example(
            text_tokenizer,
            spelled(row.text),
            encode_prompt(drawn.tokenizer, drawn.prompt),
            segments=[segment._replace(text=spelled(segment.text)) for segment in segments],
            timestamps=drawn.timestamps,
            blank=self.is_blank(index, drawn.timestamps),
            n_text_ctx=self.n_text_ctx,
        )
        if self.target_weights is None:
            return TokenizedText(tokens, targets)
        weights = self.target_weights(
            text_tokenizer,
            targets,
            _read_prompt(drawn.tokenizer, tokens),
            row,
            drawn.spellings,
            is_previous=not isinstance(drawn.prompt, str),
        )
        return TokenizedText(tokens, targets, weights)

    def is_blank(self, index: ExampleIndex, timestamps: bool) -> bool:
        """Return whether silence is a blank text, which decoding writes with timestamps only."""
        rate = BLANK_RATE / max(self.timestamp_rate, BLANK_RATE)
        return timestamps and self._rng("blank", index).random() < rate

    def _rng(self, kind: str, index: ExampleIndex) -> random.Random:
        """Return the random generator of one augmentation, which no other one advances."""
        return random.Random(f"{kind} {self.seed} {index.pass_number} {index.row}")

    def draw_text(self, index: ExampleIndex) -> DrawnText:
        """Draw the prompt of an example, and the spellings of its terms."""
        row = self.rows[index.row]
        rng = example_rng(self.seed, index.pass_number, index.row)
        timestamps = rng.random() < self.timestamp_rate
        tokenizer = self.tokenizer_of(language=row.language, task=row.task)
        plain = self.policy(self.rows, index.row, rng, timestamps=timestamps, tokenizer=tokenizer)
        prompt, spellings = plain, dict[str, str]()
        if isinstance(plain, str) and plain and self.perturbation.changes_prompts:
            prompt, spellings = self.perturbation(plain, row, self._rng("respelling", index))
        return DrawnText(tokenizer, prompt, plain, spellings, timestamps)

    def draw_contrast(self, index: ExampleIndex, drawn: DrawnText) -> DrawnText | None:
        """Draw a second text for the same audio, None if there is none."""
        plain = drawn.plain_prompt
        if not self.perturbation.contrast or not isinstance(plain, str):
            return None
        rng = self._rng("contrast", index)
        other = self.perturbation.draw_contrast(plain, self.rows[index.row], rng)
        return other and drawn._replace(prompt=other.prompt, spellings=other.spellings)


def _read_prompt(tokenizer: Tokenizer, tokens: Sequence[int]) -> str:
    """Return the prompt that stands before the start of the transcript, as text."""
    prompt: str = tokenizer.decode(list(tokens[1 : max(1, tokens.index(tokenizer.sot))]))
    return prompt


def read_row_audio(row: Row, *, timestamps: bool) -> tuple[Samples, tuple[Segment, ...]]:
    """Return a row's samples at 16 kHz, those of its parts joined, and its segments.

    Without timestamps, which say where the last whole segment ends, the audio stops before a
    segment that the end of the row cuts (Whisper paper, section 2.3). Raises RowError for
    unreadable audio.
    """
    parts = [_read_part(part) for part in row.parts]
    samples = np.concatenate(parts) if parts else _read_part(row)
    segments = row.resolved_segments(len(samples) / SAMPLE_RATE)
    if segments[-1].end is None and not timestamps:
        samples = samples[: round(segments[-1].start * SAMPLE_RATE)]
    return samples, segments


def _read_row_features(row: Row, path: Path) -> tuple[Tensor, float]:
    """Return `read_features` of a row. Raises RowError for a file that is missing or damaged."""
    try:
        return read_features(path)
    except (OSError, ValueError) as error:
        raise RowError(f"{row.place}: {error}") from None


def _read_part(row: Row) -> Samples:
    try:
        samples = read_audio(row.audio, row.start, row.end, row.channel)
        if row.stamp not in (None, file_stamp(row.audio)):
            raise ValueError("changed since it was checked: restore it, or start a new run with it")
        return samples
    except (OSError, ValueError) as error:
        raise RowError(f"{row.place}: {row.audio}: {error}") from None
