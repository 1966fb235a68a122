"""The settings of training, from which its flags, checks and JSON come."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

from whisper_ft.config.options import option, out_of_bounds

SAMPLE = Path(__file__).resolve().parents[2] / "data"  # of a checkout, beside the package

AUTO = -1  # rows at once: as many as fit


@dataclass(frozen=True)
class PromptSettings:
    """How the prompts of training visits are drawn."""

    prompts: str = option(
        "own=.2,previous=.1,keywords=.05,carried=.05,style=.05,wrong=.05",
        "kinds of prompt and the share of visits that get each, comma-separated, the rest none; a "
        "kind that a row lacks passes its share to the row's others. own: the row's prompt; "
        "previous: the text before it in its recording; keywords: its keywords among other rows'; "
        "carried: its prompt or keywords, then the text before it; style: another text written as "
        "its text is, where rows are written in several ways; wrong: a prompt of another row",
        group="prompts",
    )
    distractors: tuple[int, int] = option(
        (5, 40),
        "terms of other rows among a row's keywords, at least and at most",
        group="prompts",
        at_least=0,
    )
    timestamp_rate: float = option(
        0.5, "share of visits whose targets have timestamps", group="prompts", at_least=0, at_most=1
    )


@dataclass(frozen=True)
class TrainConfig(PromptSettings):
    """Fine-tune Whisper with prompts."""

    model: str = option(
        "small",
        "official name (tiny ... large-v3, turbo, .en) or path of a .pt to start from",
        group="model",
    )
    language: str = option("en", "language of rows that name none", group="model")
    task: str = option(
        "transcribe",
        "task of rows that name none",
        group="model",
        choices=("transcribe", "translate"),
    )
    freeze_encoder: bool = option(
        False, "train the decoder only: faster, and up to a third less memory", group="model"
    )

    feature_cache: str = option(
        "",
        "folder in which the output of a frozen encoder is kept, computed once a row: later "
        "epochs, and runs on the same audio, then train the decoder only",
        group="model",
    )
    feature_cache_gb: float = option(
        100.0, "gigabytes that a run may add to that folder", group="model", above=0
    )

    train: tuple[str, ...] = option(
        (), "manifests to train on (default: the sample in data/)", group="data"
    )
    train_weights: tuple[float, ...] = option(
        (),
        "visits of each manifest's rows in an epoch, on average, one number a manifest: "
        "1 .3 mixes in three tenths of the second (default: 1 each)",
        group="data",
        above=0,
    )
    language_temperature: float = option(
        1.0,
        "how even the languages of a manifest are visited: 1 as they come, 5 nearly alike",
        group="data",
        at_least=1,
    )
    dev: tuple[str, ...] = option(
        (),
        "manifests to evaluate on (default: the sample's, with the sample; else none)",
        group="data",
    )
    skip_bad_rows: bool = option(
        False,
        "leave out rows that have problems, listing each, and train on the rest",
        group="data",
    )
    pack: str = option(
        "off",
        "join short rows into windows of up to 30 s. recording: rows that follow each other in "
        "one; speaker: random rows of one speaker",
        group="data",
        choices=("off", "recording", "speaker"),
    )
    workers: int = option(2, "processes that read audio; 0 reads in line", group="data", at_least=0)

    lr: float | None = option(
        None,
        "peak learning rate (default: 1/40 of the model's own in pre-training)",
        group="optimisation",
        above=0,
    )
    warmup: int | None = option(
        None,
        "steps of linear warm-up before the linear decay (default: a tenth of the run)",
        group="optimisation",
        at_least=0,
    )
    epochs: float = option(
        3.0,
        "passes over the training rows; with --max-steps, the smaller wins",
        group="optimisation",
        above=0,
    )
    max_steps: int | None = option(
        None, "optimiser steps at most", group="optimisation", at_least=1
    )
    batch_size: int = option(
        8,
        "rows in a forward pass. auto: as many as memory has room for, at most the 8 times "
        "--accumulate of a step, which keeps its rows",
        group="optimisation",
        at_least=1,
        words={"auto": AUTO},
    )
    accumulate: int = option(
        1, "forward passes in an optimiser step", group="optimisation", at_least=1
    )
    gradient_checkpointing: bool = option(
        False,
        "compute layers again in the backward pass instead of keeping what they computed: a "
        "quarter more time, far less memory",
        group="optimisation",
    )
    amp: str = option(
        "auto",
        "mixed precision. auto: bf16 where the hardware has it, else fp16 on a GPU, else off",
        group="optimisation",
        choices=("auto", "bf16", "fp16", "off"),
    )
    seed: int = option(0, "of row order and prompts", group="optimisation", at_least=0)

    spec_augment: bool = option(
        False,
        "hide a band and a stretch of each mel and warp its time (SpecAugment, LibriSpeech Basic)",
        group="regularisation",
    )
    stochastic_depth: float = option(
        0.0,
        "chance that the last layer is left out, less for those before it; large-v2 had .1",
        group="regularisation",
        at_least=0,
        at_most=0.9,
    )
    bpe_dropout: float = option(
        0.0,
        "chance that a merge of letters to tokens is left out, in texts; large-v2 had .1",
        group="regularisation",
        at_least=0,
        at_most=0.9,
    )
    noise: str = option("", "folder of noises, added to half of the visits", group="regularisation")
    reverb: str = option(
        "", "folder of impulse responses, one for half of the visits", group="regularisation"
    )
    speed: float = option(
        0.0,
        "share by which recordings are played slower or faster, at most, such as .1",
        group="regularisation",
        at_least=0,
        at_most=0.5,
    )
    gain: float = option(
        0.0,
        "decibels by which they are louder or quieter, at most",
        group="regularisation",
        at_least=0,
        at_most=40,
    )

    eval_every: int | None = option(
        None, "steps between evaluations (default: an epoch's)", group="evaluation", at_least=1
    )
    eval_rows: int = option(
        40, "dev rows, drawn once, that each evaluation decodes", group="evaluation", at_least=1
    )
    best_by: str = option(
        "wer",
        "what best.pt is best in, on dev rows under right prompts",
        group="evaluation",
        choices=("wer", "raw_wer", "cer", "keywords", "b_wer", "u_wer", "loss"),
    )
    patience: int = option(
        0,
        "stop after this many evaluations without a better one; 0: never",
        group="evaluation",
        at_least=0,
    )

    out: str = option("", "run folder (default: runs/ and the model's name)", group="run")
    resume: str = option(
        "",
        "run folder to go on with; only --workers, --device, --save-every, --feature-cache and its "
        "--feature-cache-gb may stand beside it",
        group="run",
    )
    strict_resume: bool = option(
        False,
        "refuse to go on where floats would differ: on another device, or with other versions",
        group="run",
    )
    deterministic: bool = option(
        False,
        "the same losses each time on the same hardware, where a GPU would else save some time",
        group="run",
    )
    save_every: int = option(200, "steps between savings of the state", group="run", at_least=1)
    device: str = option("auto", "auto, cpu, cuda or cuda:N", group="run")

    def problems(self) -> list[str]:
        """What is wrong with these settings, each as `flag: value: remedy`."""
        found = out_of_bounds(self)
        if self.train_weights and len(self.train_weights) != len(self.train):
            found.append(
                f"--train-weights: {len(self.train_weights)} numbers for {len(self.train)} "
                "manifests of --train: give one a manifest"
            )
        if self.strict_resume and not self.resume:
            found.append("--strict-resume: goes with --resume: leave it out, or name the run")
        if self.feature_cache and not self.freeze_encoder:
            found.append(
                f"--feature-cache: {self.feature_cache}: an encoder that is trained gives other "
                "features at each step: add --freeze-encoder, or leave this out"
            )
        return found

    def resolved(self) -> "TrainConfig":
        """These settings with dependent defaults filled in, and paths that hold in any folder."""
        sample = not self.train
        train = (str(SAMPLE / "train.jsonl"),) if sample else self.train
        dev = (str(SAMPLE / "dev.jsonl"),) if sample and not self.dev else self.dev
        return dataclasses.replace(
            self,
            model=os.path.abspath(self.model) if os.path.isfile(self.model) else self.model,
            train=tuple(map(os.path.abspath, train)),
            dev=tuple(map(os.path.abspath, dev)),
            noise=os.path.abspath(self.noise) if self.noise else "",
            feature_cache=os.path.abspath(self.feature_cache) if self.feature_cache else "",
            reverb=os.path.abspath(self.reverb) if self.reverb else "",
            out=self.out or str(Path("runs") / Path(self.model).name.removesuffix(".pt")),
        )
