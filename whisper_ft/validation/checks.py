"""Check manifests before training: all problems at once, and what may be a mistake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from whisper_ft.data.audio import AudioInfo
from whisper_ft.data.manifest import Manifest, read_manifest
from whisper_ft.data.row import Problem, Row
from whisper_ft.data.rows import Rows
from whisper_ft.models.loading import Vocabulary
from whisper_ft.runtime.progress import progress_bar
from whisper_ft.validation.audio_headers import read_headers
from whisper_ft.validation.row_checks import check_row, language_code, row_seconds

ROWS_PER_BATCH = 5_000  # that are objects in memory at a time
MIN_ROWS_FOR_BAR = 100_000


@dataclass(frozen=True)
class CheckedManifest:
    """The usable rows of a manifest, the problems of the others, and warnings."""

    rows: Sequence[Row] = ()
    languages: tuple[str, ...] = ()  # of each row
    problems: tuple[Problem, ...] = ()  # in the order of their lines
    warnings: tuple[Problem, ...] = ()  # what may be a mistake
    seconds: float = 0.0  # of audio in the rows


def check_manifest(manifest: Manifest, vocabulary: Vocabulary | None) -> CheckedManifest:
    """Check a manifest's rows against their audio files and a model's vocabulary.

    Without a vocabulary (of a model that cannot be read) tokens and languages are not checked.
    """
    rows = manifest.rows
    good_rows = Rows(rows.table)
    problems, warnings = [*manifest.problems], [*manifest.warnings]
    languages: list[str] = []
    total_seconds = 0.0
    previous_is_usable = True  # otherwise the next row has no previous text
    for index, row, header in progress_bar(
        _with_headers(rows),
        f"checking {rows.table.path.name}",
        total=len(rows),
        unit=" rows",
        hidden=len(rows) < MIN_ROWS_FOR_BAR,
    ):
        follows = row.follows and previous_is_usable
        row = replace(row, language=language_code(row.language), follows=follows)
        findings = check_row(row, header, vocabulary)
        problems += [Problem(row.place, message) for message in findings.problems]
        warnings += [Problem(row.place, message) for message in findings.warnings]
        previous_is_usable = not findings.problems
        if previous_is_usable and isinstance(header, AudioInfo):
            seconds = row_seconds(row, header)
            good_rows.add_checked(
                rows.numbers[index],
                follows=follows,
                duration=seconds,
                stamp=header.stamp,
                language=row.language,
            )
            languages.append(row.language)
            total_seconds += seconds
    problems.sort(key=lambda problem: _line_number(problem.place))
    return CheckedManifest(
        good_rows, tuple(languages), tuple(problems), tuple(warnings), total_seconds
    )


def _with_headers(rows: Rows) -> Iterator[tuple[int, Row, AudioInfo | str]]:
    """Yield (index, row, header of its audio file or the reason why there is none)."""
    for first in range(0, len(rows), ROWS_PER_BATCH):
        batch = rows[first : first + ROWS_PER_BATCH]
        headers = read_headers([row.audio for row in batch])
        for index, row in enumerate(batch, start=first):
            yield index, row, headers[row.audio]


def usable_rows(
    paths: Sequence[str],
    vocabularies: Sequence[Vocabulary],
    *,
    language: str,
    task: str,
    problems: Sequence[str] = (),
) -> dict[str, Sequence[Row]]:
    """Return the rows of each manifest, checked for models of all these vocabularies.

    `language` and `task` are those of rows without one. Raises ValueError with all problems of the
    manifests, after the given ones of other settings.
    """
    all_problems, rows = [*problems], dict[str, Sequence[Row]]()
    for path in paths:
        manifest = read_manifest(path, language=language, task=task)
        for vocabulary in dict.fromkeys(vocabularies) or (None,):
            checked = check_manifest(manifest, vocabulary)
            all_problems += map(str, checked.problems)
            rows[path] = checked.rows
    if all_problems:
        raise ValueError("\n".join(dict.fromkeys(all_problems)))
    return rows


def _line_number(place: str) -> int:
    """Return the line of a place, 0 for a whole file."""
    number = place.rpartition(":")[2]
    return int(number) if number.isdigit() else 0
