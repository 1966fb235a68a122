"""Read a part of an audio file at 16 kHz, and compute Whisper's log-mel spectrogram."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import NamedTuple, TypeAlias

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor
from whisper.audio import HOP_LENGTH, N_FRAMES, SAMPLE_RATE, log_mel_spectrogram, pad_or_trim

Samples: TypeAlias = NDArray[np.float32]  # [n_samples] in [-1, 1], at 16 kHz

MAX_RATE = 1 << 22  # samples per second in all channels, as 20 at 192 kHz: 30 s are 500 MB
# Samples; an FFT window (400) would do, but a matrix product of few columns rounds differently.
MEL_PADDING = SAMPLE_RATE // 5


class AudioInfo(NamedTuple):
    """The header of an audio file."""

    sample_rate: int  # Hz
    n_samples: int  # per channel, at that rate
    n_channels: int
    stamp: int  # see file_stamp

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.n_samples / self.sample_rate


def probe(path: Path) -> AudioInfo:
    """Read a file's header. Raises ValueError, with the remedy, if there is no audio to read."""
    if not path.is_file():
        what = "not a file" if path.exists() else "no such file"
        raise ValueError(f"{what}: correct the path")
    if path.stat().st_size == 0:
        raise ValueError("an empty file: restore it")
    stamp = file_stamp(path)
    try:
        info = soundfile.info(path)
    except UnicodeEncodeError:
        raise ValueError("its name is not UTF-8, which libsndfile needs: rename it") from None
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: headerless .raw
        raise ValueError(_describe_unreadable(path, error)) from None
    if info.samplerate * info.channels > MAX_RATE:
        raise ValueError(
            f"{info.channels} channels at {info.samplerate} Hz: at most {MAX_RATE} samples per "
            "second can be read: check that it is audio"
        )
    if info.frames <= 0:
        raise ValueError("holds no samples: restore it")
    return AudioInfo(info.samplerate, info.frames, info.channels, stamp)


def file_stamp(path: Path) -> int:
    """Return a number made from a file's size and time, which changes with its content."""
    stat = path.stat()
    return hash((stat.st_size, stat.st_mtime_ns))


def n_mel_frames(seconds: float) -> int:
    """Return the number of mel frames, of 10 ms each, after resampling to 16 kHz."""
    n_frames: int = round(seconds * SAMPLE_RATE) // HOP_LENGTH
    return n_frames


def read_audio(
    path: Path, start: float = 0.0, end: float | None = None, channel: int | None = None
) -> Samples:
    """Read float32 samples [n_samples] in [-1, 1] at 16 kHz, without decoding the rest of a file.

    `start` and `end` are seconds in the file (None: its end); `channel` counts from 0, None mixes
    all channels evenly. Raises ValueError with the reason and the remedy.
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
        raise ValueError(_describe_unreadable(path, error)) from None
    if len(samples) < last - first:
        raise ValueError(
            f"the header promises {last - first} samples, but only {len(samples)} can be read: "
            "the file is damaged, restore it"
        )
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


def _describe_unreadable(path: Path, error: Exception) -> str:
    if not path.exists():
        return "no such file: restore it"
    what = str(error).rstrip(".").split(": ")[-1]
    converted = path.stem + (".converted.flac" if path.suffix.lower() == ".flac" else ".flac")
    source, target = quote(path.name), quote(converted)
    return (
        f"libsndfile cannot read it ({what}): "
        f"convert it with: ffmpeg -i {source} -ar 16000 -ac 1 {target}"
    )
