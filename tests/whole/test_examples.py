"""The scripts in examples/ run, on a random model."""

import runpy
from functools import partial
from pathlib import Path

import pytest

from whisper_ft import TrainConfig

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.slow


def test_every_example_is_tested():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {"train_and_evaluate", "transcribe_with_prompts"}


def test_train_and_evaluate(model_path, tmp_path, capsys):
    example = runpy.run_path(str(EXAMPLES / "train_and_evaluate.py"))
    settings = {"lr": 1e-3, "batch_size": 2, "workers": 0}  # a random model has no defaults
    example["main"].__globals__["TrainConfig"] = partial(TrainConfig, **settings)
    example["main"](str(model_path), str(tmp_path / "run"), "2", "4")
    output = capsys.readouterr().out
    assert output.count("right prompt: ") == 2 and (tmp_path / "run" / "best.pt").exists()


def test_transcribe_with_prompts(model_path, capsys):
    example = runpy.run_path(str(EXAMPLES / "transcribe_with_prompts.py"))
    example["main"](str(model_path), "3")
    assert capsys.readouterr().out.count("written: ") == 3
