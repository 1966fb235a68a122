"""The dev rows of a report: what the prompts changed, and the audio."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import soundfile
from whisper.audio import SAMPLE_RATE

from whisper_ft.data.dataset import RowError, read_row_audio
from whisper_ft.data.manifest import IN_PLACE, read_manifest
from whisper_ft.data.moved_folders import MovedFolders
from whisper_ft.data.row import Row
from whisper_ft.evaluation.highlighting import Piece, pieces
from whisper_ft.evaluation.samples import CONDITIONS, Sample
from whisper_ft.evaluation.scoring import row_count
from whisper_ft.reporting.run_folder import RunFolder
from whisper_ft.runtime.files import fingerprint
from whisper_ft.text.tokens import is_unspaced

OPUS_QUALITY = 0.9  # libsndfile's compression level, 0 to 1: about 3 kB a second of speech


@dataclass(frozen=True)
class ReportRow:
    """A dev row on the page."""

    sample: Sample
    n_errors: dict[str, int]  # word errors by condition, of those that were decoded
    audio: str  # a data URI; "" when the audio is gone

    @property
    def pieces(self) -> dict[str, list[Piece]]:
        """Each output beside the reference, by condition."""
        return {condition: pieces(self.sample, condition) for condition in self.n_errors}

    @property
    def separator(self) -> str:
        """The text between words: a space, or nothing in languages written without spaces."""
        return "" if is_unspaced(self.sample.language, self.sample.task) else " "

    @property
    def n_saved(self) -> int:
        """Word errors that the right prompt saves."""
        return _n_saved(self.n_errors)

    @property
    def n_harmed(self) -> int:
        """Word errors that the wrong prompt adds."""
        return _n_harmed(self.n_errors)


def report_rows(samples: Sequence[Sample], run: RunFolder, n_rows: int) -> list[ReportRow]:
    """Return at most `n_rows` rows with their audio, those that prompts change most first."""
    errors = [(sample, _word_errors(sample)) for sample in samples]
    errors.sort(key=lambda e: (-abs(_n_saved(e[1])), -abs(_n_harmed(e[1])), e[0].number))
    manifest_rows = _manifest_rows(run)
    return [
        ReportRow(sample, n_errors, audio_data_uri(manifest_rows.get(sample.place)))
        for sample, n_errors in errors[:n_rows]
    ]


def _word_errors(sample: Sample) -> dict[str, int]:
    return {
        condition: int(row_count(sample, condition, "wer", set()).part)
        for condition in CONDITIONS
        if sample.outputs[condition] is not None
    }


def _n_saved(n_errors: dict[str, int]) -> int:
    return n_errors["none"] - n_errors["right"]


def _n_harmed(n_errors: dict[str, int]) -> int:
    return n_errors.get("wrong", n_errors["none"]) - n_errors["none"]


def _manifest_rows(run: RunFolder) -> dict[str, Row]:
    """Return the rows, by place, of the dev manifests that have not changed since the run."""
    settings, moved = run.settings, IN_PLACE
    with suppress(ValueError):  # moved again: their audio is gone
        moved = MovedFolders.of(settings.relocate)
    read = partial(read_manifest, language=settings.language, task=settings.task, moved=moved)
    return {
        row.place: row
        for path in settings.dev
        if Path(path).is_file() and fingerprint(path) == run.fingerprints.get(path)
        for row in read(path).rows
    }


def audio_data_uri(row: Row | None) -> str:
    """Return a row's audio as a data URI of Ogg Opus; "" when the row or its audio is gone."""
    if row is None:
        return ""
    try:
        samples, _ = read_row_audio(row, timestamps=True)
    except RowError:
        return ""
    file = io.BytesIO()
    soundfile.write(
        file,
        samples,
        SAMPLE_RATE,
        format="OGG",
        subtype="OPUS",
        compression_level=OPUS_QUALITY,
    )
    return "data:audio/ogg;base64," + base64.b64encode(file.getvalue()).decode()
