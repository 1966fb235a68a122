"""Recordings of a pure tone."""

from pathlib import Path

import numpy as np
import soundfile


def tone(seconds: float, sample_rate: int = 16000, hertz: float = 440.0) -> np.ndarray:
    """Return a sine wave as float32 samples."""
    times = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def write_tone(path: Path, seconds: float = 1.0, **options) -> None:
    """Write a tone to a file at 16 kHz; make its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(seconds, **options), 16000)


def write_damaged(path: Path) -> None:
    """Write a FLAC of 20 s whose middle is overwritten with zeros: its header is sound."""
    write_tone(path, 20.0)
    content = path.read_bytes()
    path.write_bytes(content[:20_000] + bytes(9_000) + content[29_000:])
