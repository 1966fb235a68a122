"""The command `table`."""

from __future__ import annotations

from pathlib import Path

from whisper_ft.config.commands import TableConfig
from whisper_ft.evaluation.results import read_evaluations
from whisper_ft.evaluation.tables import MARK, insert_table, markdown_table
from whisper_ft.runtime.files import find_file_problem


def table(config: TableConfig) -> int:
    """Print the table of some evaluations, or write it into a document."""
    results = [result for path in config.results for result in read_evaluations(Path(path))]
    text = markdown_table([(result.name, result.scores) for result in results])
    if not config.into:
        print(text)
        return 0
    document = Path(config.into)
    if problem := find_file_problem(document):
        raise ValueError(f"--into: {document}: {problem}: give a document with a line {MARK} twice")
    try:
        content = insert_table(document.read_text(encoding="utf-8"), text)
    except ValueError as error:
        raise ValueError(f"{document}: {error}") from None
    document.write_text(content, encoding="utf-8")
    return 0
