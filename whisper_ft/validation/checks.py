"""Check manifests before training: all problems at once, and what may be a mistake."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import regex

from whisper_ft.data.audio_cache import probe_all
from whisper_ft.data.audio_info import AudioInfo
from whisper_ft.data.found_keywords import (
    AS_GIVEN,
    AS_WRITTEN,
    KeywordRules,
    describe_keywords,
)
from whisper_ft.data.manifest import IN_PLACE, Manifest, read_manifest
from whisper_ft.data.moved_folders import MovedFolders
from whisper_ft.data.row import Problem, Row, text_style
from whisper_ft.data.rows import Rows, row_keywords
from whisper_ft.models.loading import Vocabulary
from whisper_ft.runtime.progress import progress_bar
from whisper_ft.validation.row_checks import check_row, row_seconds

LOGGER = logging.getLogger("whisper_ft")
ROWS_PER_BATCH = 5_000  # that are objects in memory at a time
MIN_ROWS_FOR_BAR = 100_000
CASED = regex.compile(r"[\p{Latin}\p{Cyrillic}\p{Greek}\p{Armenian}]")
MIN_STYLED = 20  # texts that tell how a corpus is written
N_STYLED = 1_000  # rows that are looked at


@dataclass(frozen=True)
class CheckedManifest:
    """The usable rows of a manifest, the problems of the others, and warnings."""

    rows: Sequence[Row] = ()
    languages: tuple[str, ...] = ()  # of each row
    problems: tuple[Problem, ...] = ()  # in the order of their lines
    warnings: tuple[Problem, ...] = ()  # what may be a mistake
    seconds: float = 0.0  # of audio in the rows
    keyword_source: str = AS_GIVEN  # by what the rows' keywords were found


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
    for index, row, info in progress_bar(
        _with_audio(rows),
        f"checking {rows.table.path.name}",
        total=len(rows),
        unit=" rows",
        hidden=len(rows) < MIN_ROWS_FOR_BAR,
    ):
        follows = row.follows and previous_is_usable
        row = replace(row, follows=follows)
        findings = check_row(row, info, vocabulary)
        problems += [Problem(row.place, message) for message in findings.problems]
        warnings += [Problem(row.place, message) for message in findings.warnings]
        previous_is_usable = not findings.problems
        if previous_is_usable and isinstance(info, AudioInfo):
            seconds = row_seconds(row, info)
            good_rows.add_checked(
                rows.numbers[index],
                follows=follows,
                duration=seconds,
                stamp=info.stamp,
            )
            languages.append(row.language)
            total_seconds += seconds
    if what := _describe_plain_texts(good_rows):
        warnings.append(Problem(str(rows.table.path), what))
    problems.sort(key=lambda problem: _line_number(problem.place))
    return CheckedManifest(
        rows=good_rows,
        languages=tuple(languages),
        problems=tuple(problems),
        warnings=tuple(warnings),
        seconds=total_seconds,
        keyword_source=manifest.keyword_source,
    )


def _describe_plain_texts(rows: Rows) -> str:
    """Return a warning if no text has a capital beside small letters and none punctuation."""
    texts = [row.text for row in rows[:N_STYLED] if row.text.strip()]
    styles = {text_style(text) for text in texts}
    n_cased = sum(CASED.search(text) is not None for text in texts)
    is_cased = n_cased > len(texts) / 2
    if len(texts) < MIN_STYLED or not is_cased or any(style.punctuated for style in styles):
        return ""
    if len(cases := {style.case for style in styles}) > 1 or "mixed" in cases:
        return ""
    return (
        f"its texts are in {cases.pop()} case without punctuation, and a model that is trained on "
        "them unlearns both: `prepare restore MANIFEST --out NEW` brings them back"
    )


def _with_audio(rows: Rows) -> Iterator[tuple[int, Row, AudioInfo | str]]:
    """Yield (index, row, what is known of its audio file or the reason why it cannot be read)."""
    for first in range(0, len(rows), ROWS_PER_BATCH):
        batch = rows[first : first + ROWS_PER_BATCH]
        infos = probe_all([row.audio for row in batch])
        for index, row in enumerate(batch, start=first):
            yield index, row, infos[row.audio]


def usable_manifests(
    paths: Sequence[str],
    vocabularies: Sequence[Vocabulary],
    *,
    language: str,
    task: str,
    keywords: KeywordRules = AS_WRITTEN,
    moved: MovedFolders = IN_PLACE,
    problems: Sequence[str] = (),
) -> dict[str, CheckedManifest]:
    """Return each manifest, checked for models of all these vocabularies.

    `language` and `task` are those of rows without one. What `keywords` finds is logged. Raises
    ValueError with all problems of the manifests, after the given ones of other settings.
    """
    all_problems, usable = [*problems], dict[str, CheckedManifest]()
    used: set[Path] = set()  # of the moved folders
    for path in paths:
        manifest = read_manifest(path, language=language, task=task, keywords=keywords, moved=moved)
        used |= manifest.moved
        for vocabulary in dict.fromkeys(vocabularies) or (None,):
            checked = check_manifest(manifest, vocabulary)
            all_problems += map(str, checked.problems)
            usable[path] = checked
    all_problems += moved.unused(used)
    if all_problems:
        raise ValueError("\n".join(dict.fromkeys(all_problems)))
    for path, checked in usable.items():
        log_keywords(path, checked)
    return usable


def usable_rows(
    paths: Sequence[str],
    vocabularies: Sequence[Vocabulary],
    *,
    language: str,
    task: str,
    problems: Sequence[str] = (),
) -> dict[str, Sequence[Row]]:
    """Return the rows of `usable_manifests`, with the keywords that the manifests give."""
    usable = usable_manifests(paths, vocabularies, language=language, task=task, problems=problems)
    return {path: checked.rows for path, checked in usable.items()}


def log_keywords(path: str, checked: CheckedManifest) -> None:
    """Log what keywords were found in a manifest that has rows; warn if none were."""
    if not checked.rows:
        return
    text = describe_keywords(path, checked.rows, checked.keyword_source)
    if text and any(row_keywords(checked.rows, i) for i in range(len(checked.rows))):
        LOGGER.info(text)
    elif text:
        LOGGER.warning(text)


def _line_number(place: str) -> int:
    """Return the line of a place, 0 for a whole file."""
    number = place.rpartition(":")[2]
    return int(number) if number.isdigit() else 0
