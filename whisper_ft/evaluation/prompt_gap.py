"""How much a prompt still tells a model: the loss that the right prompt saves.

A model that knows its training texts by heart needs no prompt for them, and stops reading it. Its
gap on training rows closes then, while new rows still need their prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from whisper_ft.evaluation.metrics import Count
from whisper_ft.evaluation.samples import CONDITIONS
from whisper_ft.evaluation.scoring import Scores, ScoreValue

# A gap below CLOSED of stock's gap is closed, and one above OPEN of it is open. With --learn texts
# and lists, 300 steps leave 0.28 of it on training rows and 0.43 on dev rows. At 1e-4, which
# teaches the texts by heart, 500 steps leave 0.03 and 0.27 (benchmarks/NOTES.md).
CLOSED, OPEN = 0.1, 0.25


@dataclass(frozen=True)
class PromptLosses:
    """The loss of the same rows by condition, in nats per token."""

    by_condition: Mapping[str, ScoreValue]

    @classmethod
    def of_counts(cls, counts: Mapping[str, Count]) -> PromptLosses:
        """Return the losses of pooled counts: nats and tokens."""
        return cls({condition: ScoreValue(*counts[condition]) for condition in CONDITIONS})

    @classmethod
    def of_scores(cls, scores: Scores) -> PromptLosses:
        """Return the losses that an evaluation scored."""
        return cls({condition: scores[condition]["loss"] for condition in CONDITIONS})

    @property
    def gap(self) -> float | None:
        """The loss without a prompt minus that with the right one; None where a loss is missing."""
        none, right = self.by_condition["none"].rate, self.by_condition["right"].rate
        return None if none is None or right is None else none - right

    def to_json(self) -> dict[str, Any]:
        """Return the losses as JSON."""
        return {condition: value.to_json() for condition, value in self.by_condition.items()}

    @classmethod
    def from_json(cls, data: Any) -> PromptLosses:
        """Read losses. Raises KeyError or TypeError for other data."""
        return cls({condition: ScoreValue.from_json(data[condition]) for condition in CONDITIONS})


@dataclass(frozen=True)
class PromptGaps:
    """The loss that the right prompt saves on training and on dev rows, in nats per token."""

    train: float
    dev: float

    @classmethod
    def of(cls, train: float | None, dev: float | None) -> PromptGaps | None:
        """Return the gaps; None where either is missing."""
        return None if train is None or dev is None else cls(train, dev)

    def learned_by_heart(self, stock: PromptGaps) -> bool:
        """Return whether training rows no longer need their prompts while dev rows still do."""
        return (
            min(stock.train, stock.dev) > 0
            and self.train < CLOSED * stock.train
            and self.dev > OPEN * stock.dev
        )


def describe_learned_by_heart(stock: PromptGaps, now: PromptGaps) -> str:
    """Return the warning: what has closed, and what to do."""
    return (
        "the model has learned its training texts by heart and no longer reads their prompts: a "
        f"right prompt saves {now.train:.2f} nats per token on training rows "
        f"({stock.train:.2f} before training), and {now.dev:.2f} on dev rows "
        f"({stock.dev:.2f} before training). Train fewer steps, with a lower --lr or, if rows have "
        "keywords, with --learn terms; or bring more rows. best.pt stays the best so far."
    )
