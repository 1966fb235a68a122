"""The command `table`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from whisper_ft.config.commands import (
    TableConfig,
)
from whisper_ft.evaluation.tables import insert_table, markdown_table


def table(config: TableConfig) -> int:
    """Print the table of some evaluations, or write it into a document."""
    evaluated: list[dict[str, Any]] = []
    for path in config.results:
        try:
            held = json.loads(Path(path).read_text(encoding="utf-8"))["evaluations"]
            markdown_table(held)
        except (ValueError, KeyError, TypeError, AttributeError):
            held = []
        if not held:
            raise ValueError(f"{path}: not what evaluate --json writes: make it again")
        evaluated += held
    if not config.into:
        print(markdown_table(evaluated))
        return 0
    document = Path(config.into)
    try:
        text = insert_table(document.read_text(encoding="utf-8"), markdown_table(evaluated))
    except ValueError as error:
        raise ValueError(f"{document}: {error}") from None
    document.write_text(text, encoding="utf-8")
    return 0
