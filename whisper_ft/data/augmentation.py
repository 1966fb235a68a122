"""Augmentation of training audio: speed, reverberation, noise, gain and SpecAugment."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import soxr
import torch
import torch.nn.functional as F
from torch import Tensor
from whisper.audio import FRAMES_PER_SECOND, SAMPLE_RATE

from whisper_ft.data.audio import Samples, read_audio
from whisper_ft.data.audio_cache import probe_once
from whisper_ft.data.row import MAX_SECONDS
from whisper_ft.runtime.extras import install_command
from whisper_ft.text.tokens import MAX_FIRST_TIMESTAMP, Segment

NOISE_RATE = REVERB_RATE = 0.5  # share of the examples
MIN_SNR, MAX_SNR = 5.0, 30.0  # dB of speech over noise
# SpecAugment's policy "LibriSpeech Basic" (Park et al. 2019, table 1), each applied once
MAX_WARP, MAX_BANDS, MAX_FRAMES = 80, 27, 100  # W, F, T
MIN_CUT = 0.2  # seconds of a cut segment that must remain


class Warp(NamedTuple):
    """A time warp: a mel is stretched on one side of a frame and squeezed on the other."""

    centre: int  # frame
    target: int  # frame to which the centre moves
    n_frames: int

    def warp_mel(self, mel: Tensor) -> Tensor:
        """Return a mel [n_mels, T] with its first n_frames warped; T does not change."""
        halves = (
            (mel[None, :, : self.centre], self.target),
            (mel[None, :, self.centre : self.n_frames], self.n_frames - self.target),
        )
        warped = [F.interpolate(half, size, mode="linear")[0] for half, size in halves]
        return torch.cat([*warped, mel[:, self.n_frames :]], dim=1)

    def warp_time(self, time: float) -> float:
        """Return the warped time, in seconds, of a time of the original."""
        frame = time * FRAMES_PER_SECOND
        if frame <= self.centre:
            return time * self.target / self.centre
        stretch = (self.n_frames - self.target) / (self.n_frames - self.centre)
        warped: float = (self.target + (frame - self.centre) * stretch) / FRAMES_PER_SECOND
        return warped


@dataclass(frozen=True)
class Augmentation:
    """How the audio of training examples is changed. The defaults change nothing."""

    speed: float = 0.0  # maximum change, as a share
    reverb: str = ""  # folder of impulse responses
    noise: str = ""  # folder of noises
    gain: float = 0.0  # maximum change in dB, up or down
    spec_augment: bool = False

    def change_speed(
        self, samples: Samples, segments: Sequence[Segment], rng: random.Random
    ) -> tuple[Samples, tuple[Segment, ...], bool]:
        """Return (samples, segments, whether changed), played faster or slower, pitch included.

        They stay as they are if they would last more than 30 s, or if the first segment would
        start later than decoding can write. A cut segment at the end may lose a part of its audio.
        """
        factor = rng.uniform(1 - self.speed, 1 + self.speed)
        shifted = shift_segments(segments, lambda time: time / factor)
        max_samples = round(MAX_SECONDS * SAMPLE_RATE)
        cut_inside = shifted[-1].end is None and shifted[-1].start < MAX_SECONDS - MIN_CUT
        too_long = len(samples) / factor > max_samples and not cut_inside
        if too_long or starts_too_late(segments, shifted):
            return samples, tuple(segments), False
        resampled = soxr.resample(samples, SAMPLE_RATE * factor, SAMPLE_RATE)
        return resampled[:max_samples], shifted, True

    def augment_samples(self, samples: Samples, rng_of: Callable[[str], random.Random]) -> Samples:
        """Apply reverberation, noise and gain; the number of samples does not change.

        `rng_of` returns the random generator for each of the three by its name. Raises ValueError
        for a file that cannot be mixed in, with its folder, and for a broken audiomentations.
        """
        for name, rate in (("reverb", REVERB_RATE), ("noise", NOISE_RATE), ("gain", 1.0)):
            value = getattr(self, name)
            rng = rng_of(name)
            if not value or rng.random() >= rate:
                continue
            with _global_random(rng):
                try:
                    samples = _apply(name, value, samples)
                except Exception as error:  # of whichever library read the file
                    remedy = "check that none of its files is damaged"
                    if isinstance(error, ImportError) or name == "gain":  # no file is to blame
                        remedy = install_command("augment")
                    raise ValueError(f"--{name}: {value}: {error!r}: {remedy}") from error
        return np.clip(samples, -1.0, 1.0)


NO_AUGMENTATION = Augmentation()


def shift_segments(
    segments: Sequence[Segment], new_time: Callable[[float], float]
) -> tuple[Segment, ...]:
    """Return segments whose times, in seconds, a function has changed."""
    return tuple(
        Segment(new_time(start), None if end is None else new_time(end), text)
        for start, end, text in segments
    )


def starts_too_late(segments: Sequence[Segment], shifted: Sequence[Segment]) -> bool:
    """Return whether a change moved the first timestamp later than decoding can write it."""
    return shifted[0].start > MAX_FIRST_TIMESTAMP >= segments[0].start


def draw_warp(n_frames: int, rng: random.Random) -> Warp | None:
    """Draw a time warp for a number of frames; None if they are too few."""
    if n_frames <= 2 * MAX_WARP + 1:
        return None
    centre = rng.randrange(MAX_WARP + 1, n_frames - MAX_WARP)
    return Warp(centre, centre + rng.randint(-MAX_WARP, MAX_WARP), n_frames)


def mask_mel(mel: Tensor, n_frames: int, rng: random.Random) -> Tensor:
    """Return a mel [n_mels, T] with a frequency band and a stretch of time set to the mean.

    The stretch lies in the first n_frames, which also give the mean.
    """
    mel = mel.clone()
    mean = mel[:, :n_frames].mean()
    n_bands = rng.randint(0, MAX_BANDS)
    first = rng.randint(0, len(mel) - n_bands)
    mel[first : first + n_bands, :n_frames] = mean
    n_masked = rng.randint(0, min(MAX_FRAMES, n_frames))
    first = rng.randint(0, n_frames - n_masked)
    mel[:, first : first + n_masked] = mean
    return mel


def check_augmentation(augmentation: Augmentation) -> list[str]:
    """Return what prevents an augmentation, each as `flag: value: remedy`."""
    problems = []
    for name in ("reverb", "noise"):
        if folder := getattr(augmentation, name):
            problems += [f"--{name}: {problem}" for problem in audio_folder_problems(folder)]
    wanted = [name for name in ("reverb", "noise", "gain") if getattr(augmentation, name)]
    if wanted and (problem := _import_problem()):
        problems.append(f"--{wanted[0]}: {problem}")
    return problems


def _import_problem() -> str:
    """Return why audiomentations cannot be used, with the remedy; "" if it can."""
    try:
        _import_transforms()
    except Exception as error:  # a broken package may raise anything
        if isinstance(error, ModuleNotFoundError) and error.name == "audiomentations":
            return f"audiomentations is missing: {install_command('augment')}"
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        return f"audiomentations cannot be imported ({cause}): {install_command('augment')}"
    return ""


def _import_transforms() -> tuple[Any, Any, Any]:
    from audiomentations import AddBackgroundNoise, ApplyImpulseResponse, Gain

    return AddBackgroundNoise, ApplyImpulseResponse, Gain


def audio_folder_problems(folder: str) -> list[str]:
    """Return what is wrong with a folder of audio."""
    if not Path(folder).is_dir():
        return [f"{folder}: not a folder: give a folder of audio"]
    paths = audio_files(folder)
    if not paths:
        return [f"{folder}: holds no audio: give a folder of audio"]
    problems = []
    for path in paths:
        try:
            probe_once(path)
        except ValueError as error:
            problems.append(f"{path}: {error}")
    return problems


def audio_files(folder: str) -> list[Path]:
    """Return a folder's audio files, in an order that does not depend on the file system."""
    suffixes = {f".{name.lower()}" for name in soundfile.available_formats()} | {".opus", ".oga"}
    paths = (path for path in Path(folder).rglob("*") if path.is_file())
    return sorted(path for path in paths if path.suffix.lower() in suffixes)


def _apply(name: str, value: str | float, samples: Samples) -> Samples:
    """Apply one transform of audiomentations, which draws from the module `random`."""
    transform = _make_transform(name, value)
    n_samples = len(samples)
    samples = transform(samples, SAMPLE_RATE)
    if name == "reverb":  # drop the delay of the direct sound, so that segments keep their times
        delay = _direct_sound_delay(transform.parameters["ir_file_path"])
        samples = samples[delay : delay + n_samples]
    return samples


@cache
def _make_transform(name: str, value: str | float) -> Any:
    AddBackgroundNoise, ApplyImpulseResponse, Gain = _import_transforms()
    if name == "reverb":
        return ApplyImpulseResponse(audio_files(str(value)), p=1.0, leave_length_unchanged=False)
    if name == "noise":
        files = audio_files(str(value))
        return AddBackgroundNoise(files, min_snr_db=MIN_SNR, max_snr_db=MAX_SNR, p=1.0)
    return Gain(min_gain_db=-float(value), max_gain_db=float(value), p=1.0)


@cache
def _direct_sound_delay(path: Path) -> int:
    """Return the samples before the largest of an impulse response: from loudspeaker to ear."""
    return int(np.abs(read_audio(Path(path))).argmax())


@contextmanager
def _global_random(rng: random.Random) -> Iterator[None]:
    """Let audiomentations, which draws from the module `random`, draw from `rng`."""
    before = random.getstate()
    random.setstate(rng.getstate())
    try:
        yield
    finally:
        random.setstate(before)
