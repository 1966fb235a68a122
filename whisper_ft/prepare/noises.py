"""A folder of noises to rows in which nobody speaks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from whisper.audio import SAMPLE_RATE

from whisper_ft.data.audio import probe
from whisper_ft.data.row import MAX_SECONDS

MIN_SECONDS = 1.0
SILENT_RATE = 0.1  # of rows: digital silence, after which untrained models invent whole sentences


def silence_rows(
    folder: Path, out: Path, *, n_rows: int, seed: int, tell: Callable[[str, str], None]
) -> Iterator[dict[str, Any]]:
    """Rows with an empty text: stretches of 1 to 30 s of the folder's files, and digital silence.

    The silence is one file of zeros, written beside the manifest `out`. What cannot be read is
    told as `tell(place, why)`. Raises ValueError for a folder with nothing to hear.
    """
    infos = {}
    zeros = out.with_name(out.stem + ".silence.flac")
    files = (path for path in folder.rglob("*") if path.is_file())
    own = (f"{out.name}.", zeros.name)  # what this command wrote there, now or before
    for path in sorted(path for path in files if not f"{path.name}.".startswith(own)):
        try:
            infos[path] = probe(path)
        except ValueError as error:
            tell(str(path), str(error))
    noises = [path for path, info in infos.items() if info.duration >= MIN_SECONDS]
    if not noises:
        raise ValueError(f"{folder}: no audio of {MIN_SECONDS:.0f} s or more: give a noise folder")
    soundfile.write(zeros, np.zeros(int(MAX_SECONDS * SAMPLE_RATE), dtype=np.int16), SAMPLE_RATE)
    rng = random.Random(f"noises {seed}")
    for _ in range(n_rows):
        path = zeros if rng.random() < SILENT_RATE else rng.choice(noises)
        longest = MAX_SECONDS if path == zeros else infos[path].duration
        seconds = min(rng.uniform(MIN_SECONDS, MAX_SECONDS), longest)
        start = round(rng.uniform(0.0, longest - seconds), 3)
        end = round(start + seconds - 0.001, 3)  # rounding must not reach past the file's end
        yield {"audio": path, "text": "", "start": start, "end": end}
