"""Batches of examples, loaded by worker processes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import dropwhile
from signal import SIG_IGN, SIGINT, SIGTERM, signal
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from whisper_ft.data.dataset import Example, Examples, RowError
from whisper_ft.data.sampler import ExampleIndex
from whisper_ft.runtime.signals import default_child_signals
from whisper_ft.text.tokens import IGNORE

T = TypeVar("T")
# Texts are padded to a multiple of this, a divisor of n_text_ctx. With fewer lengths, oneDNN keeps
# less compiled code, and the heap has fewer gaps: a quarter less memory after 60 steps on a CPU.
LENGTH_MULTIPLE = 16
OF_ROWS = ("mel", "features")  # tensors of a batch that have one item a row; others, one a text
# How torch begins an exception that a worker raised, and one for a worker that died.
CAUGHT = re.compile(r"Caught \S+ in DataLoader worker process")
DIED = re.compile(r"DataLoader worker \(pid")


class WorkerError(Exception):
    """A worker process died or failed; no row is to blame."""


@dataclass(frozen=True)
class Batch:
    """Stacked examples: B texts of R rows, one of each unless some have a contrast."""

    mel: Tensor | None  # float32 [R, n_mels, 3000]; None if features are given
    tokens: Tensor  # int64 [B, T], padded to the right with 0, which no learned position sees
    targets: Tensor  # int64 [B, T], padded with -100
    places: tuple[str, ...]  # of the rows
    n_fallbacks: int = 0
    unreadable: tuple[str, ...] = ()  # errors of rows in whose place others stand
    features: Tensor | None = None  # float16 [R, n_audio_ctx, n_audio_state]
    text_rows: Tensor | None = None  # int64 [B], the row of each text; None: text i is of row i
    weights: Tensor | None = None  # float32 [B, T], of targets in the cross-entropy; None: 1
    teacher_weights: Tensor | None = None  # float32 [B, T], in the divergence; None: 1
    learns_kind: Tensor | None = None  # bool [B, T], see models/loss.py; None: no weights

    @property
    def n_targets(self) -> int:
        return int((self.targets != IGNORE).sum())

    def split(self, n_rows: int) -> list[Batch]:
        """Return the same rows in batches of at most n_rows."""
        return [self._part(first, n_rows) for first in range(0, len(self.places), n_rows)]

    def _part(self, first: int, n_rows: int) -> Batch:
        rows = slice(first, first + n_rows)
        texts: slice | Tensor = rows
        if self.text_rows is not None:
            texts = (self.text_rows >= first) & (self.text_rows < first + n_rows)
        parts: dict[str, Any] = {
            name: tensor[rows if name in OF_ROWS else texts]
            for name, tensor in self._tensors().items()
        }
        if self.text_rows is not None:
            parts["text_rows"] -= first
        n_fallbacks = 0 if first else self.n_fallbacks
        return replace(self, **parts, places=self.places[rows], n_fallbacks=n_fallbacks)

    def pin_memory(self) -> Batch:
        """Return the batch in pinned memory; DataLoader calls this for faster copies to a GPU."""
        return self._map(Tensor.pin_memory)

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def _map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        changed: dict[str, Any] = {name: change(each) for name, each in self._tensors().items()}
        return replace(self, **changed)

    def _tensors(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def collate(examples: Sequence[Example | RowError]) -> Batch | RowError:
    """Stack examples into a batch, or return the first error among them."""
    for example in examples:
        if isinstance(example, RowError):
            return example
    whole = [example for example in examples if isinstance(example, Example)]
    texts = [(row, text) for row, example in enumerate(whole) for text in example.texts]
    tokens, targets = pad_tokens([(text.tokens, text.targets) for _, text in texts])
    weights = [text.weights for _, text in texts if text.weights is not None]
    mels = [example.mel for example in whole if example.mel is not None]
    features = [example.features for example in whole if example.features is not None]
    return Batch(
        mel=torch.stack(mels) if mels else None,
        tokens=tokens,
        targets=targets,
        places=tuple(example.place for example in whole),
        n_fallbacks=sum(example.n_fallbacks for example in whole),
        unreadable=tuple(error for example in whole for error in example.unreadable),
        features=torch.stack(features) if features else None,
        text_rows=torch.tensor([row for row, _ in texts]) if len(texts) > len(whole) else None,
        weights=_pad_each([some.loss for some in weights]),
        teacher_weights=_pad_each([some.teacher for some in weights]),
        learns_kind=_pad_each([some.learns_kind for some in weights]),
    )


def pad_tokens(examples: Sequence[tuple[list[int], list[int]]]) -> tuple[Tensor, Tensor]:
    """Return (tokens, targets) of B examples as int64 [B, T], padded as in Batch."""
    tokens, targets = zip(*examples, strict=True)
    return _pad(tokens, 0), _pad(targets, IGNORE)


def _pad_each(values: Sequence[Sequence[float]]) -> Tensor | None:
    """Return a value per target of B texts as [B, T], None for none."""
    return _pad(values, 0) if values else None


def _pad(rows: Sequence[Sequence[float]], value: float) -> Tensor:
    """Stack rows of numbers, padded on the right to one length [B, T]."""
    padded = pad_sequence(list(map(torch.tensor, rows)), batch_first=True, padding_value=value)
    return F.pad(padded, (0, -padded.shape[1] % LENGTH_MULTIPLE), value=value)


def make_loader(
    examples: Examples, batches: Iterator[list[ExampleIndex]], *, workers: int, pin_memory: bool
) -> DataLoader[Example | RowError]:
    """Return a loader of the batches in order, read ahead by `workers` processes (0: none)."""
    return DataLoader(
        examples,
        batch_sampler=_BatchSampler(batches),
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin_memory,
        worker_init_fn=init_worker,
    )


@contextmanager
def open_batches(loader: DataLoader[Any]) -> Iterator[Iterator[Any]]:
    """Iterate over a loader, and end its worker processes when the block is left.

    A worker ignores SIGTERM, so that one left over would keep Python waiting for it at exit. A
    worker that dies is reported by `next_batch` and not by torch's signal handler, which would
    raise at any moment.
    """
    batches = iter(loader)
    with default_child_signals():
        try:
            yield batches
        finally:
            _end_workers(batches)


def _end_workers(batches: Iterator[Any]) -> None:
    """Ask worker processes to end, and kill those that do not within seconds."""
    if shut_down := getattr(batches, "_shutdown_workers", None):  # absent where there are none
        shut_down()
    for worker in getattr(batches, "_workers", ()):
        if worker.is_alive():
            worker.kill()


def next_batch(batches: Iterator[T]) -> T:
    """Return the next batch of a loader.

    Raises WorkerError if a worker process died or raised an exception, except StopIteration and
    MemoryError.
    """
    try:
        return next(batches)
    except (StopIteration, MemoryError):
        raise
    except Exception as error:
        if (problem := _worker_problem(error)) is None:
            raise
        raise WorkerError(problem) from error


def _worker_problem(error: Exception) -> str | None:
    """Return what an exception of a loader says about its workers, None for another exception."""
    text = str(error)
    if isinstance(error, KeyError) and error.args:
        text = str(error.args[0])  # str() would show the line ends as \n
    if CAUGHT.match(text):  # torch raises the worker's exception again, with its traceback
        lines = text.rpartition("Traceback (most recent call last):\n")[2].splitlines()
        message = list(dropwhile(lambda line: line.startswith(" "), lines))
        return f"a worker process failed: {' '.join(map(str.strip, message))}"
    text = " ".join(text.split())
    if DIED.match(text) or isinstance(error, OSError | EOFError):  # its pipe is closed
        return f"a worker process died ({text}): it may have run out of memory"
    return f"reading batches failed: {text}" if isinstance(error, RuntimeError) else None


class _BatchSampler:
    """An iterator in the form that DataLoader needs for a batch sampler."""

    def __init__(self, batches: Iterator[list[ExampleIndex]]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[list[ExampleIndex]]:
        return self.batches


def init_worker(_: int) -> None:
    """Ignore signals to the process group, so that the main process can save before it ends."""
    signal(SIGINT, SIG_IGN)
    signal(SIGTERM, SIG_IGN)
    torch.set_num_threads(1)
