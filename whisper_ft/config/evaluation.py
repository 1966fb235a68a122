"""Settings of the evaluations of a training run."""

from dataclasses import dataclass

from whisper_ft.config.options import option


@dataclass(frozen=True)
class EvaluationSettings:
    """When dev rows are scored, which checkpoint is the best, and what is made of it."""

    eval_every: int | None = option(
        None, "Steps between evaluations. (default: one epoch)", group="evaluation", at_least=1
    )
    eval_rows: int = option(
        40,
        "Dev rows that each evaluation decodes. They are chosen once, at random.",
        group="evaluation",
        at_least=1,
    )
    best_by: str = option(
        "prompted_wer",
        "The score that chooses best.pt, on dev rows. prompted_wer weighs word errors with the "
        "right prompt (a half), without one and with a wrong one (a quarter each). The others are "
        "scores with the right prompt.",
        group="evaluation",
        choices=(
            "prompted_wer",
            "wer",
            "marked_wer",
            "raw_wer",
            "cer",
            "keyword_recall",
            "b_wer",
            "u_wer",
            "loss",
        ),
    )
    interpolate: str = option(
        "auto",
        "After the last step, mix the best checkpoint with the weights that the run started from. "
        "auto: best.pt becomes the best mixture, of 0.25, 0.5, 0.75 and 1 of the trained weights; "
        "half of the dev rows of an evaluation choose it, and the others score it. off: none.",
        group="evaluation",
        choices=("auto", "off"),
    )
    others: tuple[str, ...] = option(
        (),
        "Manifests of general speech, where nothing may be lost: --interpolate keeps to mixtures "
        "whose word error rate there is at most 0.5 points higher than before training.",
        metavar="MANIFEST",
        group="evaluation",
    )
    longform_minutes: float = option(
        3.0,
        "Minutes of dev recordings that stock transcribe() writes at the end, with best.pt and "
        "with the model before training, to see whether long recordings have become worse. 0: "
        "none.",
        group="evaluation",
        at_least=0,
    )
    patience: int = option(
        0,
        "Stop after this many evaluations without a new best. 0: never.",
        group="evaluation",
        at_least=0,
    )
