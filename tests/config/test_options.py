"""Flags, bounds and JSON are made from one dataclass."""

import dataclasses
import json
import math
import re
from pathlib import Path

import pytest

from whisper_ft.config.commands import SETTINGS, CheckConfig, EvaluateConfig
from whisper_ft.config.options import flag, from_json, parse, type_problems
from whisper_ft.config.prepare import CorpusConfig, NoisesConfig, SubtitlesConfig
from whisper_ft.config.train import TrainConfig

CONFIGS = [*SETTINGS.values(), TrainConfig, CorpusConfig, NoisesConfig, SubtitlesConfig]


def test_flags_become_typed_fields_and_the_given_ones_are_known():
    argv = ["--model", "tiny.en", "--train", "a", "b", "--train-weights", "1", ".3", "--lr", "1e-5"]
    config, given = parse(TrainConfig, [*argv, "--freeze-encoder"], "train.py")
    assert config.train == ("a", "b") and config.train_weights == (1.0, 0.3)
    assert config.lr == 1e-5 and config.freeze_encoder and config.max_steps is None
    assert given == {"model", "train", "train_weights", "lr", "freeze_encoder"}


def test_positional_arguments_need_no_flag():
    config, _ = parse(EvaluateConfig, ["best.pt", "a.jsonl", "b.jsonl", "--rows", "5"], "evaluate")
    assert config.inputs == ("best.pt", "a.jsonl", "b.jsonl") and config.rows == 5
    assert parse(CheckConfig, ["a.jsonl"], "check")[0].manifests == ("a.jsonl",)


def test_every_flag_is_explained_with_its_default_in_a_group(capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(TrainConfig, ["--help"], "train.py")
    assert stopped.value.code == 0
    output = " ".join(capsys.readouterr().out.split())
    for field in dataclasses.fields(TrainConfig):
        assert flag(field.name) in output and field.metadata["help"].split()[0] in output
        if type(field.default) in (int, float) or field.default not in (None, "", (), False):
            default = str(field.default).strip("()").replace(", ", "")
            assert f"(default:{default})" in output.replace(" ", "")  # wherever a line breaks
    for group in ("model:", "data:", "prompts:", "optimisation:", "evaluation:", "run:"):
        assert group in output


@pytest.mark.parametrize("config_class", CONFIGS)
def test_help_is_written_in_sentences_and_numbers_have_their_zero(config_class):
    for field in dataclasses.fields(config_class):
        text = field.metadata["help"]
        assert text[0].isupper() and text.endswith((".", ")")), text
        assert not re.search(r"(?<!\d)\.\d", text), text  # 0.59, not .59


@pytest.mark.parametrize(
    "argv", [["--batch", "2"], ["--amp", "int8"], ["--max-steps", "x"], ["--batch-size", "-1"]]
)
def test_a_wrong_flag_is_status_2_and_is_named(argv, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(TrainConfig, argv, "train.py")
    assert stopped.value.code == 2 and argv[0] in capsys.readouterr().err


def test_numbers_out_of_bounds_are_all_named_at_once():
    config = TrainConfig(
        batch_size=0,
        lr=0.0,
        timestamp_rate=1.5,
        epochs=-1,
        train_weights=(1.0, 0.0, 1e308),
        warmup=math.inf,
    )
    problems = "\n".join(config.problems())
    for words in (
        "--batch-size: 0: must be at least 1",
        "--lr: 0.0: must be more than 0",
        "--timestamp-rate: 1.5: must be at most 1",
        "--epochs: -1: must be more than 0",
        "--train-weights: 0.0: must be more than 0",
        "--train-weights: 1e+308: must be at most 1000",
        "--train-weights: 3 numbers for 0 manifests",
        "--warmup: inf: must be a finite number",
    ):
        assert words in problems
    assert TrainConfig().problems() == []
    assert TrainConfig(epochs=1e308).problems() == ["--epochs: 1e+308: must be at most 1000000"]


def test_settings_survive_json():
    config = TrainConfig(train=("a", "b"), train_weights=(1.0, 0.3), lr=1e-5, prompts="own=.3")
    assert from_json(TrainConfig, json.loads(json.dumps(dataclasses.asdict(config)))) == config


def test_a_value_is_named_and_its_range_is_said(capsys):
    with pytest.raises(SystemExit):
        parse(TrainConfig, ["--help"], "train.py")
    output = " ".join(capsys.readouterr().out.split())
    for words in ("--model MODEL", "--out FOLDER", "--distractors MIN MAX", "--batch-size N|auto"):
        assert words in output
    assert "have timestamps. From 0 to 1. (default: 0.5)" in output
    assert "More than 0 and at most 1,000. (default: 1 for each)" in output
    assert "Peak learning rate. More than 0. (default: 1/40" in output


@pytest.mark.parametrize("config_class", CONFIGS)
def test_no_flag_for_a_file_or_folder_asks_for_a_text(config_class):
    for field in dataclasses.fields(config_class):
        is_plain = field.type is str or field.type == tuple[str, ...]
        if is_plain and not field.metadata["positional"] and not field.metadata["choices"]:
            assert field.metadata["metavar"], field.name


def test_values_of_a_wrong_type_or_choice_are_all_named_at_once():
    config = TrainConfig(
        train="t.jsonl",
        amp="foo",
        best_by=5,
        batch_size="x",
        prompts=3,
        freeze_encoder=1,
        lr="x",
        distractors=(1, 2, 3),
        train_weights=("1",),
    )
    assert sorted(type_problems(config)) == [
        "--amp: 'foo': expected one of auto, bf16, fp16, off",
        "--batch-size: 'x': expected a whole number, or -1 for auto",
        "--best-by: 5: expected one of prompted_wer, wer, marked_wer, raw_wer, cer, "
        "keyword_recall, b_wer, u_wer, loss",
        "--distractors: (1, 2, 3): expected a tuple of 2 whole numbers",
        "--freeze-encoder: 1: expected True or False",
        "--lr: 'x': expected a number, or None",
        "--prompts: 3: expected a text",
        "--train-weights: ('1',): expected a tuple of numbers",
        "--train: 't.jsonl': expected a tuple of texts",
    ]
    good = TrainConfig(model=Path("m.pt"), train=[Path("t.jsonl")], lr=1, out=Path("run"))
    assert type_problems(good) == [] and good.resolved().out == "run"


@pytest.mark.parametrize("config_class", CONFIGS)
def test_every_default_has_the_type_of_its_field(config_class):
    assert type_problems(config_class()) == []
