"""Before a run with a frozen encoder: each row encoded once, what others did taken over."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm
from whisper.model import Whisper

from whisper_ft.data.audio import SAMPLE_RATE, log_mel
from whisper_ft.data.dataset import Examples, RowError, hear, next_of, quiet_worker
from whisper_ft.data.feature_cache import Wanted, write_features
from whisper_ft.models.loss import encode
from whisper_ft.runtime.signals import leave_children_be


def encode_rows(
    model: Whisper,
    examples: Examples,
    missing: Collection[Path],
    *,
    amp_dtype: torch.dtype | None,
    batch_size: int,
    workers: int,
    stop: Callable[[], bool],
) -> None:
    """Encode what is missing, until asked to stop; what is written stays for the next run.

    Raises RowError for unreadable audio, WorkerError for a process that died, OSError for features
    that cannot be written.
    """
    assert examples.encoded is not None
    wanted = {path: key for key, path in examples.encoded.items() if path in missing}
    sounds = _Sounds(examples, list(wanted.items()))
    loader = DataLoader(
        sounds,
        batch_size=batch_size,
        num_workers=workers,
        collate_fn=list,
        worker_init_fn=quiet_worker,
    )
    batches = iter(loader)
    leave_children_be()  # as in the loop: a worker's death is told by next_of
    bar = tqdm(total=len(wanted), desc="encoding rows once", unit="row")
    with bar, torch.no_grad():
        for _ in range(len(loader)):
            if stop():
                return
            sound = next_of(batches)
            for one in sound:
                if isinstance(one, RowError):
                    raise RowError(str(one))  # a new one, which keeps no worker alive
            paths, mels, seconds = zip(*sound, strict=True)
            device = model.device
            with torch.autocast(device.type, dtype=amp_dtype, enabled=amp_dtype is not None):
                features = encode(model, torch.stack(mels).to(device))
            for path, feature, n_seconds in zip(paths, features, seconds, strict=True):
                write_features(path, feature, n_seconds)
            bar.update(len(paths))


@dataclass(frozen=True)
class _Sounds(Dataset):
    """What there is to encode: (path, mel [n_mels, 3000], seconds), or the error of a row."""

    examples: Examples
    wanted: list[tuple[Path, Wanted]]

    def __len__(self) -> int:
        return len(self.wanted)

    def __getitem__(self, number: int) -> tuple[Path, Tensor, float] | RowError:
        path, (index, timestamps) = self.wanted[number]
        try:
            samples, _ = hear(self.examples.rows[index], timestamps=timestamps)
        except RowError as error:
            return error
        return path, log_mel(samples, self.examples.n_mels), len(samples) / SAMPLE_RATE
