"""At a run's end: which mixture of trained and stock weights becomes `best.pt`.

The shares are scored on half of the dev rows, and the chosen one on the other half. `tuned.pt`
keeps the trained weights before `best.pt` is replaced, and the line in `metrics.jsonl` comes last:
wherever a run is killed, the resumed run finds the trained weights and does the same again.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from whisper.model import Whisper

from whisper_ft.config.train import TrainConfig
from whisper_ft.evaluation.best_score import PROMPTED_WER, best_score, is_higher_better
from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.evaluation.decode_rows import decode_all
from whisper_ft.evaluation.logged_interpolation import (
    LoggedInterpolation,
    ShareScores,
    shares_table,
)
from whisper_ft.evaluation.samples import Sample
from whisper_ft.evaluation.scoring import Scores, score
from whisper_ft.models.averaging import mix_into
from whisper_ft.models.layers import use_fast_layers
from whisper_ft.models.loading import load
from whisper_ft.models.parameters import cast_matrices
from whisper_ft.models.saving import save_weights
from whisper_ft.runtime.devices import pick_dtype
from whisper_ft.runtime.files import append_json_lines, copy_atomically, read_json_lines
from whisper_ft.runtime.signals import StopRequest
from whisper_ft.training.checkpoint import BEST, TUNED
from whisper_ft.training.halves import MIN_ROWS, halve
from whisper_ft.training.log import METRICS, SAMPLES, interpolation_of
from whisper_ft.training.plan import Plan
from whisper_ft.training.run_config import find_model_change, read_run_config
from whisper_ft.training.state import Progress

LOGGER = logging.getLogger("whisper_ft")
STOCK, TUNED_ALONE = 0.0, 1.0  # shares of the trained weights
SHARES = (1.0, 0.75, 0.5, 0.25)  # to choose from; of equal ones the first
HALF = 0.5
# Half was best or nearly so for every recipe ("Recipes" in benchmarks/NOTES.md). On the few rows
# that choose, another share may be better by chance: it must be so by this part of half's score.
CHANCE = 0.05
TOLERANCE = 0.005  # by which the error rate on --others may exceed stock's: 0.5 points


class InterpolationError(ValueError):
    """The trained weights, or those that the run started from, can no longer be read."""


class _Stopped(Exception):
    """A signal came while rows were decoded."""


@dataclass(frozen=True)
class Part:
    """Rows that are decoded together: those that choose the share, or those that score it."""

    numbers: tuple[int, ...]  # of the dev rows
    dev: PromptedRows
    others: PromptedRows  # of --others


def find_obstacle(config: TrainConfig, dev: PromptedRows) -> str:
    """Return why `best.pt` is not mixed with the weights before training; "" if it is."""
    if config.interpolate == "off":
        return "--interpolate off"
    if not dev.rows:
        return "there are no --dev rows to choose a share by"
    if (n_rows := len(dev.rows)) < MIN_ROWS:
        return (
            f"{n_rows} dev rows are too few to choose a share and to score it (at least {MIN_ROWS})"
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
    mixtures = _Mixtures(plan, progress, stop)
    try:
        rows_chosen_by = [mixtures.score(share, choosing)[0] for share in (STOCK, *SHARES)]
        share = choose_share(rows_chosen_by, plan.config.best_by)
        scored = {STOCK: mixtures.score(STOCK, scoring), share: mixtures.score(share, scoring)}
        if share != TUNED_ALONE:
            scored[TUNED_ALONE] = mixtures.score(TUNED_ALONE, scoring)
    except _Stopped:
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


class _Mixtures:
    """Mixtures of trained and stock weights, one in memory at a time, and what they write.

    Besides the run's own model and one mixture, as in an evaluation, only the stock weights are
    kept, on the CPU; the trained ones are read again for each mixture.
    """

    def __init__(self, plan: Plan, progress: Progress, stop: StopRequest) -> None:
        self.plan = plan
        self.stop = stop
        # What evaluations wrote before training and at the best step is not decoded again.
        self.logged = {
            STOCK: _logged_samples(plan, 0),
            TUNED_ALONE: _logged_samples(plan, progress.best_step),
        }
        tuned, best = plan.folder / TUNED, plan.folder / BEST
        self.tuned_path = tuned if tuned.is_file() else best
        self.stock = _load_stock(plan)
        self._ready: tuple[float, Whisper] | None = None

    def score(self, share: float, part: Part) -> tuple[ShareScores, Scores]:
        """Decode and score the rows of a part with a mixture. Raises _Stopped."""
        dev = self.logged.get(share)
        samples = [dev[i] for i in part.numbers] if dev else self._decode(share, part.dev, "dev")
        scores, others = score(samples), None
        if part.others.rows:
            other_scores = score(self._decode(share, part.others, "--others"))
            others = best_score(other_scores, PROMPTED_WER)
        return (
            ShareScores(
                share=share,
                score=best_score(scores, self.plan.config.best_by),
                loss=scores["right"]["loss"].rate,
                others=others,
            ),
            scores,
        )

    def _decode(self, share: float, rows: PromptedRows, what: str) -> list[Sample]:
        if self._ready is None or self._ready[0] != share:
            self._ready = None  # before memory is taken for another
            self._ready = share, self._make_ready(share)
        description = f"{share:g} of the tuned weights, {what}"
        samples = decode_all(self._ready[1], rows, description, stop=lambda: bool(self.stop))
        if samples is None:
            raise _Stopped
        return samples

    def _make_ready(self, share: float) -> Whisper:
        """Return a mixture that decodes as an evaluation of its checkpoint does."""
        device = self.plan.device
        as_saved = self._mix(share).half().float().to(device)
        model = cast_matrices(as_saved, pick_dtype("auto", device))
        use_fast_layers(model)
        return model

    def _mix(self, share: float) -> Whisper:
        """Return a mixture in float32, on the CPU."""
        try:
            model = load(str(self.tuned_path)).model
        except ValueError as error:
            raise InterpolationError(str(error)) from None
        if share != TUNED_ALONE:
            mix_into(model, self.stock, share)
        return model

    def write_best(self, share: float) -> None:
        """Make a mixture `best.pt`, and keep the trained weights in `tuned.pt` before that."""
        best, tuned = self.plan.folder / BEST, self.plan.folder / TUNED
        self._ready = None
        if share != TUNED_ALONE:
            mixture = self._mix(share)
            if self.tuned_path == best:
                copy_atomically(best, tuned)
            save_weights(mixture, best, self.plan.loaded.alignment_heads)
        elif self.tuned_path == tuned:  # a run that was killed here had chosen another share
            os.replace(tuned, best)


def _load_stock(plan: Plan) -> Whisper:
    """Load the model that the run started from. Raises InterpolationError if it is another now."""
    if change := find_model_change(read_run_config(plan.folder)):
        raise InterpolationError(change)
    try:
        return load(plan.config.model).model
    except ValueError as error:
        raise InterpolationError(str(error)) from None


def _logged_samples(plan: Plan, step: int) -> list[Sample] | None:
    """Return the samples of a step's evaluation in the order of the dev rows; None if any lacks."""
    lines = (line for line in read_json_lines(plan.folder / SAMPLES) if line["step"] == step)
    samples = sorted(map(Sample.from_json, lines), key=lambda sample: sample.number)
    whole = [sample.number for sample in samples] == list(range(len(plan.dev.rows)))
    return samples if whole else None
