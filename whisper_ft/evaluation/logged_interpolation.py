"""The mixture of trained and stock weights in `best.pt`, as a run logs it in `metrics.jsonl`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from whisper_ft.evaluation.best_score import (
    PROMPTED_WER,
    describe_harm,
    format_best_score,
)
from whisper_ft.evaluation.samples import checked
from whisper_ft.evaluation.scoring import Scores

_NUMBER = (int, float)
_OPTIONAL = (*_NUMBER, type(None))


@dataclass(frozen=True)
class ShareScores:
    """The scores of a mixture on some rows."""

    share: float  # of the trained weights; 0: stock, as before training; 1: trained weights alone
    score: float | None  # of --best-by, on dev rows; None: nothing was counted
    loss: float | None  # under right prompts, on dev rows, in nats per token
    others: float | None  # prompted_wer on rows of --others; None: not decoded

    @classmethod
    def from_json(cls, data: Any) -> ShareScores:
        """Read a share's scores. Raises KeyError or TypeError for other data."""
        return cls(
            share=checked(data["share"], *_NUMBER),
            **{name: checked(data[name], *_OPTIONAL) for name in ("score", "loss", "others")},
        )


@dataclass(frozen=True)
class LoggedInterpolation:
    """The share of the trained weights in `best.pt`: how it was chosen, and its scores."""

    step: int  # the last of the run
    tuned_step: int  # of the best evaluation, whose weights are the trained ones
    share: float  # of the trained weights in best.pt; the rest is stock's
    best_by: str
    n_choosing: int  # dev rows that chose the share
    n_scoring: int  # the other dev rows
    halved_by: str  # recording: no recording has rows in both halves. row: it may
    choosing: tuple[ShareScores, ...]  # of stock and each share, on the rows that chose
    scoring: tuple[ShareScores, ...]  # of stock, the chosen and the trained weights, on the others
    scores: Scores  # all those of best.pt on the dev rows that did not choose

    def to_json(self) -> dict[str, Any]:
        """Return the line as JSON has it."""
        lists = {
            "choosing": [asdict(scores) for scores in self.choosing],
            "scoring": [asdict(scores) for scores in self.scoring],
        }
        return {
            "kind": "interpolation",
            **vars(self),
            **lists,
            "scores": self.scores.to_json(),
        }

    @classmethod
    def from_json(cls, line: Any) -> LoggedInterpolation:
        """Read a line. Raises KeyError or TypeError for other data."""
        counts = ("step", "tuned_step", "n_choosing", "n_scoring")
        return cls(
            **{name: checked(line[name], int) for name in counts},
            **{name: checked(line[name], str) for name in ("best_by", "halved_by")},
            share=checked(line["share"], *_NUMBER),
            choosing=tuple(map(ShareScores.from_json, line["choosing"])),
            scoring=tuple(map(ShareScores.from_json, line["scoring"])),
            scores=Scores.from_json(line["scores"]),
        )

    def scored(self, share: float) -> ShareScores:
        """Return the scores of a share on the rows that did not choose."""
        return next(scores for scores in self.scoring if scores.share == share)


def describe_interpolation(logged: LoggedInterpolation) -> str:
    """Return what best.pt is, and its score beside those of the weights that it lies between."""
    name, chosen, stock = logged.best_by, logged.scored(logged.share), logged.scored(0.0)
    if logged.share == 1:
        reason = "since no mixture with stock's weights is better"
        text = f"best.pt is from step {logged.tuned_step}, {reason}"
    else:
        text = (
            f"best.pt is {logged.share:g} of the tuned weights (of step {logged.tuned_step}, kept "
            f"in tuned.pt) and {1 - logged.share:g} of stock's"
        )
    text += (
        f": dev {name} {format_best_score(name, chosen.score)} on the {logged.n_scoring} rows that "
        "did not choose this"
    )
    if logged.share != 1:
        text += f", {format_best_score(name, logged.scored(1.0).score)} tuned alone"
    text += f", {format_best_score(name, stock.score)} before training"
    text += describe_harm(name, chosen.score, stock.score, logged.n_scoring)
    if chosen.others is not None:
        text += (
            f"; on --others {format_best_score(PROMPTED_WER, chosen.others)}, "
            f"{format_best_score(PROMPTED_WER, stock.others)} before training"
        )
    return text


def shares_table(several: Sequence[ShareScores], name: str) -> str:
    """Return the scores of some mixtures for a terminal."""
    with_others = any(scores.others is not None for scores in several)
    lines = [f"{'tuned share':14}{name:>14}{'--others' if with_others else '':>14}".rstrip()]
    for scores in several:
        others = format_best_score(PROMPTED_WER, scores.others) if with_others else ""
        label = {0.0: "0 (stock)", 1.0: "1 (tuned)"}.get(scores.share, f"{scores.share:g}")
        cells = f"{format_best_score(name, scores.score):>14}{others:>14}"
        lines.append(f"{label:14}{cells}".rstrip())
    return "\n".join(lines)
