"""Rows to batches: which row is visited when, and how its visit becomes tensors."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from signal import SIG_IGN, SIGINT, SIGTERM, signal
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset
from whisper.tokenizer import Tokenizer

from whisper_ft.audio import SAMPLE_RATE, log_mel, read_audio
from whisper_ft.manifest import Row, Segment
from whisper_ft.prompts import Prompt, PromptPolicy, visit_rng
from whisper_ft.tokens import IGNORE, build_example


class Visit(NamedTuple):
    """One turn of one row, which decides, with the seed, the prompt that is drawn."""

    turn: int  # the epoch, where no manifest has a weight above 1
    row: int  # its index


class Example(NamedTuple):
    mel: Tensor  # [n_mels, 3000]
    tokens: list[int]
    targets: list[int]
    place: str  # of the row, for messages


class RowError(Exception):
    """A row that passed every check and yet cannot be read now; its words name the row."""


class WorkerError(Exception):
    """A worker process that died; no row is to blame."""


@dataclass(frozen=True)
class Batch:
    mel: Tensor  # float32 [B, n_mels, 3000]
    tokens: Tensor  # int64 [B, T], padded to the right with 0, which no learned position sees
    targets: Tensor  # int64 [B, T], padded with -100
    places: tuple[str, ...]  # of the rows

    @property
    def n_targets(self) -> int:
        return int((self.targets != IGNORE).sum())

    def pin_memory(self) -> Batch:
        """What DataLoader calls, so that copies to a GPU need not wait."""
        return self._with(Tensor.pin_memory)

    def to(self, device: torch.device) -> Batch:
        return self._with(lambda tensor: tensor.to(device, non_blocking=True))

    def _with(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return Batch(change(self.mel), change(self.tokens), change(self.targets), self.places)


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

    def __getitem__(self, visit: Visit) -> Example | RowError:
        """The example of a visit, or, as a value that crosses processes whole, what went wrong."""
        row = self.rows[visit.row]
        tokenizer, prompt, timestamps = self.draw(visit)
        try:
            samples, segments = hear(row, timestamps=timestamps)
            tokens, targets = build_example(
                tokenizer,
                row.text,
                prompt,
                segments=segments,
                timestamps=timestamps,
                n_text_ctx=self.n_text_ctx,
            )
        except RowError as error:
            return error
        except ValueError as error:
            return RowError(f"{row.place}: {error}")
        return Example(log_mel(samples, self.n_mels), tokens, targets, row.place)

    def draw(self, visit: Visit) -> tuple[Tokenizer, Prompt, bool]:
        """(tokenizer, prompt, whether there are timestamps) of a visit."""
        row = self.rows[visit.row]
        rng = visit_rng(self.seed, visit.turn, visit.row)
        timestamps = rng.random() < self.timestamp_rate
        tokenizer = self.tokenizer_of(language=row.language, task=row.task)
        prompt = self.policy(self.rows, visit.row, rng, timestamps=timestamps, tokenizer=tokenizer)
        return tokenizer, prompt, timestamps


def hear(row: Row, *, timestamps: bool) -> tuple[np.ndarray, tuple[Segment, ...]]:
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
        return read_audio(row.audio, row.start, row.end, row.channel)
    except (OSError, ValueError) as error:
        raise RowError(f"{row.place}: {row.audio}: {error}") from None


def collate(examples: Sequence[Example | RowError]) -> Batch | RowError:
    """Stack examples; the first error among them stands for the batch."""
    for example in examples:
        if isinstance(example, RowError):
            return example
    mels, tokens, targets, places = zip(*examples, strict=True)
    return Batch(
        torch.stack(mels),
        pad_sequence([torch.tensor(ids) for ids in tokens], batch_first=True, padding_value=0),
        pad_sequence(
            [torch.tensor(ids) for ids in targets], batch_first=True, padding_value=IGNORE
        ),
        places,
    )


@dataclass(frozen=True)
class VisitOrder:
    """The order of all visits: a function of the seed alone, entered at any position.

    In an epoch every row of manifest m is visited weights[m] times, on average: as many whole
    passes as fit, and a random part of one for the rest.
    """

    lengths: tuple[int, ...]  # rows of each manifest, which stand one after the other
    weights: tuple[float, ...]
    seed: int

    @property
    def epoch_length(self) -> int:
        return sum(
            self._share(n, weight) for n, weight in zip(self.lengths, self.weights, strict=True)
        )

    @staticmethod
    def _share(n_rows: int, weight: float) -> int:
        return max(1, round(n_rows * weight))

    def epoch(self, epoch: int) -> list[Visit]:
        """An epoch's visits, shuffled."""
        rng = random.Random(f"order {self.seed} {epoch}")
        visits: list[Visit] = []
        passes = max(
            -(-self._share(n, w) // n) for n, w in zip(self.lengths, self.weights, strict=True)
        )
        offset = 0
        for n_rows, weight in zip(self.lengths, self.weights, strict=True):
            share = self._share(n_rows, weight)
            for i in range(0, share, n_rows):
                chosen = rng.sample(range(n_rows), min(n_rows, share - i))
                turn = epoch * passes + i // n_rows
                visits += [Visit(turn, offset + index) for index in chosen]
            offset += n_rows
        rng.shuffle(visits)
        return visits

    def between(self, start: int, end: int) -> Iterator[Visit]:
        """The visits from position `start` up to `end`, counted from the run's first."""
        length = self.epoch_length
        for epoch in range(start // length, -(-end // length)):
            first = epoch * length
            yield from self.epoch(epoch)[max(0, start - first) : end - first]


def batches_of(
    order: VisitOrder, start: int, end: int, batch_size: int, step_size: int
) -> Iterator[list[Visit]]:
    """Visits in batches that never cross an optimiser step's end; the last may be smaller."""
    step: list[Visit] = []
    for position, visit in enumerate(order.between(start, end), start=start + 1):
        step.append(visit)
        if len(step) == step_size or position == end:
            yield from (step[i : i + batch_size] for i in range(0, len(step), batch_size))
            step = []


def make_loader(
    examples: Examples, batches: Iterator[list[Visit]], *, workers: int, pin_memory: bool
) -> DataLoader:
    """Batches in their order, read ahead by `workers` processes (0: in line)."""
    return DataLoader(
        examples,
        batch_sampler=_Once(batches),
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin_memory,
        worker_init_fn=_quiet_worker,
    )


class _Once:
    """An iterator in the shape that DataLoader wants of a batch sampler."""

    def __init__(self, batches: Iterator[list[Visit]]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[list[Visit]]:
        return self.batches


def _quiet_worker(_: int) -> None:
    """Leave signals to the main process, which saves first: they may reach the whole group."""
    signal(SIGINT, SIG_IGN)
    signal(SIGTERM, SIG_IGN)
    torch.set_num_threads(1)
