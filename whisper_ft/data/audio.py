"""Read a part of an audio file at 16 kHz, and compute Whisper's log-mel spectrogram."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor
from whisper.audio import HOP_LENGTH, N_FRAMES, SAMPLE_RATE, log_mel_spectrogram, pad_or_trim

from whisper_ft.data.audio_cache import probe_once
from whisper_ft.data.audio_info import Track, open_exactly

Samples: TypeAlias = NDArray[np.float32]  # [n_samples] in [-1, 1], at 16 kHz

# Samples; an FFT window (400) would do, but a matrix product of few columns rounds differently.
MEL_PADDING = SAMPLE_RATE // 5


def n_mel_frames(seconds: float) -> int:
    """Return the number of mel frames, of 10 ms each, after resampling to 16 kHz."""
    n_frames: int = round(seconds * SAMPLE_RATE) // HOP_LENGTH
    return n_frames


def read_audio(
    path: Path, start: float = 0.0, end: float | None = None, channel: int | None = None
) -> Samples:
    """Read float32 samples [n_samples] in [-1, 1] at 16 kHz, without decoding the rest of a file.

    `start` and `end` are seconds in the file (None: its end); `channel` counts from 0, None mixes
    all channels evenly. Raises ValueError with the reason and the remedy, and OSError.
    """
    samples, rate = _read_stretch(path, start, end)
    if channel is not None and channel >= samples.shape[1]:
        raise ValueError(f"has no channel {channel}: it has {samples.shape[1]}, counted from 0")
    mono = samples.mean(axis=1) if channel is None else samples[:, channel]
    if rate != SAMPLE_RATE and np.isfinite(mono).all():
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    if not np.isfinite(mono).all():  # in the file, or too large after resampling
        raise ValueError("holds samples that are not finite numbers: export it again")
    clipped: Samples = np.clip(mono, -1.0, 1.0)
    return clipped


def log_mel(samples: Samples, n_mels: int) -> Tensor:
    """Return the log-mel [n_mels, 3000] of at most 30 s, bit-equal to that of `transcribe`.

    `transcribe` pads the waveform by 30 s. The mel of that padding reaches neither the content's
    frames nor the model, since a window is filled up with 0.0 in log-mel. Padding by 0.2 s gives
    the same frames at a fifth of the cost.
    """
    mel = log_mel_spectrogram(torch.from_numpy(samples), n_mels, padding=MEL_PADDING)
    window: Tensor = pad_or_trim(mel[:, : len(samples) // HOP_LENGTH], N_FRAMES)
    return window


def _read_stretch(path: Path, start: float, end: float | None) -> tuple[Samples, int]:
    """Return the samples [n_samples, n_channels] of a stretch, and their rate in Hz."""
    if not path.exists():
        raise ValueError("no such file: restore it")
    info = probe_once(path)
    first = round(start * info.sample_rate)
    last = info.n_samples
    if end is not None:
        last = min(round(end * info.sample_rate), last)
    if last <= first:
        raise ValueError(f"no audio between {start} and {end} s: it ends at {info.duration:.3f} s")
    if info.track:
        return _decode(path, first, last, info.track), info.sample_rate
    samples = _read(path, first, last)
    _expect_samples(len(samples), last - first)
    return samples, info.sample_rate


def _decode(path: Path, first: int, last: int, track: Track) -> Samples:
    """Decode a file from the first sample to before the last, padded where its end is missing."""
    from whisper_ft.data.media import MAX_MISSING_SECONDS, decode  # 100 MB of libraries

    samples = decode(path, first, last, track)
    n_missing = last - first - len(samples)
    _expect_samples(len(samples) + round(MAX_MISSING_SECONDS * track.sample_rate), last - first)
    return np.pad(samples, ((0, n_missing), (0, 0)))


def _read(path: Path, first: int, last: int) -> Samples:
    """Read a file of libsndfile from the first sample to before the last."""
    file = open_exactly(path)
    if file is None:
        raise ValueError("changes while it is read: wait until it is written")
    with file:
        try:
            file.seek(first)
            samples: Samples = file.read(last - first, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            reason = error.error_string.rstrip(".")
            raise ValueError(f"libsndfile cannot read it ({reason}): restore it") from None
    return samples


def _expect_samples(n_samples: int, n_wanted: int) -> None:
    if n_samples < n_wanted:
        raise ValueError(
            f"{n_wanted} samples were found when it was checked, but only {n_samples} can be read: "
            "restore the damaged file"
        )
