"""Summarize a checked manifest on one screen: hours, languages, lengths, problems, warnings."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whisper_ft.data.keyword_prompts import MAX_PROMPT_TOKENS
from whisper_ft.data.row import Problem
from whisper_ft.models.loading import Vocabulary
from whisper_ft.text.counts import format_count
from whisper_ft.text.tokens import encode_prompt, encode_segments
from whisper_ft.validation.checks import CheckedManifest
from whisper_ft.validation.keyword_summary import (
    KeywordSummary,
    format_keywords,
    summarize_keywords,
)

OPTIONAL_FIELDS = ("prompt", "keywords", "segments", "recording", "speaker")
BIN_ENDS = (16, 32, 64, 96, 128, 160, 192, 224, 448)  # the most tokens of a text in each bin
BINS = {end: f"{low + 1}-{end}" for low, end in zip((0, *BIN_ENDS), BIN_ENDS, strict=False)}
BAR_WIDTH = 40  # characters of the longest bar
MAX_LISTED = 20  # problems; more are grouped by kind
N_EXAMPLES = 4  # places and values of a group
VARYING = re.compile(
    r"'(?:[^'\\]|\\.)+'|\"[^\"]+\"|\d+(\.\d+)?%?"
)  # the part of a kind that varies


@dataclass(frozen=True)
class LanguageTotal:
    """How much of a language a manifest has."""

    n_rows: int
    hours: float


@dataclass(frozen=True)
class CutPrompts:
    """Prompts with more tokens than fit: how many, and how many tokens they lose."""

    n_rows: int
    mean: float  # tokens
    most: int


@dataclass(frozen=True)
class ManifestSummary:
    """All that a report shows of a checked manifest."""

    path: str
    n_rows: int  # usable ones, as in all numbers
    hours: float
    languages: dict[str, LanguageTotal]  # by code
    n_by_task: dict[str, int]
    n_by_field: dict[str, int]  # rows that have an optional field, or are silence
    n_by_tokens: dict[str, int]  # by bin of BINS; empty if no vocabulary is known
    cut_prompts: CutPrompts | None
    keywords: KeywordSummary | None  # None: they are as the manifest gives them
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it in plain types."""
        cut = self.cut_prompts
        return {
            "manifest": self.path,
            "rows": self.n_rows,
            "hours": self.hours,
            "languages": {
                code: {"rows": total.n_rows, "hours": total.hours}
                for code, total in self.languages.items()
            },
            "tasks": self.n_by_task,
            "with": self.n_by_field,
            "tokens": self.n_by_tokens,
            "cut_prompts": (
                {"rows": cut.n_rows, "mean": cut.mean, "most": cut.most} if cut else {}
            ),
            "keywords": self.keywords.to_json() if self.keywords else {},
            "problems": [vars(problem) for problem in self.problems],
            "warnings": [vars(warning) for warning in self.warnings],
        }


def summarize(
    path: str, checked: CheckedManifest, vocabulary: Vocabulary | None
) -> ManifestSummary:
    """Summarize a checked manifest; tokens are counted only with a vocabulary."""
    n_by_language, n_by_task = Counter[str](), Counter[str]()
    n_by_field, n_by_bin = Counter[str](), Counter[str]()
    hours_by_language: defaultdict[str, float] = defaultdict(float)
    n_cut_tokens: list[int] = []  # of each prompt that loses some
    for row in checked.rows:
        n_by_language[row.language] += 1
        hours_by_language[row.language] += (row.duration or 0.0) / 3600
        n_by_task[row.task] += 1
        n_by_field.update(name for name in OPTIONAL_FIELDS if getattr(row, name))
        n_by_field["silence"] += not row.text.strip()
        if vocabulary is None:
            continue
        tokenizer = vocabulary.tokenizer(language=row.language, task=row.task)
        ids = encode_segments(tokenizer, row.resolved_segments(row.duration or 0.0))
        n_by_bin[_bin(len(ids))] += 1
        n_cut = len(encode_prompt(tokenizer, row.prompt)) - MAX_PROMPT_TOKENS
        n_cut_tokens += [n_cut] if n_cut > 0 else []
    return ManifestSummary(
        path=path,
        n_rows=len(checked.rows),
        hours=checked.seconds / 3600,
        languages={
            code: LanguageTotal(n_rows, hours_by_language[code])
            for code, n_rows in n_by_language.items()
        },
        n_by_task=dict(n_by_task),
        n_by_field={name: n_by_field[name] for name in (*OPTIONAL_FIELDS, "silence")},
        n_by_tokens={name: n_by_bin[name] for name in BINS.values()} if vocabulary else {},
        cut_prompts=_summarize_cuts(n_cut_tokens),
        keywords=summarize_keywords(Path(path).name, checked.rows, checked.keyword_source),
        problems=checked.problems,
        warnings=checked.warnings,
    )


def _bin(n_tokens: int) -> str:
    """Return the bin of a text; the last one has all longer texts too."""
    return next((name for end, name in BINS.items() if n_tokens <= end), BINS[max(BINS)])


def _summarize_cuts(n_cut_tokens: Sequence[int]) -> CutPrompts | None:
    if not n_cut_tokens:
        return None
    mean = sum(n_cut_tokens) / len(n_cut_tokens)
    return CutPrompts(len(n_cut_tokens), mean, max(n_cut_tokens))


def format_summary(summary: ManifestSummary, *, all_warnings: bool) -> Iterator[str]:
    """Yield lines for a terminal.

    Warnings and more than MAX_LISTED problems are grouped by kind unless `all_warnings`.
    """
    yield _format_totals(summary)
    if len(summary.languages) > 1:
        by_rows = sorted(summary.languages.items(), key=lambda item: -item[1].n_rows)
        yield "  languages: " + ", ".join(
            f"{code} {total.n_rows} ({total.hours:.2f} h)" for code, total in by_rows
        )
    if n_translated := summary.n_by_task.get("translate"):
        yield f"  rows to translate: {n_translated}"
    yield from _format_histogram(summary)
    if cut := summary.cut_prompts:
        yield (
            f"  prompts that lose their first tokens: {cut.n_rows} ({cut.mean:.0f} on average, "
            f"{cut.most} at most)"
        )
    if summary.keywords:
        yield from format_keywords(summary.keywords)
    list_problems = all_warnings or len(summary.problems) <= MAX_LISTED
    yield from _list(summary.problems) if list_problems else _group(summary.problems, "problem")
    if all_warnings:
        yield from (f"warning: {line}" for line in _list(summary.warnings))
    else:
        yield from _group(summary.warnings, "warning")
    hides_some = not all_warnings and (summary.warnings or not list_problems)
    hint = ": --all-warnings lists each" if hides_some else ""
    n_problems = format_count(len(summary.problems), "problem")
    n_warnings = format_count(len(summary.warnings), "warning")
    yield f"  {n_problems}, {n_warnings}{hint}"


def _format_totals(summary: ManifestSummary) -> str:
    totals = f"{summary.path}: {format_count(summary.n_rows, 'row')}, {summary.hours:.2f} h"
    fields = ", ".join(f"{n} with {name}" for name, n in summary.n_by_field.items() if n)
    return f"{totals}; {fields}" if fields else totals


def _format_histogram(summary: ManifestSummary) -> Iterator[str]:
    """Yield a bar for each bin of tokens up to the last that has a text."""
    if not summary.n_by_tokens or not summary.n_rows:
        return
    yield "  tokens per text, timestamps included:"
    highest = max(summary.n_by_tokens.values())
    names = list(summary.n_by_tokens)
    last = max(i for i, name in enumerate(names) if summary.n_by_tokens[name])
    for name in names[: last + 1]:
        n = summary.n_by_tokens[name]
        yield f"  {name:>9} {n:6} {'#' * round(BAR_WIDTH * n / highest)}".rstrip()


def _list(findings: Sequence[Problem]) -> Iterator[str]:
    """Yield a line for each problem or warning."""
    return (f"{finding.place}: {finding.what}" for finding in findings)


def _group(findings: Sequence[Problem], label: str) -> Iterator[str]:
    """Yield a line for each kind: how often, the first one in full, where, and other values."""
    groups: defaultdict[str, list[Problem]] = defaultdict(list)
    for finding in findings:
        groups[VARYING.sub("..", finding.what)].append(finding)
    for group in sorted(groups.values(), key=len, reverse=True):
        lines = ", ".join(finding.place.rpartition(":")[2] for finding in group[:N_EXAMPLES])
        more = ", ..." if len(group) > N_EXAMPLES else ""
        yield f"  {label}: {len(group):5} x {group[0].what} (line {lines}{more})"
        values = Counter(
            match.group() for finding in group if (match := VARYING.search(finding.what))
        )
        if len(values) > 1:
            most_common = ", ".join(f"{v} ({n})" for v, n in values.most_common(N_EXAMPLES))
            yield f"{' ' * 20}also {most_common}"
