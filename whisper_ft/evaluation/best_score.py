"""The score by which `best.pt` is chosen, and the score of several prompts together."""

from __future__ import annotations

from whisper_ft.evaluation.comparison import MIN_UNITS
from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.evaluation.metrics import Count
from whisper_ft.evaluation.samples import CONDITIONS, Output, Sample, cased_corpora
from whisper_ft.evaluation.scoring import SCORES, Scores, row_count
from whisper_ft.evaluation.tables import format_rate

PROMPTED_WER = "prompted_wer"
MADE_WORSE = "training made it worse: try a lower --lr, or mix in general speech"
# A prompt may be right, missing or wrong when a model is used; it is mostly given to be right.
WEIGHTS = {"right": 0.5, "none": 0.25, "wrong": 0.25}
NEEDS = {  # what a dev row must have for a score
    "keyword_recall": "keywords",
    "b_wer": "keywords and a language with spaces between words",
    "u_wer": "words with spaces between them",
}


def best_score(scores: Scores, name: str) -> float | None:
    """Return the score with this name of `--best-by`; None when nothing was counted.

    `prompted_wer` is the mean of `marked_wer` under right, no and wrong prompts, weighted by
    WEIGHTS; a condition without rows has no weight. Any other score is that under right prompts.
    """
    if name != PROMPTED_WER:
        return scores["right"][name].rate
    rates = {condition: scores[condition]["marked_wer"].rate for condition in WEIGHTS}
    counted = {condition: rate for condition, rate in rates.items() if rate is not None}
    total = sum(WEIGHTS[condition] for condition in counted)
    weighted = sum(WEIGHTS[condition] * rate for condition, rate in counted.items())
    return weighted / total if total else None


def find_undefined(prompted: PromptedRows, name: str) -> str:
    """Return what dev rows lack for a score of `--best-by`; "" if they have it.

    Rows that not even their own texts as output give the score cannot choose by it.
    """
    samples = [_perfect_sample(prompted, number) for number in range(len(prompted.rows))]
    cased = cased_corpora(samples)
    counted = "marked_wer" if name == PROMPTED_WER else name
    if any(row_count(sample, "right", counted, cased).total for sample in samples):
        return ""
    return NEEDS.get(name, "words")


def _perfect_sample(prompted: PromptedRows, number: int) -> Sample:
    """Return a row with its own text as a model's output."""
    row = prompted.rows[number]
    output = Output(row.text, (), Count(0.0, len(row.text.split())))
    return Sample(
        number=number,
        place=row.place,
        language=row.language,
        task=row.task,
        recording=row.recording,
        seconds=row.duration or 0.0,
        keywords=tuple(row.keywords),
        reference=row.text,
        segments=(),
        prompts=prompted.prompts(number),
        prompt_terms=tuple(prompted.prompt_terms(number)),
        outputs=dict.fromkeys(CONDITIONS, output),
    )


def is_higher_better(name: str) -> bool:
    """Return whether a higher value of a score of `--best-by` is better."""
    return name != PROMPTED_WER and SCORES[name].higher_is_better


def describe_harm(name: str, value: float | None, stock: float | None, n_rows: int) -> str:
    """Return what to do where a score is worse than before training; "" where it is not.

    By fewer than MIN_UNITS rows it may seem so by chance.
    """
    if value is None or stock is None or n_rows < MIN_UNITS:
        return ""
    is_worse = value < stock if is_higher_better(name) else value > stock
    return f" ({MADE_WORSE})" if is_worse else ""


def format_best_score(name: str, value: float | None) -> str:
    """Format the value of a score of `--best-by`."""
    return format_rate("wer" if name == PROMPTED_WER else name, value)
