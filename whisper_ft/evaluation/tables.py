"""Scores as tables: for a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whisper_ft.evaluation.samples import CONDITIONS
from whisper_ft.evaluation.scoring import SCORES

MARK = "<!-- table -->"


def markdown_table(results: Sequence[dict[str, Any]]) -> str:
    """A Markdown table of evaluations: a line each, WER and exact spellings by condition."""
    head = (
        "| checkpoint | WER: right prompt | none | wrong | spelled exactly: right | none | wrong |"
    )
    lines = [head, "|---|" + "---:|" * 6]
    for result in results:
        cells = [
            format_score(name, result["scores"][condition][name])
            for name in ("wer", "keywords")
            for condition in CONDITIONS
        ]
        lines.append(f"| {cell(result['name'])} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def insert_table(document: str, new_table: str, mark: str = MARK) -> str:
    """A document with the table between its two lines of a mark replaced."""
    parts = document.split(mark)
    if len(parts) != 3:
        raise ValueError(f"the document needs two lines {mark}, around the table's place")
    return mark.join([parts[0], f"\n{new_table}\n", parts[2]])


def details(scores: dict[str, Any]) -> str:
    """A table of one evaluation for a terminal: every score with its interval, by condition."""
    lines = [f"{'':10}{'right prompt':>24}{'no prompt':>24}{'wrong prompt':>24}"]
    for name in SCORES:
        entries = [scores[condition][name] for condition in CONDITIONS]
        if any(entry["total"] for entry in entries):
            cells = [f" {format_score(name, entry, interval=True):>23}" for entry in entries]
            lines.append(f"{name:10}{''.join(cells)}")
    lines.append(f"{'rows':10}" + "".join(f"{scores[c]['rows']:>24}" for c in CONDITIONS))
    if scores["none"]["rows"] and not scores["wrong"]["rows"]:
        lines.append("no row has a wrong prompt: no other row's is fit for one")
    return "\n".join(lines)


def format_score(name: str, entry: dict[str, Any], *, interval: bool = False) -> str:
    """A score for a person, with its interval or without."""
    if entry["rate"] is None:
        return "-"
    scale, form, unit = (100, ".1f", " %") if SCORES[name].share else (1, ".2f", "")
    rate = f"{scale * entry['rate']:{form}}{unit}"
    if not interval or not entry["interval"]:
        return rate
    low, high = (scale * bound for bound in entry["interval"])
    return f"{rate} [{low:{form}}, {high:{form}}]"


def cell(text: str) -> str:
    """A text in a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")
