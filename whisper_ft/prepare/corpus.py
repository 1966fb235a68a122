"""Convert a corpus to a manifest."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from whisper_ft.prepare.corpus_files import Skipped, Told
from whisper_ft.prepare.corpus_formats import CORPUS_FORMATS
from whisper_ft.prepare.corpus_rows import CorpusRow, FormatOptions, to_manifest_row
from whisper_ft.prepare.manifest_writer import ManifestRow, ManifestWriter, PrepareResult
from whisper_ft.prepare.table_columns import COLUMN_FIELDS
from whisper_ft.runtime.files import find_file_problem
from whisper_ft.runtime.progress import progress_bar


def prepare_corpus(
    format_name: str,
    source: Path,
    out: Path,
    *,
    columns: Sequence[str] = (),
    delimiter: str = "",
    language: str = "",
    empty_is_silence: bool = False,
    lowercase: bool = False,
) -> PrepareResult:
    """Write the manifest `out` of a corpus in one of `CORPUS_FORMATS`, and its notes.

    `columns` are `field=column` pairs for tables and datasets, `language` is that of rows without
    one. Audio stored inside a dataset is written to the folder `STEM.audio` beside the manifest.
    Raises ValueError for wrong settings and for a source without a usable row.
    """
    corpus_format = CORPUS_FORMATS[format_name]
    if not source.exists():
        raise ValueError(f"{source}: no such file or folder: give the corpus")
    if not source.is_dir() and (problem := find_file_problem(source)):
        raise ValueError(f"{source}: {problem}: {format_name} is {corpus_format.description}")
    copy_to = out.parent / f"{out.stem}.audio"
    from whisper_ft.text.languages import check_language

    language = check_language(language)
    options = FormatOptions(_parse_columns(columns), _parse_delimiter(delimiter), copy_to)
    try:
        with ManifestWriter(out, source) as writer:
            corpus_rows = progress_bar(corpus_format.read(source, options), "rows", unit=" rows")
            for corpus_row in corpus_rows:
                if isinstance(corpus_row, Told):
                    writer.note(*corpus_row)
                elif isinstance(corpus_row, Skipped):
                    writer.skip(*corpus_row)
                else:
                    row = to_manifest_row(
                        corpus_row,
                        language=language,
                        empty_is_silence=empty_is_silence,
                        lowercase=lowercase,
                    )
                    _add(writer, row, corpus_row)
    except UnicodeDecodeError as error:
        what = f"not UTF-8 ({error}): convert it to UTF-8"
        if source.is_file() and zipfile.is_zipfile(source):
            what = "a workbook or an archive, not a text: save it as CSV"
        raise ValueError(f"{source}: {what}") from None
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        path, reason = error.filename or source, error.strerror or error
        raise ValueError(
            f"{path}: {reason}: {format_name} is {corpus_format.description}"
        ) from None
    result = writer.result()
    if not result.n_rows:
        raise ValueError(f"{result.summary()}\n{source}: no usable row of the format {format_name}")
    return result


def _add(writer: ManifestWriter, row: ManifestRow | Skipped, corpus_row: CorpusRow) -> None:
    if isinstance(row, Skipped):
        writer.skip(*row)
        return
    if row.audio != corpus_row.audio:
        writer.note(corpus_row.place, f"{corpus_row.audio}: read as {row.audio}")
    writer.add(row, corpus_row.place)


def _parse_columns(pairs: Sequence[str]) -> dict[str, str]:
    """Parse `field=column` pairs."""
    columns = dict(pair.partition("=")[::2] for pair in pairs)
    wrong = [name for name, column in columns.items() if name not in COLUMN_FIELDS or not column]
    if wrong:
        fields = ", ".join(COLUMN_FIELDS)
        raise ValueError(
            f"--columns: {', '.join(wrong)}: give field=column; the fields are {fields}"
        )
    return columns


def _parse_delimiter(delimiter: str) -> str:
    if len(delimiter) > 1:
        raise ValueError(f"--delimiter: {delimiter!r}: give one character")
    return delimiter
