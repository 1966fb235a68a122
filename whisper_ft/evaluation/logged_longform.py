"""The check of whole recordings at a run's end, as the run logs it in `metrics.jsonl`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whisper_ft.evaluation.longform_scores import LongformScores
from whisper_ft.evaluation.samples import checked
from whisper_ft.evaluation.tables import format_rate
from whisper_ft.text.counts import format_count


@dataclass(frozen=True)
class LoggedLongform:
    """The scores of stock `transcribe()` with the model before training and with `best.pt`."""

    step: int  # the last of the run
    stock: LongformScores
    tuned: LongformScores
    warnings: tuple[str, ...]  # ways in which the tuned model is worse

    def to_json(self) -> dict[str, Any]:
        """Return the line as JSON has it."""
        return {
            "kind": "longform",
            "step": self.step,
            "stock": self.stock.to_json(),
            "tuned": self.tuned.to_json(),
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, line: Any) -> LoggedLongform:
        """Read a line. Raises KeyError or TypeError for other data."""
        return cls(
            step=checked(line["step"], int),
            stock=LongformScores.from_json(line["stock"]),
            tuned=LongformScores.from_json(line["tuned"]),
            warnings=tuple(checked(warning, str) for warning in line["warnings"]),
        )


def describe_longform(checked_longform: LoggedLongform) -> str:
    """Return in a line what became of whole recordings."""
    stock, tuned = checked_longform.stock, checked_longform.tuned
    rates = [scores["none"]["wer"].rate for scores in (stock, tuned)]
    if None in rates:
        return "whole recordings: no words were scored"
    before, after = (format_rate("wer", rate) for rate in rates)
    n_worse = len(checked_longform.warnings)
    verdict = (
        f"{format_count(n_worse, 'warning')} above" if n_worse else "no worse than before training"
    )
    return f"whole recordings: WER {after}, {before} before training: {verdict}"
