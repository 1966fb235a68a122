"""Encode each row once before a run with a frozen encoder, into the feature cache."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
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
from whisper_ft.runtime.progress import progress_bar


class FeatureWriteError(Exception):
    """Encoder output that could not be written to the feature cache."""


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
    """Write the encoder output that is missing, until `stop()`; what is written stays.

    Raises RowError for unreadable audio, unless other rows stand in for it, WorkerError for a
    worker process that died, and FeatureWriteError.
    """
    assert examples.feature_paths is not None
    wanted = {path: key for key, path in examples.feature_paths.items() if path in missing}
    loader = DataLoader(
        _RowMels(examples, list(wanted.items())),
        batch_size=batch_size,
        num_workers=workers,
        collate_fn=list,
        worker_init_fn=init_worker,
    )
    bar: tqdm[None] = progress_bar(total=len(wanted), description="encoding audio", unit="row")
    with bar, torch.no_grad(), open_batches(loader) as batches:
        for _ in range(len(loader)):
            if stop():
                return
            batch = next_batch(batches)
            readable = [row_mel for row_mel in batch if not isinstance(row_mel, RowError)]
            for row_mel in batch:
                if isinstance(row_mel, RowError) and not examples.stand_ins:
                    raise row_mel
            if readable:
                _encode_batch(model, readable, amp_dtype)
            bar.update(len(batch))


def _encode_batch(
    model: Whisper, batch: Sequence[tuple[Path, Tensor, float]], amp_dtype: torch.dtype | None
) -> None:
    paths, mels, durations = zip(*batch, strict=True)
    device = model.device
    with torch.autocast(device.type, dtype=amp_dtype, enabled=amp_dtype is not None):
        features = encode(model.encoder, torch.stack(mels).to(device))
    for path, feature, seconds in zip(paths, features, durations, strict=True):
        try:
            write_features(path, feature, seconds)
        except OSError as error:
            raise FeatureWriteError(error.strerror or str(error)) from error


@dataclass(frozen=True)
class _RowMels(Dataset[tuple[Path, Tensor, float] | RowError]):
    """(path of the features, mel [n_mels, 3000], seconds) of each row, or the error of a row."""

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


@dataclass(frozen=True)
class CachedFeatures:
    """Where the encoder output of each row is kept, and which of it is still to be computed."""

    paths: dict[FeatureKey, Path] | None = None  # None: the cache is not used
    missing: frozenset[Path] = frozenset()


def find_features(
    config: TrainConfig,
    amp_dtype: torch.dtype | None,
    model: Whisper,
    rows: Sequence[Row],
    sampled: Iterable[int],
) -> CachedFeatures:
    """Find the cached encoder output of the rows of these indices.

    Raises ValueError for a folder that cannot be written, audio that cannot be read, and features
    that would take more space than there is or than `--feature-cache-gb` allows.
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
        paths = cache.paths(rows, sorted(set(sampled)))
    except OSError as error:
        raise ValueError(
            f"{error.filename}: cannot be read ({error.strerror}): correct it, or remove its rows"
        ) from None
    missing = frozenset(cache.find_missing(set(paths.values())))
    _check_cache_space(config, len(missing), len(missing) * feature_bytes(model.dims))
    return CachedFeatures(paths, missing)


def _check_cache_space(config: TrainConfig, n_missing: int, n_bytes: int) -> None:
    free = shutil.disk_usage(config.feature_cache).free
    allowed = min(config.feature_cache_gb * 1e9, free)
    if n_bytes > allowed:
        raise ValueError(
            f"--feature-cache: {config.feature_cache}: {n_missing} rows need {n_bytes / 1e9:.3f} "
            f"GB, and {allowed / 1e9:.3f} GB may be written ({free / 1e9:.1f} GB are free): raise "
            "--feature-cache-gb, choose another disk, or leave the cache out"
        )
