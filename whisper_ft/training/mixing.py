"""Mixtures of a run's trained weights and those before training, and what they write."""

from __future__ import annotations

import os
from dataclasses import dataclass

from whisper.model import Whisper

from whisper_ft.evaluation.best_score import PROMPTED_WER, best_score
from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.evaluation.decode_rows import decode_all
from whisper_ft.evaluation.logged_interpolation import ShareScores
from whisper_ft.evaluation.samples import Sample
from whisper_ft.evaluation.scoring import Scores, score
from whisper_ft.models.averaging import mix_into
from whisper_ft.models.layers import use_fast_layers
from whisper_ft.models.loading import load
from whisper_ft.models.parameters import cast_matrices
from whisper_ft.models.saving import save_weights
from whisper_ft.runtime.devices import pick_dtype
from whisper_ft.runtime.files import copy_atomically, read_json_lines
from whisper_ft.runtime.signals import StopRequest
from whisper_ft.training.checkpoint import BEST, TUNED
from whisper_ft.training.log import SAMPLES
from whisper_ft.training.plan import Plan
from whisper_ft.training.run_config import find_model_change, read_run_config
from whisper_ft.training.state import Progress

STOCK, TUNED_ALONE = 0.0, 1.0  # shares of the trained weights


class InterpolationError(ValueError):
    """The trained weights, or those that the run started from, can no longer be read."""


class Stopped(Exception):
    """A signal came while rows were decoded."""


@dataclass(frozen=True)
class Part:
    """Rows that are decoded together: those that choose the share, or those that score it."""

    numbers: tuple[int, ...]  # of the dev rows
    dev: PromptedRows
    others: PromptedRows  # of --others


class Mixtures:
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
        """Decode and score the rows of a part with a mixture. Raises Stopped."""
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
            raise Stopped
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
