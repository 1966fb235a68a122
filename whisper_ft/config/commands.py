"""The settings of every command but training: the flags, and the help."""

from dataclasses import dataclass
from typing import Any

from whisper_ft.config.options import option
from whisper_ft.config.train import PromptSettings


@dataclass(frozen=True)
class EvaluateConfig:
    """Decode manifests under right, no and wrong prompts, and score what checkpoints write."""

    inputs: tuple[str, ...] = option(
        (), "checkpoints (.pt files or official names), then manifests", positional=True
    )
    language: str = option("en", "language of rows that name none")
    task: str = option(
        "transcribe", "task of rows that name none", choices=("transcribe", "translate")
    )
    others: tuple[str, ...] = option(
        (), "other manifests, each scored apart: what was not trained for, and may be forgotten"
    )
    interpolate: tuple[float, ...] = option(
        (),
        "evaluate mixtures of two checkpoints instead, with these shares of the second: "
        "0 .25 .5 .75 1",
        at_least=0,
        at_most=1,
    )
    rows: int | None = option(
        None, "decode only this many rows of each, drawn by the seed (default: all)", at_least=1
    )
    without_timestamps: bool = option(False, "decode after <|notimestamps|>")
    beam_size: int | None = option(
        None, "search with a beam as wide (default: greedy)", at_least=1, at_most=100
    )
    dtype: str = option(
        "auto",
        "precision of decoding; auto: float16 on a GPU, float32 on a CPU, as whisper does",
        choices=("auto", "float32", "float16", "bfloat16"),
    )
    seed: int = option(0, "of distractors, wrong prompts and the rows drawn", at_least=0)
    device: str = option("auto", "auto, cpu, cuda or cuda:N")
    name: tuple[str, ...] = option(
        (), "what to call the checkpoints in tables, one name each (default: their paths)"
    )
    differing: int = option(3, "show this many of the rows that differ most", at_least=0)
    json: str = option("", "write the scores to this file")
    samples: tuple[str, ...] = option(
        (), "write references, prompts and outputs to these JSON Lines files, one a checkpoint"
    )


@dataclass(frozen=True)
class DoctorConfig:
    """Print what a bug report needs: versions, devices, room, caches and a self-test."""

    paths: bool = option(False, "print paths too, which may tell a user's name")


@dataclass(frozen=True)
class ReportConfig:
    """Write a run's curves, scores and dev rows, with their sound, to one HTML file."""

    run: str = option("", "the run's folder", positional=True)
    out: str = option("", "the file to write (default: report.html in the run's folder)")
    step: int | None = option(
        None, "show the rows of this step's evaluation (default: the best one's)", at_least=0
    )
    rows: int = option(
        100, "show this many rows at most, those that prompts change most", at_least=0
    )


@dataclass(frozen=True)
class AverageConfig:
    """Mix checkpoints of one size: between stock and fine-tuned lies what forgets less."""

    checkpoints: tuple[str, ...] = option((), ".pt files or official names", positional=True)
    weights: tuple[float, ...] = option(
        (), "their shares, which add up to 1 (default: equal)", at_least=0, at_most=1
    )
    out: str = option("", "the .pt to write")


@dataclass(frozen=True)
class CheckConfig(PromptSettings):
    """Report all that is wrong or doubtful in manifests."""

    manifests: tuple[str, ...] = option((), "JSON Lines files", positional=True)
    model: str = option("small", "the model to be trained: its vocabulary and length count")
    language: str = option("en", "language of rows that name none")
    task: str = option(
        "transcribe", "task of rows that name none", choices=("transcribe", "translate")
    )
    check_audio: int = option(
        200, "rows of each manifest whose sound is read, drawn by the seed", at_least=0
    )
    all_warnings: bool = option(False, "list each doubt, not only how many there are of a kind")
    json: str = option("", "write the report to this file")
    preview: int = option(
        0, "print this many rows as training sees them, tokens spelled out", at_least=0
    )
    seed: int = option(0, "of the rows shown and their prompts", at_least=0)


@dataclass(frozen=True)
class LongformConfig:
    """Score stock transcribe() on whole recordings, rows that follow each other joined."""

    checkpoint: str = option("", "path of a .pt or an official name", positional=True)
    manifests: tuple[str, ...] = option((), "JSON Lines files", positional=True)
    language: str = option("en", "language of rows that name none")
    task: str = option(
        "transcribe", "task of rows that name none", choices=("transcribe", "translate")
    )
    device: str = option("auto", "auto, cpu, cuda or cuda:N")
    name: str = option("", "what to call this checkpoint (default: its path)")
    json: str = option("", "write the scores to this file")
    samples: str = option("", "write references and transcripts to this JSON Lines file")


@dataclass(frozen=True)
class CompareConfig:
    """Tell what changed between prompts, or between two checkpoints, with paired intervals."""

    samples: tuple[str, ...] = option(
        (), "one file that evaluate --samples wrote, or before and after", positional=True
    )
    score: str = option(
        "wer",
        "what to compare",
        choices=(
            "wer",
            "raw_wer",
            "cer",
            "b_wer",
            "u_wer",
            "keywords",
            "precision",
            "leak",
            *("repetition", "empty", "invented", "times", "timed", "loss"),
        ),
    )


@dataclass(frozen=True)
class TableConfig:
    """Print the table of some evaluations, or write it into a document."""

    results: tuple[str, ...] = option((), "files that evaluate --json wrote", positional=True)
    into: str = option("", "document whose table, between two <!-- table --> lines, is replaced")


SETTINGS: dict[str, Any] = {  # of each command; the formats of prepare have their own
    "average": AverageConfig,
    "check": CheckConfig,
    "compare": CompareConfig,
    "doctor": DoctorConfig,
    "evaluate": EvaluateConfig,
    "longform": LongformConfig,
    "report": ReportConfig,
    "table": TableConfig,
}
