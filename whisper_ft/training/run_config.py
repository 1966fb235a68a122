"""A run's `config.json`: its settings, the files it reads, and what computes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import whisper

from whisper_ft.config.options import from_json
from whisper_ft.config.train import TrainConfig
from whisper_ft.data.found_keywords import AS_GIVEN
from whisper_ft.data.row import Row
from whisper_ft.data.rows import JoinedRows, audio_stamps, row_places, total_seconds
from whisper_ft.models.download import fetch_weights
from whisper_ft.models.wrapped_weights import weight_files
from whisper_ft.runtime.environment import Environment, describe_environment
from whisper_ft.runtime.files import Fingerprint, fingerprint
from whisper_ft.training.checkpoint import RUN_FORMAT, format_problem, new_run

CONFIG = "config.json"
# Settings that a resumed run may change: with any other one changed it would be another run.
MAY_CHANGE = (
    *("workers", "device", "save_every", "feature_cache", "feature_cache_gb"),
    *("interpolate", "longform_minutes", "skip_bad_rows", "relocate"),
)
# Packages whose version may change a float.
EXACT_PACKAGES = (*("torch", "whisper_ft", "openai-whisper", "numpy", "soxr", "soundfile", "av"),)
# What `from_json` raises for the content of another file.
_ODD = (AttributeError, KeyError, TypeError, ValueError, RecursionError)


@dataclass(frozen=True)
class UsableRows:
    """Which rows a run uses: two runs with equal values read the same rows."""

    n_train: int
    n_dev: int
    seconds: float  # of audio in all of them
    sha256: str  # of their places
    n_others: int = 0

    def __str__(self) -> str:
        others = f", {self.n_others} others" if self.n_others else ""
        return f"{self.n_train} for training, {self.n_dev} for dev{others}, {self.seconds:.1f} s"


@dataclass(frozen=True)
class RunConfig:
    """All that a resumed run must find again."""

    settings: TrainConfig
    model: Fingerprint | None  # None: an official name, whose hash whisper knows
    manifests: dict[str, Fingerprint]  # by path
    folders: dict[str, Fingerprint]  # of noises and impulse responses, by path
    usable_rows: UsableRows
    audio_sha256: str  # of audio files' sizes and times
    keyword_source: str  # by what the rows' keywords were found
    environment: Environment

    def to_json(self) -> dict[str, Any]:
        """Return the content of `config.json`."""
        return {
            "format": RUN_FORMAT,
            "settings": dataclasses.asdict(self.settings),
            "model": self.model and self.model.to_json(),
            "manifests": {path: known.to_json() for path, known in self.manifests.items()},
            "folders": {path: known.to_json() for path, known in self.folders.items()},
            "usable_rows": dataclasses.asdict(self.usable_rows),
            "audio_sha256": self.audio_sha256,
            "keyword_source": self.keyword_source,
            **self.environment.to_json(),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> RunConfig:
        """Read what `to_json` returned.

        Raises AttributeError, KeyError, TypeError or ValueError for anything else.
        """
        settings = from_json(TrainConfig, content["settings"])
        manifests, folders = (
            {path: Fingerprint(**known) for path, known in dict(content[name]).items()}
            for name in ("manifests", "folders")
        )
        if set(manifests) != {*settings.train, *settings.dev, *settings.others}:
            raise ValueError("manifests differ from the settings")
        if set(folders) != {settings.noise, settings.reverb} - {""}:
            raise ValueError("folders differ from the settings")
        return cls(
            settings=settings,
            model=Fingerprint(**model) if (model := content.get("model")) else None,
            manifests=manifests,
            folders=folders,
            usable_rows=UsableRows(**content["usable_rows"]),
            audio_sha256=str(content["audio_sha256"]),
            keyword_source=str(content.get("keyword_source", AS_GIVEN)),
            environment=Environment(
                versions=dict(content["versions"]),
                device=content["machine"]["device"],
                n_threads=content["machine"]["threads"],
                amp_dtype=content["amp_dtype"],
            ),
        )

    def environment_changes(self, now: RunConfig) -> list[str]:
        """Return what may make floats differ between a run then and `now`, one text each."""
        old, new = self.environment, now.environment
        pairs: list[tuple[str, object, object]] = [
            *((name, old.versions.get(name), new.versions[name]) for name in EXACT_PACKAGES),
            ("device", old.device, new.device),
            ("threads", old.n_threads, new.n_threads),
            ("precision", old.amp_dtype, new.amp_dtype),
            ("hash of audio files' sizes and times", self.audio_sha256, now.audio_sha256),
        ]
        return [
            f"{name} was {before}, is {after}" for name, before, after in pairs if before != after
        ]


def make_run_config(
    config: TrainConfig,
    device: torch.device,
    amp_dtype: torch.dtype | None,
    train: Sequence[Row],
    dev: Sequence[Row],
    others: Sequence[Row] = (),
    *,
    keyword_source: str = AS_GIVEN,
) -> RunConfig:
    """Describe a run of these settings and checked rows on this machine."""
    manifests = (*config.train, *config.dev, *config.others)
    read = [train, dev, *([others] if others else [])]
    return RunConfig(
        settings=config,
        model=_model_fingerprint(config.model),
        manifests={path: fingerprint(path) for path in manifests},
        folders={path: fingerprint(path) for path in (config.noise, config.reverb) if path},
        usable_rows=describe_rows(train, dev, others),
        audio_sha256=hashlib.sha256(b"".join(audio_stamps(read))).hexdigest()[:16],
        keyword_source=keyword_source,
        environment=describe_environment(device, amp_dtype),
    )


def describe_rows(
    train: Sequence[Row],
    dev: Sequence[Row],
    others: Sequence[Row],
    place_of: Callable[[str], str] = str,
) -> UsableRows:
    """Describe rows; `place_of` returns a place as it is to be compared."""
    rows = JoinedRows([train, dev, others])
    digest = hashlib.sha256("\n".join(map(place_of, row_places(rows))).encode()).hexdigest()
    seconds = round(total_seconds(rows), 3)
    return UsableRows(len(train), len(dev), seconds, digest, len(others))


def find_model_change(saved: RunConfig) -> str:
    """Return how the model that a run started from is lost; "" if it is still the same.

    Official weights that are no longer in whisper's cache are downloaded again.
    """
    path, known = saved.settings.model, saved.model
    if known is None:
        return _find_download_problem(path)
    if not os.path.exists(path):
        return f"{path}: gone since the run began"
    return "" if _model_fingerprint(path) == known else f"{path}: changed since the run began"


def _model_fingerprint(name: str) -> Fingerprint | None:
    """Hash the weights of a file or of a folder; None for an official name."""
    if name in whisper.available_models() or not os.path.exists(name):
        return None
    if not os.path.isdir(name):
        return fingerprint(name)
    digests = [fingerprint(path) for path in weight_files(Path(name))]
    content = "\n".join(digest.sha256 for digest in digests).encode()
    return Fingerprint(sum(d.size for d in digests), hashlib.sha256(content).hexdigest())


def _find_download_problem(name: str) -> str:
    try:
        if name in whisper.available_models():
            fetch_weights(name)
    except ValueError as error:
        return f"--model: {error}"
    return ""


def read_run_config(folder: Path) -> RunConfig:
    """Read a run's `config.json`. Raises ValueError, with a remedy, if it cannot be resumed."""
    path = folder / CONFIG
    if not folder.is_dir():
        raise ValueError(f"--resume: {folder}: no such folder: give the one that --out named")
    if not path.is_file():
        raise ValueError(f"--resume: {folder}: holds no run (no {CONFIG}): give a run's folder")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content["settings"], dict):
            raise TypeError("settings is not an object")
        problem = format_problem(content.get("format", 1), path)
        if not problem:
            return RunConfig.from_json(content)
    except _ODD:
        problem = f"{path}: damaged: restore it, or {new_run(folder)}"
    raise ValueError(f"--resume: {problem}")
