"""Before a run with a frozen encoder: each row encoded once, what others did taken over."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm
from whisper.audio import SAMPLE_RATE
from whisper.model import Whisper

from whisper_ft.config.train import TrainConfig
from whisper_ft.data.audio import log_mel
from whisper_ft.data.dataset import Examples, RowError, read_row_audio, row_error
from whisper_ft.data.feature_cache import FeatureCache, FeatureKey, feature_bytes, write_features
from whisper_ft.data.loader import init_worker, next_batch, open_batches
from whisper_ft.data.row import Row
from whisper_ft.models.loss import encode


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
    assert examples.feature_paths is not None
    wanted = {path: key for key, path in examples.feature_paths.items() if path in missing}
    sounds = _Sounds(examples, list(wanted.items()))
    loader = DataLoader(
        sounds,
        batch_size=batch_size,
        num_workers=workers,
        collate_fn=list,
        worker_init_fn=init_worker,
    )
    bar = tqdm(total=len(wanted), desc="encoding rows once", unit="row")
    with bar, torch.no_grad(), open_batches(loader) as batches:
        for _ in range(len(loader)):
            if stop():
                return
            sound = next_batch(batches)
            for one in sound:
                if isinstance(one, RowError):
                    raise one
            paths, mels, seconds = zip(*sound, strict=True)
            device = model.device
            with torch.autocast(device.type, dtype=amp_dtype, enabled=amp_dtype is not None):
                features = encode(model.encoder, torch.stack(mels).to(device))
            for path, feature, n_seconds in zip(paths, features, seconds, strict=True):
                write_features(path, feature, n_seconds)
            bar.update(len(paths))


@dataclass(frozen=True)
class _Sounds(Dataset):
    """What there is to encode: (path, mel [n_mels, 3000], seconds), or the error of a row."""

    examples: Examples
    wanted: list[tuple[Path, FeatureKey]]

    def __len__(self) -> int:
        return len(self.wanted)

    def __getitem__(self, number: int) -> tuple[Path, Tensor, float] | RowError:
        path, (index, timestamps) = self.wanted[number]
        row = self.examples.rows[index]
        try:
            samples, _ = read_row_audio(row, timestamps=timestamps)
            return path, log_mel(samples, self.examples.n_mels), len(samples) / SAMPLE_RATE
        except RowError as error:
            return error
        except Exception as error:
            return row_error(row.place, error)


def find_features(
    config: TrainConfig,
    amp_dtype: torch.dtype | None,
    model: Whisper,
    rows: Sequence[Row],
    visited: Sequence[int],
) -> tuple[dict[FeatureKey, Path], frozenset[Path]]:
    """(where the features of visited rows are kept, those that are not yet there).

    Raises ValueError for more than may be written.
    """
    root = Path(config.feature_cache)
    cache = FeatureCache(root, model.encoder, str(amp_dtype))
    try:
        cache.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache.folder):
            cache.remove_partial_files()
    except OSError as error:
        raise ValueError(
            f"--feature-cache: {root}: cannot be written ({error.strerror}): choose another folder"
        ) from None
    try:
        known = cache.paths(rows, visited)
    except OSError as error:
        raise ValueError(
            f"{error.filename}: cannot be read ({error.strerror}): correct it, or remove its rows"
        ) from None
    unencoded = frozenset(cache.find_missing(set(known.values())))
    size, free = len(unencoded) * feature_bytes(model.dims), shutil.disk_usage(root).free
    room = min(config.feature_cache_gb * 1e9, free)
    if size > room:
        raise ValueError(
            f"--feature-cache: {root}: {len(unencoded)} rows need {size / 1e9:.3f} GB, and "
            f"{room / 1e9:.3f} may be written ({free / 1e9:.1f} are free): raise "
            "--feature-cache-gb, choose another disk, or leave the cache out"
        )
    return known, unencoded
