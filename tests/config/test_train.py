"""Defaults of training that depend on other settings, and on where the package is installed."""

import os

import pytest
from helpers.runs import train_command

from whisper_ft.config import train as train_settings
from whisper_ft.config.train import TrainConfig


def test_without_manifests_the_sample_is_trained_and_evaluated_into_a_folder_of_the_models_name():
    config = TrainConfig(model="tiny.en").resolved()
    assert config.train[0].endswith("data/train.jsonl") and config.dev[0].endswith("data/dev.jsonl")
    assert config.out == "runs/tiny.en"
    mine = TrainConfig(model="runs/a/best.pt", train=("my.jsonl",)).resolved()
    assert (
        mine.train == (os.path.abspath("my.jsonl"),) and mine.dev == () and mine.out == "runs/best"
    )


@pytest.fixture
def without_sample(monkeypatch, tmp_path):
    """An installation from a wheel, which has no data/ beside the package."""
    monkeypatch.setattr(train_settings, "SAMPLE", tmp_path / "site-packages" / "data")


def test_without_the_sample_a_missing_train_is_a_problem_among_the_others(
    without_sample, tmp_path, capsys
):
    argv = ["--model", "nope", "--out", str(tmp_path / "run"), "--batch-size", "0"]
    assert train_command(argv) == 2
    messages = capsys.readouterr().err
    missing = "--train: not given, and this installation has no sample data: give a manifest"
    assert missing in messages.splitlines()
    assert "--batch-size: 0" in messages and "--model: nope: neither a file" in messages
    assert not (tmp_path / "run").exists()


def test_without_the_sample_a_manifest_is_all_that_is_needed(without_sample):
    assert TrainConfig(train=("my.jsonl",)).problems() == []
