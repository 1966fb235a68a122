"""An evaluation of the dev rows as a run logs it in `metrics.jsonl`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whisper_ft.evaluation.prompt_gap import PromptLosses
from whisper_ft.evaluation.samples import checked
from whisper_ft.evaluation.scoring import Scores


@dataclass(frozen=True)
class LoggedEvaluation:
    """The scores of the dev rows at a step, and the losses of a few training rows."""

    step: int  # 0: before the first step
    best: bool  # the best so far
    scores: Scores
    train_losses: PromptLosses

    def to_json(self) -> dict[str, Any]:
        """Return the line as JSON has it."""
        return {
            "kind": "evaluation",
            "step": self.step,
            "best": self.best,
            "scores": self.scores.to_json(),
            "train_losses": self.train_losses.to_json(),
        }

    @classmethod
    def from_json(cls, line: Any) -> LoggedEvaluation:
        """Read a line. Raises KeyError or TypeError for other data."""
        return cls(
            step=checked(line["step"], int),
            best=checked(line["best"], bool),
            scores=Scores.from_json(line["scores"]),
            train_losses=PromptLosses.from_json(line["train_losses"]),
        )
