"""Say in words what tuning has spoiled in whole recordings."""

from __future__ import annotations

import math

from whisper_ft.evaluation.derailment import MIN_STRETCH
from whisper_ft.evaluation.longform import LongformResult
from whisper_ft.evaluation.longform_scores import (
    LongformSample,
    LongformScores,
    loop_count,
    skipped_stretches,
)
from whisper_ft.evaluation.scored_text import ScoredText
from whisper_ft.text.counts import format_count

MAX_WER_RISE = 0.005
# Tuned to stock, in which segments a minute are as before. With a prompt stock writes hardly more
# than one a window, and more are no loss.
MIN_SEGMENTS_RATIO, MAX_SEGMENTS_RATIO = 0.75, 1.25
MAX_PLACES = 3  # recordings named in a warning


def describe_longform_change(stock: LongformResult, tuned: LongformResult) -> list[str]:
    """Return a warning for each way in which the tuned model is worse than the stock one.

    Under each condition that both decoded: WER has risen by more than half a point, a recording
    has more loops, a stretch is left out that stock wrote, or segments a minute have changed by
    more than a quarter (with a prompt: have become fewer).
    Raises ValueError if the two are not of the same recordings and prompts.
    """
    keys = [[(s.place, s.reference, s.prompts) for s in r.samples] for r in (stock, tuned)]
    if keys[0] != keys[1]:
        raise ValueError("the two results are not of the same recordings and prompts")
    warnings = []
    for condition in stock.scores.by_condition:
        if condition in tuned.scores.by_condition:
            found = [
                *_score_changes(stock.scores, tuned.scores, condition),
                *_new_derailments(stock, tuned, condition),
            ]
            warnings += [f"{_under(condition)} {change}" for change in found]
    return warnings


def _under(condition: str) -> str:
    prompt, _, carried = condition.partition("_")
    if prompt == "none":
        return "without an initial prompt,"
    article = "a" if prompt == "wrong" else "the"
    return f"with {article} {prompt} initial prompt{' carried along' if carried else ''},"


def _score_changes(stock: LongformScores, tuned: LongformScores, condition: str) -> list[str]:
    changes = []
    before, after = (scores[condition]["wer"].rate for scores in (stock, tuned))
    if before is not None and after is not None and after - before > MAX_WER_RISE:
        changes.append(
            f"the WER of whole recordings rises from {100 * before:.1f} to {100 * after:.1f} %"
        )
    before, after = (scores[condition]["segments_per_minute"].rate for scores in (stock, tuned))
    limit = MAX_SEGMENTS_RATIO if condition == "none" else math.inf
    if before and after is not None and not MIN_SEGMENTS_RATIO <= after / before <= limit:
        changes.append(
            f"recordings are cut into {after:.1f} segments a minute instead of {before:.1f}"
        )
    return changes


def _new_derailments(stock: LongformResult, tuned: LongformResult, condition: str) -> list[str]:
    loops: dict[str, int] = {}  # new ones by place
    skipped: dict[str, int] = {}
    for before, after in zip(stock.samples, tuned.samples, strict=True):
        texts = [ScoredText(sample, condition, cased=True) for sample in (before, after)]
        if not _is_scored(before, condition) or not _is_scored(after, condition):
            continue
        n_new = loop_count(texts[1]) - loop_count(texts[0])
        if n_new > 0:
            loops[after.short_place] = n_new
        known = {index for stretch in skipped_stretches(texts[0]) for index in stretch}
        new = [s for s in skipped_stretches(texts[1]) if known.isdisjoint(s)]
        if new:
            skipped[after.short_place] = len(new)
    changes = []
    if loops:
        count = format_count(sum(loops.values()), "loop")
        changes.append(f"{count} that stock lacks: {_places(loops)}")
    if skipped:
        count = format_count(sum(skipped.values()), "skip")
        unit = f"{MIN_STRETCH} or more words (or twice as many letters where words have no spaces)"
        changes.append(f"{count} that stock lacks, of {unit} left out: {_places(skipped)}")
    return changes


def _is_scored(sample: LongformSample, condition: str) -> bool:
    return bool(sample.reference.strip()) and sample.outputs[condition] is not None


def _places(counts: dict[str, int]) -> str:
    named = list(counts)[:MAX_PLACES]
    rest = len(counts) - len(named)
    return "; ".join(named) + (f" and {rest} more" if rest else "")
