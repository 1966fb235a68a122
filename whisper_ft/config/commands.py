"""Settings of every command except `train` and `prepare`, from which their flags are made."""

from dataclasses import dataclass
from typing import Any

from whisper_ft.config.keywords import KeywordSettings
from whisper_ft.config.moved_audio import MovedAudioSettings
from whisper_ft.config.options import option
from whisper_ft.config.prompts import PromptSettings
from whisper_ft.config.train import (
    DEVICE_HELP,
    LANGUAGE_HELP,
    TASK_HELP,
    TASKS,
)

CHECKPOINT_HELP = "A .pt file or an official model name."
MANIFESTS_HELP = "Manifests (JSON Lines files)."
JSON_HELP = "Write the scores to this JSON file."
# How longform transcribes: the prompt, and whether every window gets it or the first one alone.
LONGFORM_CONDITIONS = ("none", "right", "right_carried", "wrong", "wrong_carried")


@dataclass(frozen=True)
class EvaluateConfig(KeywordSettings, MovedAudioSettings):
    """Decode manifests under the right prompt, none and a wrong one, and score checkpoints."""

    inputs: tuple[str, ...] = option(
        (), "Checkpoints (.pt files or official model names), then manifests.", positional=True
    )
    language: str = option("en", LANGUAGE_HELP, metavar="LANGUAGE")
    task: str = option("transcribe", TASK_HELP, choices=TASKS)
    others: tuple[str, ...] = option(
        (),
        "More manifests, each scored separately. Give data that the model was not fine-tuned on, "
        "to see what it forgot.",
        metavar="MANIFEST",
    )
    interpolate: tuple[float, ...] = option(
        (),
        "Evaluate mixtures of two checkpoints instead of the checkpoints. Each number is the "
        "weight of the second checkpoint, such as 0 0.25 0.5 0.75 1.",
        at_least=0,
        at_most=1,
    )
    rows: int | None = option(
        None, "Decode this many rows of each manifest, chosen at random. (default: all)", at_least=1
    )
    without_timestamps: bool = option(False, "Decode without timestamps.")
    beam_size: int | None = option(
        None,
        "Beam search with this many beams. (default: greedy decoding)",
        at_least=1,
        at_most=100,
    )
    dtype: str = option(
        "auto",
        "Precision of decoding. auto: float16 on a GPU and float32 on a CPU, as in whisper.",
        choices=("auto", "float32", "float16", "bfloat16"),
    )
    seed: int = option(
        0, "Random seed for distractors, wrong prompts and the choice of rows.", at_least=0
    )
    device: str = option("auto", DEVICE_HELP, metavar="DEVICE")
    name: tuple[str, ...] = option(
        (),
        "Names of the checkpoints in tables, one for each. (default: their paths)",
        metavar="NAME",
    )
    differing: int = option(
        3, "Show this many of the rows that differ most between checkpoints.", at_least=0
    )
    json: str = option("", JSON_HELP, metavar="FILE")
    samples: tuple[str, ...] = option(
        (),
        "Write references, prompts and outputs to these JSON Lines files, one for each checkpoint.",
        metavar="FILE",
    )


@dataclass(frozen=True)
class DoctorConfig:
    """Print what a bug report needs: versions, devices, free memory, caches and a self-test."""

    paths: bool = option(False, "Print paths too. They may contain your user name.")


@dataclass(frozen=True)
class ReportConfig:
    """Write the curves, scores and dev rows of a run, with their audio, to one HTML file."""

    run: str = option("", "The run folder.", positional=True)
    out: str = option(
        "", "HTML file to write. (default: report.html in the run folder)", metavar="FILE"
    )
    step: int | None = option(
        None,
        "Show the rows of the evaluation at this step. (default: the best evaluation)",
        at_least=0,
    )
    rows: int = option(
        100,
        "Show at most this many rows. Rows whose outputs differ most between prompts come first.",
        at_least=0,
    )


@dataclass(frozen=True)
class AverageConfig:
    """Average checkpoints of one model, such as tiny.en before and after fine-tuning."""

    checkpoints: tuple[str, ...] = option(
        (), "Checkpoints (.pt files or official model names).", positional=True
    )
    weights: tuple[float, ...] = option(
        (),
        "The weight of each checkpoint. They must add up to 1. (default: equal weights)",
        at_least=0,
        at_most=1,
    )
    out: str = option("", "The .pt file to write (required).", metavar="FILE")


@dataclass(frozen=True)
class CheckConfig(PromptSettings, MovedAudioSettings):
    """Report problems and likely mistakes in manifests before training."""

    manifests: tuple[str, ...] = option((), MANIFESTS_HELP, positional=True)
    model: str = option(
        "small",
        "Model to be trained. Its vocabulary and text length decide which rows fit.",
        metavar="MODEL",
    )
    language: str = option("en", LANGUAGE_HELP, metavar="LANGUAGE")
    task: str = option("transcribe", TASK_HELP, choices=TASKS)
    check_audio: int = option(
        200,
        "Read the audio of this many rows of each manifest, chosen at random, to find clipped "
        "or silent recordings.",
        at_least=0,
    )
    all_warnings: bool = option(False, "List every problem and warning, not counts of each kind.")
    json: str = option("", "Write the report to this JSON file.", metavar="FILE")
    preview: int = option(
        0, "Print this many rows as training sees them, token by token.", at_least=0
    )
    seed: int = option(
        0, "Random seed for the choice of rows and the prompts in the preview.", at_least=0
    )


@dataclass(frozen=True)
class LongformConfig(KeywordSettings, MovedAudioSettings):
    """Score whisper's own transcribe() on whole recordings, made of consecutive rows."""

    checkpoint: str = option("", CHECKPOINT_HELP, positional=True)
    manifests: tuple[str, ...] = option((), MANIFESTS_HELP, positional=True)
    language: str = option("en", LANGUAGE_HELP, metavar="LANGUAGE")
    task: str = option("transcribe", TASK_HELP, choices=TASKS)
    conditions: tuple[str, ...] = option(
        LONGFORM_CONDITIONS,
        "Transcribe without an initial prompt, with the right one or with a wrong one. carried: "
        "with carry_initial_prompt, so that every window gets the prompt, and not only the first. "
        "Each condition takes as long as the others; none is enough for recordings without a "
        "list of terms.",
        choices=LONGFORM_CONDITIONS,
    )
    seed: int = option(0, "Random seed for the prompts.", at_least=0)
    device: str = option("auto", DEVICE_HELP, metavar="DEVICE")
    name: str = option(
        "", "Name of the checkpoint in the result. (default: its path)", metavar="NAME"
    )
    json: str = option("", JSON_HELP, metavar="FILE")
    samples: str = option(
        "", "Write references and transcripts to this JSON Lines file.", metavar="FILE"
    )


@dataclass(frozen=True)
class CompareConfig:
    """Compare one score of two checkpoints, or of the prompts of one, with paired intervals."""

    samples: tuple[str, ...] = option(
        (),
        "Files written by evaluate --samples. One: compare its right and wrong prompts with none. "
        "Two: compare the second checkpoint with the first.",
        positional=True,
    )
    score: str = option(
        "wer",
        "The score to compare.",
        choices=(
            "wer",
            "marked_wer",
            "raw_wer",
            "cer",
            "b_wer",
            "u_wer",
            "keyword_recall",
            "keyword_precision",
            "mended",
            "spoiled",
            "prompt_leak",
            "repetition",
            "empty",
            "hallucinated",
            "timestamp_error",
            "timestamp_recall",
            "loss",
        ),
    )


@dataclass(frozen=True)
class TableConfig:
    """Print the table of evaluations, or write it into a document."""

    results: tuple[str, ...] = option((), "Files written by evaluate --json.", positional=True)
    into: str = option(
        "",
        "Document to change: the table between two <!-- table --> lines is replaced.",
        metavar="FILE",
    )


SETTINGS: dict[str, type[Any]] = {  # by command; the formats of prepare are in config/prepare.py
    "average": AverageConfig,
    "check": CheckConfig,
    "compare": CompareConfig,
    "doctor": DoctorConfig,
    "evaluate": EvaluateConfig,
    "longform": LongformConfig,
    "report": ReportConfig,
    "table": TableConfig,
}
