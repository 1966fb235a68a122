"""A stretch of an audio file, at 16 kHz, as Whisper's log-mel."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import NamedTuple

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor
from whisper.audio import HOP_LENGTH, N_FRAMES, SAMPLE_RATE, log_mel_spectrogram, pad_or_trim

MAX_RATE = 1 << 22  # samples a second in all channels, as of 20 at 192 kHz: half a minute is 500 MB
# Samples; an FFT window (400) would do, but a matrix product of few columns rounds otherwise.
MEL_PADDING = SAMPLE_RATE // 5


class AudioInfo(NamedTuple):
    """What a file's header says."""

    sample_rate: int  # Hz
    n_samples: int  # per channel, at that rate
    n_channels: int
    stamp: int  # of the file as it was then: see `stamp`

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.n_samples / self.sample_rate


def probe(path: Path) -> AudioInfo:
    """Read a file's header. Raises ValueError, with the remedy, where there is no audio to read."""
    if not path.is_file():
        what = "not a file" if path.exists() else "no such file"
        raise ValueError(f"{what}: correct the path, or remove the row")
    if path.stat().st_size == 0:
        raise ValueError("an empty file: restore it or remove the row")
    seen = stamp(path)
    try:
        info = soundfile.info(path)
    except UnicodeEncodeError:
        raise ValueError("its name is not UTF-8, which libsndfile needs: rename it") from None
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: headerless .raw
        raise ValueError(_unreadable(path, error)) from None
    if info.samplerate * info.channels > MAX_RATE:
        raise ValueError(
            f"{info.channels} channels at {info.samplerate} Hz: at most {MAX_RATE} samples a "
            "second can be read: is it audio?"
        )
    if info.frames <= 0:
        raise ValueError("holds no samples: restore it or remove the row")
    return AudioInfo(info.samplerate, info.frames, info.channels, seen)


def stamp(path: Path) -> int:
    """A number that a file's size and time give, and that another content hardly has."""
    stat = path.stat()
    return hash((stat.st_size, stat.st_mtime_ns))


def n_mel_frames(seconds: float) -> int:
    """Mel frames, 10 ms each, of a stretch after resampling to 16 kHz."""
    return round(seconds * SAMPLE_RATE) // HOP_LENGTH


def read_audio(
    path: Path, start: float = 0.0, end: float | None = None, channel: int | None = None
) -> np.ndarray:
    """float32 samples [n_samples] in [-1, 1] at 16 kHz of a stretch, reached by seeking.

    `start` and `end` are seconds in the file (None: its end); `channel` counts from 0, None mixes
    all channels evenly. Raises ValueError with what is wrong and what to do.
    """
    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            first = round(start * rate)
            last = file.frames if end is None else min(round(end * rate), file.frames)
            if last <= first:
                raise ValueError(
                    f"no audio between {start} and {end} s: it ends at {file.frames / rate:.3f} s"
                )
            file.seek(first)
            samples = file.read(last - first, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, TypeError) as error:
        raise ValueError(_unreadable(path, error)) from None
    if len(samples) < last - first:
        raise ValueError(
            f"the header promises {last - first} samples, {len(samples)} can be read: "
            "the file is damaged, restore it"
        )
    if channel is not None and channel >= samples.shape[1]:
        raise ValueError(f"channel {channel} is not there: it has {samples.shape[1]}, from 0")
    mono = samples.mean(axis=1) if channel is None else samples[:, channel]
    if rate != SAMPLE_RATE and np.isfinite(mono).all():
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    if not np.isfinite(mono).all():  # or so large that resampling has made them so
        raise ValueError("holds samples that are not finite numbers: export it again")
    return np.clip(mono, -1.0, 1.0)


def log_mel(samples: np.ndarray, n_mels: int) -> Tensor:
    """Log-mel [n_mels, 3000] of at most 30 s, bit-equal to what `transcribe(samples)` decodes.

    `transcribe` pads the waveform by 30 s, whose mel then reaches neither the content's frames
    nor, by its own padding, the model: a window's rest is filled with 0.0 in log-mel. A fifth of
    a second gives the same frames at a fifth of the cost.
    """
    mel = log_mel_spectrogram(torch.from_numpy(samples), n_mels, padding=MEL_PADDING)
    return pad_or_trim(mel[:, : len(samples) // HOP_LENGTH], N_FRAMES)


def _unreadable(path: Path, error: Exception) -> str:
    what = str(error).rstrip(".").split(": ")[-1]
    source, target = quote(path.name), quote(path.stem + ".flac")
    return (
        f"libsndfile cannot read it ({what}): "
        f"convert it with: ffmpeg -i {source} -ar 16000 -ac 1 {target}"
    )
