"""Check the audio of some rows: whether it can be decoded, is clipped or is silent."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from whisper_ft.data.dataset import RowError, read_row_audio
from whisper_ft.data.row import Problem, Row
from whisper_ft.runtime.progress import progress_bar

CLIPPING_LEVEL = 0.999  # of a sample
MAX_CLIPPED = 0.001  # share of samples; more can be heard
SILENCE_LEVEL = 0.003  # -50 dB: a loud speaker's pause
MIN_ROWS_FOR_BAR = 100


@dataclass(frozen=True)
class AudioFindings:
    """Rows whose audio cannot be decoded, and warnings about the audio of others."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def check_audio(rows: Sequence[Row], n_rows: int, seed: int) -> AudioFindings:
    """Read the audio of at most `n_rows` rows, drawn by the seed."""
    rng = random.Random(f"listen {seed}")
    drawn = rng.sample(range(len(rows)), min(n_rows, len(rows)))
    problems, warnings = [], []
    hidden = len(drawn) < MIN_ROWS_FOR_BAR
    for i in progress_bar(sorted(drawn), "checking audio", hidden=hidden, leave=False):
        row = rows[i]
        try:
            samples, _ = read_row_audio(row, timestamps=True)
        except RowError as error:
            problems.append(Problem(row.place, str(error).removeprefix(f"{row.place}: ")))
            continue
        warnings += [Problem(row.place, message) for message in audio_warnings(row, samples)]
    return AudioFindings(tuple(problems), tuple(warnings))


def audio_warnings(row: Row, samples: npt.NDArray[np.float32]) -> Iterator[str]:
    """Yield what may be wrong with a row's samples [n_samples], as `field: value: remedy`."""
    levels = np.abs(samples)
    clipped = (levels >= CLIPPING_LEVEL).mean()
    if clipped > MAX_CLIPPED:
        yield f"audio: {clipped:.1%} of the samples are clipped: record or export it less loud"
    if row.text.strip() and levels.max() < SILENCE_LEVEL:
        yield f"audio: peak level {levels.max():.4f} of full scale: is it silence?"
