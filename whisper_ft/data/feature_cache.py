"""Disk cache of encoder output for frozen-encoder training."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from whisper.audio import N_FRAMES
from whisper.model import AudioEncoder, ModelDimensions

from whisper_ft.data.row import CUT_SLACK, MAX_SECONDS, Row
from whisper_ft.runtime.progress import progress_bar

HEADER_BYTES = 128  # of an array in NumPy's format
TAIL = struct.Struct("<dI")  # after the array: seconds of audio, and a checksum of all before
STALE_SECONDS = 3600  # age of a partial file whose writer is assumed dead
BAR_ROWS = 1000  # rows that show a progress bar

FeatureKey: TypeAlias = tuple[int, bool]  # (index of a row, whether its example has timestamps)


class FeatureCache:
    """Encoder output [n_audio_ctx, n_audio_state] in float16, one file per stretch of audio.

    The name of a file is a hash of the audio file's content and the stretch, the name of its
    folder one of the encoder's weights, precision and device. So no file is used for another input.
    """

    def __init__(self, root: Path, encoder: AudioEncoder, precision: str) -> None:
        digest = hashlib.sha256(f"{precision} {encoder.conv1.weight.device.type}".encode())
        for name, tensor in encoder.state_dict().items():
            digest.update(name.encode() + tensor.cpu().numpy().tobytes())
        self.folder = root / digest.hexdigest()[:32]
        self.file_bytes = _file_bytes(*encoder.positional_embedding.shape)

    def path(self, row: Row, *, timestamps: bool) -> Path:
        """Return the file for the features of a checked row, whether it exists or not.

        Without timestamps a row that cuts a segment has less audio: see `read_row_audio`. Raises
        OSError for an audio file that cannot be read.
        """
        parts = [(_content_digest(p.audio), p.start, p.end, p.channel) for p in row.parts or (row,)]
        last = row.resolved_segments(row.duration or 0.0)[-1]
        until = last.start if last.end is None and not timestamps else None
        name = hashlib.sha256(json.dumps([parts, until]).encode()).hexdigest()
        return self.folder / name[:2] / f"{name[2:34]}.npy"

    def paths(self, rows: Sequence[Row], indices: Sequence[int]) -> dict[FeatureKey, Path]:
        """Return `path` for the rows at some indices, with timestamps and without."""
        hidden = len(indices) < BAR_ROWS
        bar = progress_bar(indices, "hashing audio files", hidden=hidden, unit="row")
        return {
            (index, timestamps): self.path(rows[index], timestamps=timestamps)
            for index in bar
            for timestamps in (True, False)
        }

    def remove_partial_files(self) -> None:
        """Remove the partial files of writers that were killed."""
        for partial in self.folder.glob("*/*.partial"):
            with suppress(FileNotFoundError):
                if partial.stat().st_mtime < time.time() - STALE_SECONDS:
                    partial.unlink()

    def find_missing(self, paths: Iterable[Path]) -> set[Path]:
        """Return the files that do not exist or are not complete."""
        return {
            path for path in paths if not path.exists() or path.stat().st_size != self.file_bytes
        }


def feature_bytes(dims: ModelDimensions) -> int:
    """Return the size in bytes of a row's features on disk."""
    return _file_bytes(dims.n_audio_ctx, dims.n_audio_state)


def _file_bytes(n_audio_ctx: int, n_audio_state: int) -> int:
    return HEADER_BYTES + 2 * n_audio_ctx * n_audio_state + TAIL.size


def read_features(path: Path) -> tuple[Tensor, float]:
    """Return (features, seconds of audio); features are float16 [1500, n_audio_state], mapped.

    Raises ValueError for a file that changed after it was written, OSError for a missing one.
    """
    content = np.memmap(path, np.uint8, mode="r")
    if len(content) < TAIL.size:
        raise ValueError(f"{path}: truncated: remove it, and it will be computed again")
    seconds, checksum = TAIL.unpack(content[-TAIL.size :].tobytes())
    if zlib.crc32(content[: -TAIL.size].data) != checksum:
        raise ValueError(f"{path}: damaged: remove it, and it will be computed again")
    try:
        features = np.load(path, mmap_mode="c", allow_pickle=False)
    except Exception as error:  # NumPy reads a header with Python's tokenizer, which has its own
        what = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path}: not features ({what}): remove it") from None
    if not isinstance(features, np.ndarray):
        raise ValueError(f"{path}: not features (an archive): remove it")
    if features.dtype != np.float16 or features.ndim != 2 or len(features) != N_FRAMES // 2:
        raise ValueError(f"{path}: {features.dtype} {features.shape}: not features: remove it")
    if not 0 <= seconds <= MAX_SECONDS + CUT_SLACK:
        raise ValueError(f"{path}: {seconds} s of audio: not features: remove it")
    return torch.from_numpy(features), seconds


def write_features(path: Path, features: Tensor, seconds: float) -> None:
    """Write a row's features; several processes may write the same file at the same time."""
    content = io.BytesIO()
    np.save(content, features.to("cpu", torch.float16).contiguous().numpy())
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.partial")
    try:
        tail = TAIL.pack(seconds, zlib.crc32(content.getbuffer()))
        partial.write_bytes(content.getvalue() + tail)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _content_digest(path: Path) -> str:
    """Return a hash of a file's content."""
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    """Hash a file; its size and time are arguments so that a changed file is hashed again."""
    digest = hashlib.blake2b()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
