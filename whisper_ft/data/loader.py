"""Batches of examples, loaded by worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from signal import SIG_IGN, SIGINT, SIGTERM, signal
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from whisper_ft.data.dataset import Example, Examples, RowError
from whisper_ft.data.sampler import ExampleIndex
from whisper_ft.runtime.signals import default_child_signals
from whisper_ft.text.tokens import IGNORE


class WorkerError(Exception):
    """A worker process that died; no row is to blame."""


@dataclass(frozen=True)
class Batch:
    mel: Tensor | None  # float32 [B, n_mels, 3000]; None where the features are known
    tokens: Tensor  # int64 [B, T], padded to the right with 0, which no learned position sees
    targets: Tensor  # int64 [B, T], padded with -100
    places: tuple[str, ...]  # of the rows
    n_fallbacks: int = 0
    features: Tensor | None = None  # float16 [B, n_audio_ctx, n_audio_state]

    @property
    def n_targets(self) -> int:
        return int((self.targets != IGNORE).sum())

    def split(self, n_rows: int) -> list[Batch]:
        """The same rows in batches of at most so many."""
        return [
            replace(
                self._with(lambda tensor, first=first: tensor[first : first + n_rows]),  # type: ignore[misc]
                places=self.places[first : first + n_rows],
                n_fallbacks=0 if first else self.n_fallbacks,
            )
            for first in range(0, len(self.places), n_rows)
        ]

    def pin_memory(self) -> Batch:
        """What DataLoader calls, so that copies to a GPU need not wait."""
        return self._with(Tensor.pin_memory)

    def to(self, device: torch.device) -> Batch:
        return self._with(lambda tensor: tensor.to(device, non_blocking=True))

    def _with(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return replace(
            self,
            mel=None if self.mel is None else change(self.mel),
            features=None if self.features is None else change(self.features),
            tokens=change(self.tokens),
            targets=change(self.targets),
        )


def collate(examples: Sequence[Example | RowError]) -> Batch | RowError:
    """Stack examples; the first error among them stands for the batch."""
    for example in examples:
        if isinstance(example, RowError):
            return example
    mels, tokens, targets, places, n_fallbacks, features = zip(*examples, strict=True)
    ids = padded(list(zip(tokens, targets, strict=True)))
    mel, known = (None if s[0] is None else torch.stack(s) for s in (mels, features))
    return Batch(mel, *ids, places, sum(n_fallbacks), known)


def padded(examples: Sequence[tuple[list[int], list[int]]]) -> tuple[Tensor, Tensor]:
    """(tokens, targets) of examples, int64 [B, T]: see Batch."""
    tokens, targets = zip(*examples, strict=True)
    return (
        pad_sequence([torch.tensor(ids) for ids in tokens], batch_first=True, padding_value=0),
        pad_sequence(
            [torch.tensor(ids) for ids in targets], batch_first=True, padding_value=IGNORE
        ),
    )


def make_loader(
    examples: Examples, batches: Iterator[list[ExampleIndex]], *, workers: int, pin_memory: bool
) -> DataLoader:
    """Batches in their order, read ahead by `workers` processes (0: in line)."""
    return DataLoader(
        examples,
        batch_sampler=_BatchSampler(batches),
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin_memory,
        worker_init_fn=init_worker,
    )


@contextmanager
def open_batches(loader: DataLoader) -> Iterator[Iterator[Any]]:
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


def next_batch(batches: Iterator[Any]) -> Any:
    """The next of what workers make. Raises WorkerError where one of them is gone."""
    try:
        return next(batches)
    except (RuntimeError, OSError, EOFError) as error:  # as torch tells of it
        raise WorkerError(f"a worker process died ({error}): was memory short?") from error


class _BatchSampler:
    """An iterator in the shape that DataLoader wants of a batch sampler."""

    def __init__(self, batches: Iterator[list[ExampleIndex]]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[list[ExampleIndex]]:
        return self.batches


def init_worker(_: int) -> None:
    """Leave signals to the main process, which saves first: they may reach the whole group."""
    signal(SIGINT, SIG_IGN)
    signal(SIGTERM, SIG_IGN)
    torch.set_num_threads(1)
