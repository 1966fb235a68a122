"""The command `table`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from whisper_ft.config.commands import TableConfig
from whisper_ft.evaluation.results import EvaluationResult, read_evaluations
from whisper_ft.evaluation.tables import MARK, insert_table, markdown_table
from whisper_ft.runtime.files import find_file_problem


def table(config: TableConfig) -> int:
    """Print the table of some evaluations, or write it into a document."""
    results = [result for path in config.results for result in read_evaluations(Path(path))]
    _check_sources(results)
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


def _check_sources(results: Sequence[EvaluationResult]) -> None:
    """Raise ValueError unless the keywords of all results were found in the same way."""
    names: dict[str, str] = {}  # of the first result with each source
    for result in results:
        names.setdefault(result.settings.keyword_source, result.name)
    if len(names) > 1:
        found = "; ".join(f"{name}: {source}" for source, name in names.items())
        raise ValueError(
            f"the keywords of these evaluations were not found in the same way ({found}): evaluate "
            "all with the same --keywords and --glossary, and with the same version of wordfreq or "
            "without it"
        )
