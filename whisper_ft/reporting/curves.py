"""Draw a run's curves: loss, learning rate, gradient norm and word error rates, as SVG."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from whisper_ft.evaluation.logged_evaluation import LoggedEvaluation
from whisper_ft.evaluation.prompt_gap import PromptLosses
from whisper_ft.evaluation.samples import CONDITIONS
from whisper_ft.reporting.run_folder import LoggedStep

LABELS = {"right": "right prompt", "none": "no prompt", "wrong": "wrong prompt"}
COLOURS = {"right": "#0a7d33", "none": "#555555", "wrong": "#c0392b"}


class Curve(NamedTuple):
    """Values at steps; None leaves a gap."""

    label: str
    colour: str
    steps: list[int]
    values: list[float | None]
    marked: bool = True  # a dot at each value


class Chart(NamedTuple):
    """A drawing: its title, and the SVG as a data URI."""

    title: str
    image: str


def charts(steps: Sequence[LoggedStep], evaluations: Sequence[LoggedEvaluation]) -> list[Chart]:
    """Draw the charts of a run."""
    # Training's loss is over all tokens, timestamps and end included; dev's is over text alone.
    loss = _step_curve(steps, [step.loss for step in steps], "training, all tokens")
    curves = {
        "word error rate, %": _evaluation_curves(evaluations, "wer", scale=100),
        "loss, nats per token": [loss, *_evaluation_curves(evaluations, "loss")],
        "what the right prompt saves, nats per token": _gap_curves(evaluations),
        "learning rate": [_step_curve(steps, [step.lr for step in steps])],
        "gradient norm": [_step_curve(steps, [step.grad_norm for step in steps])],
    }
    return [Chart(title, _draw(title, some)) for title, some in curves.items()]


def _step_curve(
    steps: Sequence[LoggedStep], values: Sequence[float | None], label: str = "training"
) -> Curve:
    return Curve(label, "#7aa6d8", [step.step for step in steps], list(values), marked=False)


def _evaluation_curves(
    evaluations: Sequence[LoggedEvaluation], name: str, scale: float = 1
) -> list[Curve]:
    """Return a score's curve for each condition."""
    steps, curves = [evaluation.step for evaluation in evaluations], []
    for condition in CONDITIONS:
        rates = [evaluation.scores[condition][name].rate for evaluation in evaluations]
        values = [None if rate is None else scale * rate for rate in rates]
        label = f"dev, {LABELS[condition]}"
        curves.append(Curve(label, COLOURS[condition], steps, values))
    return curves


def _gap_curves(evaluations: Sequence[LoggedEvaluation]) -> list[Curve]:
    """Return the curves of the gap between no and the right prompt, on dev and training rows."""
    steps = [evaluation.step for evaluation in evaluations]
    dev = [PromptLosses.of_scores(evaluation.scores).gap for evaluation in evaluations]
    train = [evaluation.train_losses.gap for evaluation in evaluations]
    return [
        Curve("dev rows", COLOURS["right"], steps, dev),
        Curve("training rows", "#7aa6d8", steps, train),
    ]


def _draw(title: str, curves: Sequence[Curve]) -> str:
    """Return a chart's SVG as a data URI, the same for the same curves."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with rc_context({"svg.hashsalt": title, "font.size": 9}):
        figure = Figure(figsize=(4.6, 2.9), layout="constrained")
        axes = figure.add_subplot()
        for label, colour, steps, values, marked in curves:
            axes.plot(
                steps,
                [math.nan if value is None else value for value in values],
                label=label,
                color=colour,
                marker="o" if marked else None,
                markersize=4,
                linewidth=1.3,
            )
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if title.startswith("word"):
            axes.set_ylim(bottom=0)
        if len(curves) > 1:
            above: Any = "outside upper left"  # within, it may cover a curve
            figure.legend(loc=above, ncols=min(3, len(curves)), frameon=False, fontsize=8)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
