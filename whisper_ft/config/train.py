"""Settings of training, from which its flags, checks and JSON are made."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from whisper_ft.config.evaluation import EvaluationSettings
from whisper_ft.config.moved_audio import MovedAudioSettings
from whisper_ft.config.options import option, out_of_bounds
from whisper_ft.config.prompts import PromptSettings

SAMPLE = Path(__file__).resolve().parents[2] / "data"  # in a source checkout, beside the package
WINDOW_MINUTES = 0.5  # of Whisper: 30 s
AUTO = -1  # stands for --batch-size auto
TASKS = ("transcribe", "translate")
LAYERS = ("self-attention", "all")
# What `--learn` stands for: --layers, --kl-weight and --text-weight.
RECIPES = {"terms": ("self-attention", 0.1, 0.25), "texts": ("all", 0.0, 1.0)}
LANGUAGE_HELP = (
    "Language of rows that do not set `language`: a code, a name or a tag, such as de or pt-BR."
)
TASK_HELP = "Task of rows that do not set `task`."
DEVICE_HELP = "Device: auto, cpu, cuda or cuda:N."


@dataclass(frozen=True)
class TrainConfig(PromptSettings, EvaluationSettings, MovedAudioSettings):
    """Fine-tune Whisper with prompts."""

    model: str = option(
        "small",
        "Model to start from: an official name (tiny to large-v3, turbo, or with .en), a .pt or "
        "another checkpoint, or a folder of Hugging Face's.",
        metavar="MODEL",
        group="model",
    )
    language: str = option("en", LANGUAGE_HELP, metavar="LANGUAGE", group="model")
    task: str = option("transcribe", TASK_HELP, group="model", choices=TASKS)
    learn: str = option(
        "auto",
        "What a run learns. terms: above all to write the terms of its prompt, and to know as much "
        "as before without one. texts: to write texts as the training rows do. auto: terms if the "
        "rows have keywords that --prompts gives, else texts.",
        group="model",
        choices=("auto", *RECIPES),
    )
    layers: str | None = option(
        None,
        "Layers to train. self-attention: only the decoder's self-attention, which reads the "
        "prompt. all: the whole model. (default: self-attention for --learn terms, else all)",
        group="model",
        choices=LAYERS,
    )
    freeze_encoder: bool = option(
        False,
        "Train no layer of the encoder. This is faster and needs less memory.",
        group="model",
    )
    feature_cache: str = option(
        "",
        "Folder in which a frozen encoder's output is kept, computed once for each row. Later "
        "epochs, and later runs on the same audio, then run only the decoder.",
        metavar="FOLDER",
        group="model",
    )
    feature_cache_gb: float = option(
        100.0,
        "Maximum number of gigabytes that a run may add to --feature-cache.",
        group="model",
        above=0,
    )

    train: tuple[str, ...] = option(
        (),
        "Manifests to train on. (default: the sample corpus of a source checkout)",
        metavar="MANIFEST",
        group="data",
    )
    train_weights: tuple[float, ...] = option(
        (),
        "How often an epoch uses the rows of each manifest, on average. Give one number for each "
        "manifest: 1 0.3 mixes in three tenths of the second. (default: 1 for each)",
        group="data",
        above=0,
        at_most=1000,
    )
    language_temperature: float = option(
        1.0,
        "Language sampling temperature: 1 is proportional to the data, 5 is nearly uniform.",
        group="data",
        at_least=1,
    )
    dev: tuple[str, ...] = option(
        (),
        "Manifests of dev rows, which choose best.pt. (default: the sample corpus's when training "
        "on it, else none)",
        metavar="MANIFEST",
        group="data",
    )
    skip_bad_rows: bool = option(
        False,
        "Leave out rows with problems, list them, and train on the rest. Another row stands in for "
        "one whose audio turns out to be damaged when it is read.",
        group="data",
    )
    pack: str = option(
        "off",
        "Join short rows into windows of up to 30 s. recording: consecutive rows of one recording. "
        "speaker: random rows of one speaker.",
        group="data",
        choices=("off", "recording", "speaker"),
    )
    segments: str = option(
        "auto",
        "Rows of 5 s or more that have no `segments`. auto: divide them into the segments that the "
        "model before training would write, found once and remembered. off: each is one segment. "
        "With --learn terms, off leaves it to the teacher where their segments end.",
        group="data",
        choices=("auto", "off"),
    )
    workers: int = option(
        2,
        "Processes that read audio. 0 reads it in the training process.",
        group="data",
        at_least=0,
    )

    lr: float | None = option(
        None,
        "Peak learning rate. (default: 1/40 of this model's rate in pre-training, or 1/10 for "
        "--layers self-attention)",
        group="optimisation",
        above=0,
    )
    warmup: int | None = option(
        None,
        "Steps of linear warm-up, before the linear decay. (default: a tenth of the run)",
        group="optimisation",
        at_least=0,
    )
    epochs: float = option(
        3.0,
        "Passes over the training rows. If --max-steps is given too, the shorter run wins.",
        group="optimisation",
        above=0,
        at_most=1_000_000,
    )
    max_steps: int | None = option(
        None,
        "Maximum number of optimiser steps. (default: as many as --epochs needs)",
        group="optimisation",
        at_least=1,
    )
    batch_size: int = option(
        8,
        "Rows in one forward pass. auto: as many as fit in memory, while an optimiser step keeps "
        "its 8 rows times --accumulate.",
        group="optimisation",
        at_least=1,
        words={"auto": AUTO},
    )
    accumulate: int = option(
        1, "Forward passes in one optimiser step.", group="optimisation", at_least=1
    )
    gradient_checkpointing: bool = option(
        False,
        "Recompute layers in the backward pass instead of storing their results. A step takes a "
        "quarter longer. It saves little with one row per pass and more with several.",
        group="optimisation",
    )
    amp: str = option(
        "auto",
        "Mixed precision. auto: bf16 if the hardware supports it, else fp16 on a GPU, else off.",
        group="optimisation",
        choices=("auto", "bf16", "fp16", "off"),
    )
    seed: int = option(
        0, "Random seed for the order of rows and the prompts.", group="optimisation", at_least=0
    )

    spec_augment: bool = option(
        False,
        "SpecAugment (the LibriSpeech Basic policy): mask a frequency band and a time span of "
        "each mel spectrogram, and warp its time axis.",
        group="regularisation",
    )
    stochastic_depth: float = option(
        0.0,
        "Probability of skipping the last layer. It decreases linearly towards the first layer. "
        "large-v2 used 0.1.",
        group="regularisation",
        at_least=0,
        at_most=0.9,
    )
    bpe_dropout: float = option(
        0.0,
        "Probability of skipping a merge when a text is split into tokens. large-v2 used 0.1.",
        group="regularisation",
        at_least=0,
        at_most=0.9,
    )
    kl_weight: float | None = option(
        None,
        "Weight of the divergence from a teacher, which keeps the model from forgetting. The "
        "teacher is the model before training, and reads the same prompts. It counts on all words "
        "but the terms of the prompt. 0 trains without a teacher and the memory that it needs. "
        "(default: 0.1 for --learn terms, else 0)",
        group="regularisation",
        at_least=0,
        at_most=10,
    )
    text_weight: float | None = option(
        None,
        "Weight in the loss of all words but the terms of the prompt, whose weight is 1. "
        "(default: 0.25 for --learn terms, else 1)",
        group="regularisation",
        at_least=0,
        at_most=1,
    )
    noise: str = option(
        "",
        "Folder of noise recordings. Half of the examples are mixed with one, drawn at random.",
        metavar="FOLDER",
        group="regularisation",
    )
    reverb: str = option(
        "",
        "Folder of room impulse responses. Half of the examples are reverberated with one, drawn "
        "at random.",
        metavar="FOLDER",
        group="regularisation",
    )
    speed: float = option(
        0.0,
        "Play recordings faster or slower by up to this share, such as 0.1.",
        group="regularisation",
        at_least=0,
        at_most=0.5,
    )
    gain: float = option(
        0.0,
        "Make recordings louder or quieter by up to this many decibels.",
        group="regularisation",
        at_least=0,
        at_most=40,
    )

    out: str = option(
        "", "Run folder. (default: runs/ and the model's name)", metavar="FOLDER", group="run"
    )
    resume: str = option(
        "",
        "Resume this run. Only --workers, --device, --save-every, --feature-cache, "
        "--feature-cache-gb, --interpolate, --longform-minutes, --skip-bad-rows and --relocate may "
        "be changed. --train, --dev, --others, --noise, --reverb and --glossary may name what has "
        "moved, with the same content.",
        metavar="FOLDER",
        group="run",
    )
    strict_resume: bool = option(
        False,
        "With --resume: refuse if results could differ, because of another device or other "
        "versions.",
        group="run",
    )
    deterministic: bool = option(
        False,
        "Give the same losses every time on the same hardware. Slower on a GPU; a CPU does this "
        "anyway.",
        group="run",
    )
    save_every: int = option(
        200, "Steps between saves of the training state.", group="run", at_least=1
    )
    device: str = option("auto", DEVICE_HELP, metavar="DEVICE", group="run")

    def problems(self) -> list[str]:
        """Return what is wrong with these settings, each as `flag: value: remedy`."""
        problems = out_of_bounds(self)
        if not self.train and not _has_sample():
            problems.append(
                "--train: not given, and this installation has no sample data: give a manifest"
            )
        if self.train_weights and len(self.train_weights) != len(self.train):
            problems.append(
                f"--train-weights: {len(self.train_weights)} numbers for {len(self.train)} "
                "manifests of --train: give one number for each manifest"
            )
        if self.warmup and self.max_steps and self.warmup >= self.max_steps:
            problems.append(
                f"--warmup: {self.warmup}: the run has {self.max_steps} steps: give fewer"
            )
        if 0 < self.longform_minutes <= WINDOW_MINUTES:
            problems.append(
                f"--longform-minutes: {self.longform_minutes:g}: recordings of one window of 30 s "
                f"are not checked: give more than {WINDOW_MINUTES:g}, or 0 for no check"
            )
        if self.strict_resume and not self.resume:
            problems.append(
                "--strict-resume: needs --resume: name the run to resume, or leave this out"
            )
        if self.others and not self.dev and (self.train or not _has_sample()):
            problems.append(
                "--others: without --dev rows nothing is chosen: add --dev, or leave this out"
            )
        if self.feature_cache and not self.encoder_is_frozen:
            problems.append(
                f"--feature-cache: {self.feature_cache}: the output of an encoder in training "
                "changes at each step: add --freeze-encoder, or leave this out"
            )
        return problems

    @property
    def trained(self) -> Literal["all", "decoder", "self-attention"]:
        """What of the model is trained."""
        if self.layers == "self-attention":
            return "self-attention"
        return "decoder" if self.freeze_encoder else "all"

    @property
    def encoder_is_frozen(self) -> bool:
        """Whether no layer of the encoder is trained."""
        return self.trained != "all"

    @property
    def max_texts_per_row(self) -> int:
        """The most texts of one row in a step."""
        return 2 if self.contrast else 1

    def with_recipe(self, *, has_terms: bool) -> "TrainConfig":
        """Return these settings with those filled in that depend on what the run learns.

        `has_terms` says whether the prompts of the training rows hold keywords.
        """
        learn = ("terms" if has_terms else "texts") if self.learn == "auto" else self.learn
        layers, kl_weight, text_weight = RECIPES[learn]
        return dataclasses.replace(
            self,
            learn=learn,
            layers=layers if self.layers is None else self.layers,
            kl_weight=kl_weight if self.kl_weight is None else self.kl_weight,
            text_weight=text_weight if self.text_weight is None else self.text_weight,
        )

    def resolved(self) -> "TrainConfig":
        """Return these settings with dependent defaults filled in and paths made absolute."""
        train, dev, model = self.train, self.dev, os.fspath(self.model)
        if not train and _has_sample():
            train, dev = (str(SAMPLE / "train.jsonl"),), dev or (str(SAMPLE / "dev.jsonl"),)
        return dataclasses.replace(
            self,
            model=os.path.abspath(model) if os.path.isfile(model) else model,
            train=tuple(map(os.path.abspath, train)),
            dev=tuple(map(os.path.abspath, dev)),
            others=tuple(map(os.path.abspath, self.others)),
            glossary=os.path.abspath(self.glossary) if self.glossary else "",
            noise=os.path.abspath(self.noise) if self.noise else "",
            relocate=tuple(map(os.path.abspath, self.relocate)),
            feature_cache=os.path.abspath(self.feature_cache) if self.feature_cache else "",
            reverb=os.path.abspath(self.reverb) if self.reverb else "",
            out=os.fspath(self.out) or str(Path("runs") / Path(model).name.removesuffix(".pt")),
        )


def _has_sample() -> bool:
    return (SAMPLE / "train.jsonl").is_file()
