"""Format scores as tables, for a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from whisper_ft.evaluation.comparison import (
    MIN_UNITS,
    Change,
    Side,
    compare_prompts,
    most_different,
)
from whisper_ft.evaluation.results import Comparison, EvaluationResult
from whisper_ft.evaluation.samples import CONDITIONS, short_path
from whisper_ft.evaluation.scoring import SCORES, Scores, ScoreValue

MARK = "<!-- table -->"


def markdown_table(results: Sequence[tuple[str, Scores]]) -> str:
    """Return a Markdown table, a line per (name, scores): WER and keyword recall by condition."""
    head = (
        "| checkpoint | WER: right prompt | none | wrong | spelled exactly: right | none | wrong |"
    )
    lines = [head, "|---|" + "---:|" * 6]
    for name, scores in results:
        cells = [
            format_score(kind, scores[condition][kind])
            for kind in ("wer", "keyword_recall")
            for condition in CONDITIONS
        ]
        lines.append(f"| {markdown_cell(name)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def insert_table(document: str, new_table: str, mark: str = MARK) -> str:
    """Return a document with the table between its two marks replaced.

    Raises ValueError if the document does not hold exactly two marks.
    """
    parts = document.split(mark)
    if len(parts) != 3:
        raise ValueError(f"expected two lines {mark}, before and after the table: add them")
    return mark.join([parts[0], f"\n{new_table}\n", parts[2]])


def score_table(scores: Scores) -> str:
    """Return every score of one evaluation by condition, with intervals, for a terminal."""
    lines = [f"{'':18}{'right prompt':>24}{'no prompt':>24}{'wrong prompt':>24}"]
    for name in SCORES:
        values = [scores[condition][name] for condition in CONDITIONS]
        as_wer = [scores[condition]["wer"] for condition in CONDITIONS]
        if name == "marked_wer" and values == as_wer:  # where marks do not matter
            continue
        if any(value.total for value in values):
            cells = [f" {format_score(name, value, interval=True):>23}" for value in values]
            lines.append(f"{name:18}{''.join(cells)}")
    lines.append(f"{'rows':18}" + "".join(f"{scores[c].n_rows:>24}" for c in CONDITIONS))
    if scores["none"].n_rows and not scores["wrong"].n_rows:
        lines.append("No row has a wrong prompt: no other row's prompt can serve as one.")
    return "\n".join(lines)


def format_score(name: str, value: ScoreValue, *, interval: bool = False) -> str:
    """Format a score's rate, and its interval if wanted; "-" when nothing was counted."""
    rate = format_rate(name, value.rate)
    if not interval or not value.interval:
        return rate
    scale, form = (100, ".1f") if SCORES[name].is_percentage else (1, ".2f")
    low, high = (scale * bound for bound in value.interval)
    return f"{rate} [{low:{form}}, {high:{form}}]"


def format_rate(name: str, rate: float | None) -> str:
    """Format a score's rate: per cent, or with two decimals; "-" for None."""
    if rate is None:
        return "-"
    return f"{100 * rate:.1f} %" if SCORES[name].is_percentage else f"{rate:.2f}"


def markdown_cell(text: str) -> str:
    """Return a text as it may stand in a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def format_result(result: EvaluationResult) -> str:
    """Return the scores of one evaluation for a terminal: all, then WER by part and domain."""
    blocks = [score_table(result.scores)]
    if result.parts:
        blocks.append(_wer_table("WER by part", result.parts))
    if result.others:
        blocks.append(_wer_table("WER on others", result.others))
    return "\n\n".join(blocks)


def _wer_table(title: str, scores_by_name: Mapping[str, Scores]) -> str:
    lines = [f"{title:22}{'rows':>6}" + "".join(f"{c:>23}" for c in CONDITIONS)]
    for name, scores in scores_by_name.items():
        cells = [f" {format_score('wer', scores[c]['wer'], interval=True):>22}" for c in CONDITIONS]
        lines.append(f"{short_path(name)[-21:]:22}{scores['none'].n_rows:>6}{''.join(cells)}")
    return "\n".join(lines)


def changes_table(changes: Sequence[Change], name: str) -> str:
    """Return a table of changes for a terminal."""
    width = max([22, *(len(short_path(change.label)) + 1 for change in changes)])
    lines = [f"{name:{width}}{'rows':>6}{'before':>10}{'after':>10}{'change':>10}   95 % interval"]
    lines += [_change_line(change, name, width) for change in changes]
    if any(change.n_units < MIN_UNITS for change in changes):
        lines.append(f"With fewer than {MIN_UNITS} rows or recordings there is no verdict.")
    return "\n".join(lines)


def _change_line(change: Change, name: str, width: int) -> str:
    scale, form, unit = (100, ".1f", "%") if SCORES[name].is_percentage else (1, ".2f", " ")
    line = f"{short_path(change.label):{width}}{change.n_rows:>6}"
    if change.before is None or change.after is None:
        return f"{line}{'-':>10}{'-':>10}"
    before, after = scale * change.before, scale * change.after
    line += f"{before:>9{form}}{unit}{after:>9{form}}{unit}{after - before:>+10{form}}"
    if change.interval is not None:
        low, high = (scale * bound for bound in change.interval)
        line += f"   [{low:+{form}}, {high:+{form}}] {change.verdict}".rstrip()
    return line


def format_comparison(
    results: Sequence[EvaluationResult], comparisons: Sequence[Comparison], n_rows: int
) -> str:
    """Return what differs between checkpoints, or between prompts if there is only one.

    Tables of changes, the `n_rows` rows that differ most, and Markdown tables.
    """
    samples = [next(iter(result.samples.values())) for result in results]
    if len(results) > 1:
        title = "Rows that differ most, under right prompts"
        sides = (
            Side(samples[0], "right", results[0].name),
            Side(samples[-1], "right", results[-1].name),
        )
        blocks = [
            f"{c.before} -> {c.after}\n{changes_table(c.changes, c.score)}" for c in comparisons
        ]
    else:
        title = "Rows that differ most"
        sides = Side(samples[0], "none", "no prompt"), Side(samples[0], "right", "right prompt")
        blocks = [changes_table(compare_prompts(samples[0], "wer"), "wer")]
    if rows := most_different(*sides, n_rows):
        blocks.append("\n".join([title, *rows]))
    blocks.append(markdown_table([(result.name, result.scores) for result in results]))
    if results[0].others:
        blocks.append(overview_table(results, comparisons))
    return "\n\n".join(blocks)


def overview_table(results: Sequence[EvaluationResult], comparisons: Sequence[Comparison]) -> str:
    """Return a Markdown table of WER: by prompt, then on other manifests without a prompt.

    Bold marks what is better or worse than the first checkpoint beyond the 95 % interval.
    """
    others = list(results[0].others)
    names = ["checkpoint", "WER: right prompt", "none", "wrong"]
    names += [f"{short_path(other)}, none" for other in others]
    lines = ["| " + " | ".join(map(markdown_cell, names)) + " |"]
    lines.append("|---|" + "---:|" * (3 + len(others)))
    for result in results:
        significant = {
            change.label
            for comparison in comparisons
            if (comparison.after, comparison.score) == (result.name, "wer")
            for change in comparison.changes
            if change.verdict
        }
        values = {c: result.scores[c]["wer"] for c in CONDITIONS}
        values |= {f"{other}, none": result.others[other]["none"]["wer"] for other in others}
        cells = [markdown_cell(result.name)]
        for label, value in values.items():
            text = format_score("wer", value)
            cells.append(f"**{text}**" if label in significant else text)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
