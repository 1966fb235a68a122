"""At a run's end: which mixture of trained and stock weights becomes `best.pt`.

The shares are scored on half of the dev rows, and the chosen one on the other half. `tuned.pt`
keeps the trained weights before `best.pt` is replaced, and the line in `metrics.jsonl` comes last:
wherever a run is killed, the resumed run finds the trained weights and does the same again.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence

from whisper_ft.config.train import TrainConfig
from whisper_ft.evaluation.best_score import is_higher_better
from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.evaluation.logged_interpolation import (
    LoggedInterpolation,
    ShareScores,
    shares_table,
)
from whisper_ft.runtime.files import append_json_lines
from whisper_ft.runtime.signals import StopRequest
from whisper_ft.text.counts import format_count
from whisper_ft.training.checkpoint import BEST
from whisper_ft.training.halves import MIN_ROWS, halve
from whisper_ft.training.log import METRICS, interpolation_of
from whisper_ft.training.mixing import STOCK, TUNED_ALONE, Mixtures, Part, Stopped
from whisper_ft.training.plan import Plan
from whisper_ft.training.state import Progress

LOGGER = logging.getLogger("whisper_ft")
SHARES = (1.0, 0.75, 0.5, 0.25)  # to choose from; of equal ones the first
HALF = 0.5
# Half was best or nearly so for every recipe ("Recipes" in benchmarks/NOTES.md). On the few rows
# that choose, another share may be better by chance: it must be so by this part of half's score.
CHANCE = 0.05
TOLERANCE = 0.005  # by which the error rate on --others may exceed stock's: 0.5 points


def find_obstacle(config: TrainConfig, dev: PromptedRows) -> str:
    """Return why `best.pt` is not mixed with the weights before training; "" if it is."""
    if config.interpolate == "off":
        return "--interpolate off"
    if not dev.rows:
        return "there are no --dev rows to choose a share by"
    if (n_rows := len(dev.rows)) < MIN_ROWS:
        return (
            f"{format_count(n_rows, 'dev row')} of an evaluation can't both choose a share and "
            f"score it: give {MIN_ROWS} or more dev rows, and --eval-rows {MIN_ROWS} or more"
        )
    return ""


def interpolation_due(plan: Plan) -> bool:
    """Return whether a run whose steps are taken still has to mix its `best.pt`."""
    return not find_obstacle(plan.config, plan.dev) and interpolation_of(plan.folder) is None


def describe_interpolation_plan(plan: Plan) -> str:
    """Return what will happen to `best.pt` at the end, and what it costs."""
    if obstacle := find_obstacle(plan.config, plan.dev):
        return f"{BEST} will not be mixed with the weights before training: {obstacle}"
    shares = ", ".join(f"{share:g}" for share in sorted(SHARES))
    choosing, scoring, halved_by = make_parts(plan)
    n_rows = (len(SHARES) - 1) * len(choosing.numbers) + len(scoring.numbers)
    if plan.others.rows:
        n_rows += (len(SHARES) + 1) * len(choosing.others.rows) + 3 * len(scoring.others.rows)
    text = (
        f"at the end {BEST} becomes a mixture of the trained weights and those before training. "
        f"{len(choosing.numbers)} dev rows choose the share of the trained weights ({shares}), and "
        f"{len(scoring.numbers)} others score it. This takes as long as "
        f"{n_rows / len(plan.dev.rows):.1f} evaluations"
    )
    if halved_by == "row" and any(row.recording for row in plan.dev.rows):
        text += (
            ". The recordings of the dev rows cannot be halved: both halves hold rows of the same "
            "ones, so that the score may be too good"
        )
    return text


def make_parts(plan: Plan) -> tuple[Part, Part, str]:
    """Return the rows that choose, those that score, and whether recordings or rows are halved."""
    choosing, scoring, halved_by = halve(plan.dev.rows, plan.config.seed)
    others = halve(plan.others.rows, plan.config.seed)
    parts = [
        Part(numbers, plan.dev.subset(numbers), plan.others.subset(other_numbers))
        for numbers, other_numbers in ((choosing, others[0]), (scoring, others[1]))
    ]
    return parts[0], parts[1], halved_by


def interpolate(plan: Plan, progress: Progress, stop: StopRequest) -> None:
    """Choose a mixture of the weights of the best evaluation and of stock, and make it `best.pt`.

    When asked to stop it leaves no trace, and stays due for the resumed run. Raises
    InterpolationError for weights that are gone or changed, OSError if a file cannot be written,
    and RowError naming an unreadable row.
    """
    choosing, scoring, halved_by = make_parts(plan)
    mixtures = Mixtures(plan, progress, stop)
    try:
        rows_chosen_by = [mixtures.score(share, choosing)[0] for share in (STOCK, *SHARES)]
        share = choose_share(rows_chosen_by, plan.config.best_by)
        scored = {STOCK: mixtures.score(STOCK, scoring), share: mixtures.score(share, scoring)}
        if share != TUNED_ALONE:
            scored[TUNED_ALONE] = mixtures.score(TUNED_ALONE, scoring)
    except Stopped:
        return
    log = LoggedInterpolation(
        step=progress.step,
        tuned_step=progress.best_step,
        share=share,
        best_by=plan.config.best_by,
        n_choosing=len(choosing.numbers),
        n_scoring=len(scoring.numbers),
        halved_by=halved_by,
        choosing=tuple(rows_chosen_by),
        scoring=tuple(scores for scores, _ in scored.values()),
        scores=scored[share][1],
    )
    LOGGER.info(f"\n{shares_table(log.choosing, log.best_by)}\n")
    mixtures.write_best(share)
    append_json_lines(plan.folder / METRICS, [log.to_json()])


def choose_share(several: Sequence[ShareScores], best_by: str) -> float:
    """Return the best share; the first of `several` is stock, which is never chosen.

    Half is preferred to shares that are better by no more than CHANCE. A share whose errors on
    `--others` exceed stock's by more than TOLERANCE is left out. If all do, that with the fewest
    there is chosen, with a warning.
    """
    stock, *candidates = several
    sign = -1 if is_higher_better(best_by) else 1

    def badness(scores: ShareScores) -> tuple[float, float]:
        loss = scores.loss or 0.0  # None without a word in the dev rows
        return math.inf if scores.score is None else sign * scores.score, loss

    if stock.others is None:
        return _best_share(candidates, badness)
    limit = stock.others + TOLERANCE
    kept = [scores for scores in candidates if scores.others is None or scores.others <= limit]
    if kept:
        return _best_share(kept, badness)
    least = min(candidates, key=lambda scores: scores.others or 0.0)
    LOGGER.warning(
        f"on --others every mixture makes more errors than before training, by more than "
        f"{100 * TOLERANCE:g} points; {least.share:g} of the tuned weights, with the fewest, is "
        "chosen. Mix general speech into --train, or train fewer steps or with a lower --lr."
    )
    return least.share


def _best_share(
    candidates: Sequence[ShareScores], badness: Callable[[ShareScores], tuple[float, float]]
) -> float:
    """Return the share of the best candidate, or half if that is better only by chance."""
    best = min(candidates, key=badness)
    half = next((scores for scores in candidates if scores.share == HALF), best)
    if half.score is None or best.score is None:
        return best.share
    return half.share if abs(half.score - best.score) <= CHANCE * half.score else best.share
