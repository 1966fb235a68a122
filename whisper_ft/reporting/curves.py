"""A run's curves: loss, learning rate, gradient norm and word error rates, as SVG."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from whisper_ft.evaluation.samples import CONDITIONS

NAMES = {"right": "right prompt", "none": "no prompt", "wrong": "wrong prompt"}
COLOURS = {"right": "#0a7d33", "none": "#555555", "wrong": "#c0392b"}


class Curve(NamedTuple):
    """Values at steps; None, as of a step that fp16 skipped, leaves a gap."""

    label: str
    colour: str
    steps: list[int]
    values: list[float | None]


def charts(log: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """(title, SVG as a data URI) of each chart of a run's `metrics.jsonl`."""
    steps, evaluations = (
        [line for line in log if line["kind"] == kind] for kind in ("step", "evaluation")
    )

    def trained(name: str, label: str = "training") -> Curve:
        values = [line[name] for line in steps]
        return Curve(label, "#7aa6d8", [line["step"] for line in steps], values)

    def evaluated(name: str, scale: float = 1) -> list[Curve]:
        at, curves = [line["step"] for line in evaluations], []
        for condition in CONDITIONS:
            rates = [line["scores"][condition][name]["rate"] for line in evaluations]
            values = [None if rate is None else scale * rate for rate in rates]
            curves.append(Curve(f"dev, {NAMES[condition]}", COLOURS[condition], at, values))
        return curves

    drawn = {
        "word error rate, %": evaluated("wer", scale=100),
        # two sums over different tokens: training learns times and end too, dev counts words alone
        "loss, nats a token": [trained("loss", "training, all tokens"), *evaluated("loss")],
        "learning rate": [trained("lr")],
        "gradient norm": [trained("grad_norm")],
    }
    return [(title, _chart(title, curves)) for title, curves in drawn.items()]


def _chart(title: str, curves: Sequence[Curve]) -> str:
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with rc_context({"svg.hashsalt": title, "font.size": 9}):
        figure = Figure(figsize=(4.6, 2.9), layout="constrained")
        axes = figure.add_subplot()
        for label, colour, steps, values in curves:
            axes.plot(
                steps,
                [math.nan if value is None else value for value in values],
                label=label,
                color=colour,
                marker="o" if label.startswith("dev") else None,
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
            axes.legend(frameon=False, fontsize=8)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
