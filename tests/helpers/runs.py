"""Start a run as the command does; read and compare what runs wrote."""

import dataclasses
import json
import math

import torch

from whisper_ft.cli.main import main
from whisper_ft.config.options import parse
from whisper_ft.config.train import TrainConfig
from whisper_ft.data.loader import Batch
from whisper_ft.runtime.signals import stop_on_signals
from whisper_ft.training.loop import train
from whisper_ft.training.result import TrainResult
from whisper_ft.training.resume import resume_plan
from whisper_ft.training.setup import make_plan

EXACT = ["--deterministic"] if torch.cuda.is_available() else []  # a CPU adds in order by itself


def train_command(argv):
    """Do what `python train.py` does with these flags and return the exit status."""
    return main(["train", *argv], prog="python train.py")


def plan_of(argv):
    """Return the plan that these flags of `python train.py` make."""
    config, given = parse(TrainConfig, argv, "train.py")
    return resume_plan(config, given) if config.resume else make_plan(config)


def lines(folder, name="metrics.jsonl"):
    """Return the objects of a JSON Lines file of a run."""
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def trajectory(folder):
    """Return everything that a run logged except durations."""
    times = ("step_seconds", "data_seconds")
    return [{k: v for k, v in line.items() if k not in times} for line in lines(folder)]


def assert_same_run(one, other):
    """Check that states, weights, logs and samples of two runs are equal bit for bit."""
    states = [torch.load(folder / "state.pt", weights_only=True) for folder in (one, other)]
    assert states[0]["progress"] == states[1]["progress"]
    for name, tensor in states[0]["model"].items():
        assert torch.equal(tensor, states[1]["model"][name]), name
    for index, slot in states[0]["optimizer"]["state"].items():
        for name, tensor in slot.items():
            assert torch.equal(tensor, states[1]["optimizer"]["state"][index][name])
    assert (one / "tuned.pt").exists() == (other / "tuned.pt").exists()
    for checkpoint in ("best.pt", "last.pt", *["tuned.pt"] * (one / "tuned.pt").exists()):
        weights = [torch.load(folder / checkpoint)["model_state_dict"] for folder in (one, other)]
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert trajectory(one) == trajectory(other)
    assert lines(one, "samples.jsonl") == lines(other, "samples.jsonl")


def poisoned(batch: Batch) -> Batch:
    """Return the batch with a mel that is not a number."""
    return dataclasses.replace(batch, mel=batch.mel * math.nan)


def train_until_signal(plan) -> TrainResult:
    """Train as the command does: a signal stops the run, saved."""
    with stop_on_signals() as stop:
        return train(plan, stop=stop, command="python train.py")
