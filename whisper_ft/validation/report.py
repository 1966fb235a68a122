"""Check several manifests together and report all that was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from whisper_ft.data.found_keywords import AS_WRITTEN, KeywordRules
from whisper_ft.data.manifest import IN_PLACE, read_manifest
from whisper_ft.data.moved_folders import MovedFolders
from whisper_ft.data.prompts import (
    PromptPolicy,
    describe_few_terms,
    format_coverage,
    prompt_coverage,
)
from whisper_ft.data.rows import JoinedRows
from whisper_ft.models.loading import Vocabulary
from whisper_ft.validation.audio_checks import check_audio
from whisper_ft.validation.checks import CheckedManifest, check_manifest
from whisper_ft.validation.duplicates import compare_manifests
from whisper_ft.validation.summary import ManifestSummary, format_summary, summarize


@dataclass(frozen=True)
class CheckReport:
    """All that a check of manifests found."""

    problems: tuple[str, ...]  # of settings
    manifests: tuple[ManifestSummary, ...]
    rows: JoinedRows  # the usable rows of all manifests
    policy: PromptPolicy

    @property
    def has_problems(self) -> bool:
        """Whether anything would stop training."""
        return bool(self.problems) or any(summary.problems for summary in self.manifests)

    def to_json(self) -> dict[str, Any]:
        """Return it in plain types."""
        return {
            "problems": list(self.problems),
            "prompts": prompt_coverage(self.policy, self.rows),
            "manifests": [summary.to_json() for summary in self.manifests],
        }


def check_manifests(
    paths: Sequence[str],
    vocabulary: Vocabulary | None,
    policy: PromptPolicy,
    *,
    language: str,
    task: str,
    n_audio_rows: int,
    seed: int,
    keywords: KeywordRules = AS_WRITTEN,
    moved: MovedFolders = IN_PLACE,
    problems: Sequence[str] = (),
) -> CheckReport:
    """Check manifests, the audio of `n_audio_rows` rows of each, and what manifests share.

    `problems` are those of other settings; with any, no audio is read.
    """
    checked_manifests = []
    used: set[Path] = set()  # of the moved folders
    for path in paths:
        manifest = read_manifest(path, language=language, task=task, keywords=keywords, moved=moved)
        used |= manifest.moved
        checked_manifests.append(check_manifest(manifest, vocabulary))
    problems = [*problems, *moved.unused(used)]
    if not problems:
        checked_manifests = [
            _with_audio_findings(checked, n_audio_rows, seed) for checked in checked_manifests
        ]
    duplicates = compare_manifests([checked.rows for checked in checked_manifests])
    checked_manifests = [
        replace(checked, warnings=(*checked.warnings, *warnings))
        for checked, warnings in zip(checked_manifests, duplicates, strict=True)
    ]
    return CheckReport(
        problems=tuple(problems),
        manifests=tuple(
            summarize(path, checked, vocabulary)
            for path, checked in zip(paths, checked_manifests, strict=True)
        ),
        rows=JoinedRows([checked.rows for checked in checked_manifests]),
        policy=policy,
    )


def _with_audio_findings(checked: CheckedManifest, n_rows: int, seed: int) -> CheckedManifest:
    findings = check_audio(checked.rows, n_rows, seed)
    return replace(
        checked,
        problems=(*checked.problems, *findings.problems),
        warnings=(*checked.warnings, *findings.warnings),
    )


def format_report(report: CheckReport, *, all_warnings: bool) -> Iterator[str]:
    """Yield lines for a terminal; `all_warnings` lists each warning instead of each kind."""
    yield from report.problems
    for summary in report.manifests:
        yield from format_summary(summary, all_warnings=all_warnings)
    if line := format_coverage(report.policy, report.rows):
        yield line
    if line := describe_few_terms(report.policy, report.rows):
        yield line
