"""What a frozen encoder hears, computed once for each row and kept on disk."""

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

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from whisper.audio import N_FRAMES
from whisper.model import AudioEncoder, ModelDimensions

from whisper_ft.data.row import CUT_SLACK, MAX_SECONDS, Row

HEADER_BYTES = 128  # of an array in NumPy's format
TAIL = struct.Struct("<dI")  # after it: seconds of sound, and a checksum of all before
LEFT_BEHIND = 3600  # seconds after which what is half-written belongs to a writer that is gone


FeatureKey = tuple[int, bool]  # a row's index, and whether it is heard as with timestamps


class FeatureCache:
    """Features [n_audio_ctx, n_audio_state] in float16, a file for each stretch of audio.

    Its name comes from the contents of the audio file, and its folder's from the encoder's weights
    and the precision that it runs in: what differs in any of them is never taken for it.
    """

    def __init__(self, root: Path, encoder: AudioEncoder, precision: str) -> None:
        digest = hashlib.sha256(f"{precision} {encoder.conv1.weight.device.type}".encode())
        for name, tensor in encoder.state_dict().items():
            digest.update(name.encode() + tensor.cpu().numpy().tobytes())
        self.folder = root / digest.hexdigest()[:32]
        self.file_bytes = _file_bytes(*encoder.positional_embedding.shape)

    def path(self, row: Row, *, timestamps: bool) -> Path:
        """Where the features of a checked row are, or will be, kept.

        Of a row that its end cuts, less is heard without timestamps. Raises OSError for a file
        that cannot be read.
        """
        parts = [(_contents(p.audio), p.start, p.end, p.channel) for p in row.parts or (row,)]
        last = row.resolved_segments(row.duration or 0.0)[-1]
        until = last.start if last.end is None and not timestamps else None
        name = hashlib.sha256(json.dumps([parts, until]).encode()).hexdigest()
        return self.folder / name[:2] / f"{name[2:34]}.npy"

    def paths(self, rows: Sequence[Row], visited: Sequence[int]) -> dict[FeatureKey, Path]:
        """`path` of the rows of these indices, with timestamps and without."""
        bar = tqdm(visited, "reading audio's contents", disable=len(visited) < 1000)
        return {
            (index, timestamps): self.path(rows[index], timestamps=timestamps)
            for index in bar
            for timestamps in (True, False)
        }

    def tidy(self) -> None:
        """Remove what writers that were killed have left half-written."""
        for partial in self.folder.glob("*/*.partial"):
            with suppress(FileNotFoundError):
                if partial.stat().st_mtime < time.time() - LEFT_BEHIND:
                    partial.unlink()

    def missing(self, paths: Iterable[Path]) -> set[Path]:
        """Those that are not there, or not whole."""
        return {
            path for path in paths if not path.exists() or path.stat().st_size != self.file_bytes
        }


def feature_bytes(dims: ModelDimensions) -> int:
    """Size of the features of a row on disk."""
    return _file_bytes(dims.n_audio_ctx, dims.n_audio_state)


def _file_bytes(n_audio_ctx: int, n_audio_state: int) -> int:
    return HEADER_BYTES + 2 * n_audio_ctx * n_audio_state + TAIL.size


def read_features(path: Path) -> tuple[Tensor, float]:
    """(features, float16 [1500, n_audio_state], mapped from the disk; seconds of sound).

    Raises ValueError for a file that is not as it was written, OSError for one that is not there.
    """
    content = np.memmap(path, np.uint8, mode="r")
    if len(content) < TAIL.size:
        raise ValueError(f"{path}: cut short: remove it, and it is computed again")
    seconds, checksum = TAIL.unpack(content[-TAIL.size :].tobytes())
    if zlib.crc32(content[: -TAIL.size].data) != checksum:
        raise ValueError(f"{path}: damaged: remove it, and it is computed again")
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
        raise ValueError(f"{path}: of {seconds} s: not features: remove it")
    return torch.from_numpy(features), seconds


def write_features(path: Path, features: Tensor, seconds: float) -> None:
    """Keep a row's features; whoever else writes the same at the same time does no harm."""
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


def _contents(path: Path) -> str:
    """A digest of what a file holds."""
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    """Of a file of this size and time, which are there to forget it by."""
    digest = hashlib.blake2b()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
