"""Make rows without speech from a folder of noises."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from whisper.audio import SAMPLE_RATE

from whisper_ft.data.audio_cache import probe_once
from whisper_ft.data.audio_info import AudioInfo
from whisper_ft.data.row import MAX_SECONDS
from whisper_ft.prepare.manifest_writer import ManifestRow, ManifestWriter, Note, PrepareResult

MIN_SECONDS = 1.0
# Digital silence, for which untrained models write whole sentences.
DIGITAL_SILENCE_RATE = 0.1  # of rows


def prepare_noises(folder: Path, out: Path, *, n_rows: int, seed: int) -> PrepareResult:
    """Write a manifest of rows with an empty text, and its notes.

    The rows are stretches of 1 to 30 s of the folder's files, and digital silence: a file of zeros
    that is written beside the manifest. Raises ValueError for a folder without usable audio.
    """
    with ManifestWriter(out) as writer:
        noises = _read_noises(folder, out, writer.note)
        if not noises:
            raise ValueError(
                f"{folder}: no audio of {MIN_SECONDS:.0f} s or more: give a folder of noises"
            )
        for row in _draw_rows(noises, _silence_path(out), n_rows, seed):
            writer.add(row)
    return writer.result()


def _silence_path(out: Path) -> Path:
    return out.with_name(out.stem + ".silence.flac")


def _read_noises(folder: Path, out: Path, note: Note) -> dict[Path, AudioInfo]:
    """Probe the audio files that are long enough; note files that are not audio."""
    infos = {}
    files = (path for path in folder.rglob("*") if path.is_file())
    # what this command writes there, in this call or an earlier one
    own_files = (f"{out.name}.", _silence_path(out).name)
    for path in sorted(path for path in files if not f"{path.name}.".startswith(own_files)):
        try:
            info = probe_once(path)
        except ValueError as error:
            note(str(path), str(error))
            continue
        if info.duration >= MIN_SECONDS:
            infos[path] = info
    return infos


def _draw_rows(
    noises: dict[Path, AudioInfo], silence: Path, n_rows: int, seed: int
) -> Iterator[ManifestRow]:
    zeros = np.zeros(int(MAX_SECONDS * SAMPLE_RATE), dtype=np.int16)
    soundfile.write(silence, zeros, SAMPLE_RATE)
    paths = list(noises)
    rng = random.Random(f"noises {seed}")
    for _ in range(n_rows):
        path = silence if rng.random() < DIGITAL_SILENCE_RATE else rng.choice(paths)
        longest = MAX_SECONDS if path == silence else noises[path].duration
        seconds = min(rng.uniform(MIN_SECONDS, MAX_SECONDS), longest)
        start = round(rng.uniform(0.0, longest - seconds), 3)
        end = round(start + seconds - 0.001, 3)  # rounding must not reach past the file's end
        yield ManifestRow(audio=path, text="", start=start, end=end)
