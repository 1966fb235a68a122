"""Format the scores of whole recordings for a terminal."""

from __future__ import annotations

from whisper_ft.evaluation.longform_scores import LONGFORM_SCORES, LongformScores
from whisper_ft.evaluation.scoring import ScoreValue
from whisper_ft.text.counts import format_count

COLUMNS = {  # heading by score
    "wer": "WER",
    "b_wer": "B-WER",
    "u_wer": "U-WER",
    "keyword_recall": "keywords",
    "loops": "loops",
    "skips": "skips",
    "segments_per_minute": "segments/min",
    "boundary_error": "boundaries",
}
TOTALS = ("loops", "skips")  # shown as numbers, and not per recording


def format_longform(scores: LongformScores) -> str:
    """Return a table with a line for each condition, and a line on silence."""
    blocks = []
    if scores.n_recordings:
        count = format_count(scores.n_recordings, "recording")
        blocks.append(f"{count}, {scores.hours:.2f} h\n{_table(scores)}")
    if scores.n_silent:
        blocks.append(_silence(scores))
    return "\n\n".join(blocks)


def _table(scores: LongformScores) -> str:
    names = [name for name in COLUMNS if any(s[name].total for s in scores.by_condition.values())]
    width = {name: 22 if name == "wer" else len(COLUMNS[name]) + 3 for name in names}
    lines = [f"{'prompt':14}" + "".join(f"{COLUMNS[name]:>{width[name]}}" for name in names)]
    for condition, values in scores.by_condition.items():
        cells = (f"{format_cell(name, values[name]):>{width[name]}}" for name in names)
        lines.append(f"{condition.replace('_', ', '):14}{''.join(cells)}")
    if any(values["boundary_error"].total for values in scores.by_condition.values()):
        lines.append("boundaries: mean error of segments' starts and ends, where they are found")
    return "\n".join(lines)


def format_cell(name: str, value: ScoreValue) -> str:
    """Format a score of whole recordings, loops and skips as numbers."""
    if value.rate is None:
        return "-"
    if name in TOTALS:
        return f"{value.part:g}"
    if not LONGFORM_SCORES[name].is_percentage:
        return f"{value.rate:.2f} s" if name == "boundary_error" else f"{value.rate:.1f}"
    if name != "wer" or value.interval is None:
        return f"{100 * value.rate:.1f} %"
    low, high = (100 * bound for bound in value.interval)
    return f"{100 * value.rate:.1f} % [{low:.1f}, {high:.1f}]"


def _silence(scores: LongformScores) -> str:
    shares = (
        f"{100 * rate:.0f} % ({condition.replace('_', ', ')})"
        for condition, values in scores.by_condition.items()
        if (rate := values["empty"].rate) is not None
    )
    return (
        f"{format_count(scores.n_silent, 'silent row')}: stay empty: {', '.join(shares)}; "
        f"mean no_speech_prob {scores.no_speech_prob.rate:.2f}, "
        f"mean avg_logprob {scores.avg_logprob.rate:.2f}"
    )
