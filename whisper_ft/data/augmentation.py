"""Recordings as they might have been: other speed, room, noise and level; SpecAugment."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import soxr
import torch
import torch.nn.functional as F
from torch import Tensor
from whisper.audio import SAMPLE_RATE

from whisper_ft.data.audio import probe, read_audio
from whisper_ft.data.row import MAX_SECONDS
from whisper_ft.text.tokens import MAX_FIRST_TIMESTAMP, Segment

NOISE_RATE = REVERB_RATE = 0.5  # of the visits
SNR = (5.0, 30.0)  # dB of speech over noise
# SpecAugment's policy "LibriSpeech Basic" (Park et al. 2019, table 1), once each
MAX_WARP, MAX_BANDS, MAX_FRAMES = 80, 27, 100  # W, F, T
FRAMES_A_SECOND = 100
MIN_CUT = 0.2  # seconds of a cut segment that must be heard


class Warp(NamedTuple):
    """A mel stretched on one side of a frame and pressed on the other, its length unchanged."""

    centre: int  # frame
    moved_to: int
    n_frames: int

    def mel(self, mel: Tensor) -> Tensor:
        """[n_mels, T] with its first n_frames warped."""
        halves = (
            (mel[None, :, : self.centre], self.moved_to),
            (mel[None, :, self.centre : self.n_frames], self.n_frames - self.moved_to),
        )
        warped = [F.interpolate(half, size, mode="linear")[0] for half, size in halves]
        return torch.cat([*warped, mel[:, self.n_frames :]], dim=1)

    def seconds(self, time: float) -> float:
        """Where a time of the original is now."""
        frame = time * FRAMES_A_SECOND
        if frame <= self.centre:
            return time * self.moved_to / self.centre
        right = (self.n_frames - self.moved_to) / (self.n_frames - self.centre)
        moved = self.moved_to + (frame - self.centre) * right
        return moved / FRAMES_A_SECOND


@dataclass(frozen=True)
class Augmentation:
    """What is done to the recordings of training visits. The defaults do nothing."""

    speed: float = 0.0  # the largest change, as a share
    reverb: str = ""  # folder of impulse responses
    noise: str = ""  # folder of noises
    gain: float = 0.0  # dB up or down, at most
    spec_augment: bool = False

    def changed_speed(
        self, samples: np.ndarray, segments: Sequence[Segment], rng: random.Random
    ) -> tuple[np.ndarray, tuple[Segment, ...], bool]:
        """(samples, segments, whether they are changed) played faster or slower, pitch included.

        As they were where they would last more than 30 s, but for a cut segment, which may lose
        some of its sound, and where the first would begin later than decoding can write.
        """
        factor = rng.uniform(1 - self.speed, 1 + self.speed)
        changed = moved(segments, lambda time: time / factor)
        room = round(MAX_SECONDS * SAMPLE_RATE)
        cut_inside = changed[-1].end is None and changed[-1].start < MAX_SECONDS - MIN_CUT
        too_long = len(samples) / factor > room and not cut_inside
        if too_long or begins_too_late(segments, changed):
            return samples, tuple(segments), False
        return soxr.resample(samples, SAMPLE_RATE * factor, SAMPLE_RATE)[:room], changed, True

    def sound(self, samples: np.ndarray, chance: Callable[[str], random.Random]) -> np.ndarray:
        """Samples in another room, with noise, at another level; their number is unchanged.

        `chance` gives what each of the three draws from. Raises ValueError for a file that cannot
        be mixed in, naming the folder.
        """
        for name, rate in (("reverb", REVERB_RATE), ("noise", NOISE_RATE), ("gain", 1.0)):
            value = getattr(self, name)
            rng = chance(name)
            if not value or rng.random() >= rate:
                continue
            with _global_random(rng):
                try:
                    transform = _transform(name, value)
                    n_samples, samples = len(samples), transform(samples, SAMPLE_RATE)
                    if name == "reverb":  # what is heard first is when it was, as segments say
                        first = _first_sound(transform.parameters["ir_file_path"])
                        samples = samples[first : first + n_samples]
                except Exception as error:  # of whichever library read the file
                    remedy = "see whether all of its files are whole"
                    raise ValueError(f"--{name}: {value}: {error!r}: {remedy}") from error
        return np.clip(samples, -1.0, 1.0)


PLAIN = Augmentation()


def moved(segments: Sequence[Segment], time: Any) -> tuple[Segment, ...]:
    """Segments whose times a function has changed."""
    return tuple(
        Segment(time(start), None if end is None else time(end), text)
        for start, end, text in segments
    )


def begins_too_late(segments: Sequence[Segment], changed: Sequence[Segment]) -> bool:
    """Whether a change moved the first timestamp to where decoding cannot write it."""
    return changed[0].start > MAX_FIRST_TIMESTAMP >= segments[0].start


def draw_warp(n_frames: int, rng: random.Random) -> Warp | None:
    """A time warp of so many frames; none where they are too few."""
    if n_frames <= 2 * MAX_WARP + 1:
        return None
    centre = rng.randrange(MAX_WARP + 1, n_frames - MAX_WARP)
    return Warp(centre, centre + rng.randint(-MAX_WARP, MAX_WARP), n_frames)


def masked(mel: Tensor, n_frames: int, rng: random.Random) -> Tensor:
    """Mel [n_mels, T] with a band and a stretch of its first n_frames at their mean."""
    mel = mel.clone()
    mean = mel[:, :n_frames].mean()
    bands = rng.randint(0, MAX_BANDS)
    first = rng.randint(0, len(mel) - bands)
    mel[first : first + bands, :n_frames] = mean
    frames = rng.randint(0, min(MAX_FRAMES, n_frames))
    first = rng.randint(0, n_frames - frames)
    mel[:, first : first + frames] = mean
    return mel


def refuse(augmentation: Augmentation) -> list[str]:
    """What keeps an augmentation from being done, each as `flag: value: remedy`."""
    found = []
    for name in ("reverb", "noise"):
        folder = getattr(augmentation, name)
        if not folder:
            continue
        if not Path(folder).is_dir():
            found.append(f"--{name}: {folder}: not a folder: give a folder of audio")
            continue
        paths = _audio_files(folder)
        if not paths:
            found.append(f"--{name}: {folder}: holds no audio: give a folder of audio")
        for path in paths:
            try:
                probe(path)
            except ValueError as error:
                found.append(f"--{name}: {path}: {error}")
    wanted = [name for name in ("reverb", "noise", "gain") if getattr(augmentation, name)]
    if wanted and find_spec("audiomentations") is None:
        found.append(
            f"--{wanted[0]}: audiomentations is missing: pip install 'whisper-ft[augment]'"
        )
    return found


def _audio_files(folder: str) -> list[Path]:
    """A folder's audio, in an order that does not depend on the file system."""
    known = {f".{name.lower()}" for name in soundfile.available_formats()} | {".opus", ".oga"}
    paths = (path for path in Path(folder).rglob("*") if path.is_file())
    return sorted(path for path in paths if path.suffix.lower() in known)


@cache
def _transform(name: str, value: str | float) -> Any:
    from audiomentations import AddBackgroundNoise, ApplyImpulseResponse, Gain

    if name == "reverb":
        return ApplyImpulseResponse(_audio_files(str(value)), p=1.0, leave_length_unchanged=False)
    if name == "noise":
        files = _audio_files(str(value))
        return AddBackgroundNoise(files, min_snr_db=SNR[0], max_snr_db=SNR[1], p=1.0)
    return Gain(min_gain_db=-float(value), max_gain_db=float(value), p=1.0)


@cache
def _first_sound(path: Path) -> int:
    """Samples before an impulse response's largest: the way from the loudspeaker's to the ear."""
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
