"""Manifests that are written and checked."""

from pathlib import Path

from helpers.manifests import write_manifest
from whisper_ft.data.manifest import read_manifest
from whisper_ft.models.loading import Vocabulary
from whisper_ft.validation.checks import CheckedManifest, check_manifest

ENGLISH = Vocabulary(False, 99, 448)
MULTILINGUAL = Vocabulary(True, 99, 448)


def write_and_check(
    folder: Path, *rows: dict, name: str = "m.jsonl", vocabulary: Vocabulary = MULTILINGUAL
) -> CheckedManifest:
    """Write a manifest of these rows and return what a check finds."""
    return check_manifest(read_manifest(write_manifest(folder / name, list(rows))), vocabulary)
