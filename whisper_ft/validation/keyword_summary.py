"""Summarize the keywords that were found in a manifest: how many, the most frequent, examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from whisper_ft.data.found_keywords import AS_GIVEN, describe_keywords
from whisper_ft.data.row import Row
from whisper_ft.data.rows import row_keywords
from whisper_ft.text.counts import format_count

N_COMMON = 8  # keywords that are listed
N_EXAMPLES = 3  # rows that are shown
MAX_TEXT = 80  # characters of a row's text


@dataclass(frozen=True)
class KeywordExample:
    """A row and its keywords."""

    place: str
    text: str
    keywords: tuple[str, ...]


@dataclass(frozen=True)
class KeywordSummary:
    """The keywords of a manifest in which some were looked for."""

    source: str  # by what they were found
    text: str  # what was found, as a sentence
    n_rows: int  # that have keywords
    n_keywords: int
    n_different: int
    common: tuple[tuple[str, int], ...]  # the most frequent, with their number of rows
    examples: tuple[KeywordExample, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it in plain types, without the examples."""
        return {
            "source": self.source,
            "rows": self.n_rows,
            "keywords": self.n_keywords,
            "different": self.n_different,
            "most_frequent": dict(self.common),
        }


def summarize_keywords(path: str, rows: Sequence[Row], source: str) -> KeywordSummary | None:
    """Summarize the keywords of checked rows; None if they are as the manifest gives them."""
    if source == AS_GIVEN:
        return None
    counts = Counter[str]()
    with_keywords: list[int] = []
    for i in range(len(rows)):
        if keywords := row_keywords(rows, i):
            counts.update(keywords)
            with_keywords.append(i)
    step = max(1, len(with_keywords) // N_EXAMPLES)
    shown = [rows[i] for i in with_keywords[::step][:N_EXAMPLES]]
    return KeywordSummary(
        source=source,
        text=describe_keywords(path, rows, source),
        n_rows=len(with_keywords),
        n_keywords=counts.total(),
        n_different=len(counts),
        common=tuple(counts.most_common(N_COMMON)),
        examples=tuple(KeywordExample(row.place, row.text, row.keywords) for row in shown),
    )


def format_keywords(summary: KeywordSummary) -> Iterator[str]:
    """Yield lines for a terminal."""
    yield f"  {summary.text}"
    if not summary.n_rows:
        return
    common = ", ".join(f"{term} ({n})" for term, n in summary.common)
    yield f"    {format_count(summary.n_different, 'different one')}, most frequent: {common}"
    for example in summary.examples:
        line = example.place.rpartition(":")[2]
        text = " ".join(example.text.split())
        text = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."
        yield f"    line {line}: {', '.join(example.keywords)}: in {text!r}"
