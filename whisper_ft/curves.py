"""A run's curves: loss, learning rate, gradient norm and word error rates, as SVG."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

from whisper_ft.scores import CONDITIONS


def charts(log: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """(title, SVG as a data URI) of each chart of a run's `metrics.jsonl`."""
    steps = [line for line in log if line["kind"] == "step"]
    evaluations = [line for line in log if line["kind"] == "evaluation"]
    at = [line["step"] for line in steps]
    drawn = {
        name: {"training": (at, [line[key] for line in steps])}
        for name, key in (("learning rate", "lr"), ("gradient norm", "grad_norm"))
    }
    evaluated = [line["step"] for line in evaluations]
    for name, score in (("loss", "loss"), ("word error rate, %", "wer")):
        drawn[name] = {
            f"dev, {'no' if condition == 'none' else condition} prompt": (
                evaluated,
                [_scaled(score, line["scores"][condition][score]["rate"]) for line in evaluations],
            )
            for condition in CONDITIONS
        }
    drawn["loss"] = {"training": (at, [line["loss"] for line in steps])} | drawn["loss"]
    order = ("word error rate, %", "loss", "learning rate", "gradient norm")
    return [(name, _chart(name, drawn[name])) for name in order]


def _scaled(score: str, rate: float | None) -> float | None:
    return 100 * rate if score == "wer" and rate is not None else rate


def _chart(name: str, curves: dict[str, tuple[list[int], list[float | None]]]) -> str:
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    colours = {"right": "#0a7d33", "no": "#555555", "wrong": "#c0392b"}
    with rc_context({"svg.hashsalt": name, "font.size": 9}):
        figure = Figure(figsize=(4.6, 2.9), layout="constrained")
        axes = figure.add_subplot()
        for label, (x, y) in curves.items():
            colour = next((c for n, c in colours.items() if f" {n} " in label), "#7aa6d8")
            values = [float("nan") if value is None else value for value in y]
            mark = "o" if label.startswith("dev") else None
            axes.plot(
                x, values, label=label, color=colour, marker=mark, markersize=4, linewidth=1.3
            )
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if name.startswith("word"):
            axes.set_ylim(bottom=0)
        if len(curves) > 1:
            axes.legend(frameon=False, fontsize=8)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
