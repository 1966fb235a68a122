"""A whole run and what it leaves."""

import json
import multiprocessing
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import whisper
from helpers.models import random_whisper
from helpers.runs import lines, plan_of

from whisper_ft.config.options import parse
from whisper_ft.config.train import TrainConfig
from whisper_ft.evaluation.scoring import Scores
from whisper_ft.runtime import progress
from whisper_ft.runtime.signals import SIGNALS
from whisper_ft.training.loop import train
from whisper_ft.training.plan import SetupError
from whisper_ft.training.result import TrainResult

ROOT = Path(__file__).parents[2]


def test_a_run_leaves_everything_it_promises(argv, tmp_path, logged):
    result = train(plan_of([*argv, "--learn", "texts"]))
    folder = tmp_path / "run"
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "metrics.jsonl", "samples.jsonl"),
        *("best.pt", "last.pt", "state.pt", "state.previous.pt", ".lock"),
    }
    log = lines(folder)
    assert [line["step"] for line in log if line["kind"] == "step"] == [1, 2, 3, 4, 5, 6, 7]
    assert [line["step"] for line in log if line["kind"] == "evaluation"] == [0, 3, 6, 7]
    losses = [line["loss"] for line in log if line["kind"] == "step"]
    assert losses[-1] < losses[0]
    assert {sample["step"] for sample in lines(folder, "samples.jsonl")} == {0, 3, 6, 7}
    config = json.loads((folder / "config.json").read_text())
    assert config["settings"]["lr"] == 1e-3 and "torch" in config["versions"]
    assert set(config["manifests"]) == {argv[3], argv[5]}
    assert config["format"] == 2
    text = logged()
    assert "(stock)" in text and "are free" in text
    best = torch.load(folder / "state.pt")["progress"]["best_step"]
    scores = next(line["scores"] for line in log[1:] if line["step"] == best and "best" in line)
    assert result == TrainResult(
        folder=folder,
        best=folder / "best.pt",
        last=folder / "last.pt",
        n_steps=7,
        reason="finished",
        message=result.message,
        best_step=best,
        scores=Scores.from_json(scores),
    )
    assert result.message.startswith(f"best.pt is from step {best}: dev prompted_wer ")
    model = whisper.load_model(str(folder / "best.pt"), device="cpu")
    assert not torch.equal(
        model.encoder.conv1.weight, random_whisper().encoder.conv1.weight.half().float()
    )


def test_the_score_is_of_the_checkpoint_as_saved(argv, tmp_path):
    """best.pt evaluated by the command scores what the run said of it."""
    train(plan_of([*argv, "--eval-rows", "2"]))
    folder = tmp_path / "run"
    said = {line["step"]: line["scores"] for line in lines(folder) if line["kind"] == "evaluation"}
    best = torch.load(folder / "state.pt")["progress"]["best_step"]
    command = [sys.executable, "-m", "whisper_ft", "evaluate", str(folder / "best.pt"), argv[5]]
    subprocess.run([*command, "--json", str(tmp_path / "scores.json")], check=True, cwd=ROOT)
    scores = json.loads((tmp_path / "scores.json").read_text())["evaluations"][0]["scores"]
    assert scores == json.loads(json.dumps(said[best]))


def test_without_dev_rows_the_last_is_best_and_the_result_says_so(argv, tmp_path):
    del argv[4:6]
    result = train(plan_of(argv))
    assert "there are no --dev rows to choose by" in result.message
    assert result.best_step is None and result.scores is None
    folder = tmp_path / "run"
    assert (folder / "best.pt").read_bytes()[-2000:] and not (folder / "samples.jsonl").exists()
    best, last = (torch.load(folder / n)["model_state_dict"] for n in ("best.pt", "last.pt"))
    assert all(torch.equal(best[name], last[name]) for name in best)


def test_a_frozen_encoder_stays_as_it_was(argv, tmp_path, model):
    train(plan_of([*argv, "--learn", "texts", "--freeze-encoder"]))
    tuned = torch.load(tmp_path / "run" / "state.pt", map_location="cpu")["model"]
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, tuned[name]) == name.startswith("encoder."), name


def test_the_best_checkpoint_is_so_by_the_score_that_was_named(argv, tmp_path):
    train(plan_of([*argv, "--best-by", "loss"]))
    log = [line for line in lines(tmp_path / "run") if line["kind"] == "evaluation"][1:]
    losses = {line["step"]: line["scores"]["right"]["loss"]["rate"] for line in log}
    progress = torch.load(tmp_path / "run" / "state.pt")["progress"]
    assert progress["best_score"] == min(losses.values())
    assert losses[progress["best_step"]] == min(losses.values())


def test_patience_ends_a_run_that_gets_no_better(argv, tmp_path):
    argv[argv.index("--lr") + 1] = "1e-12"
    argv[argv.index("--eval-every") + 1] = "1"
    assert train(plan_of([*argv, "--patience", "2"])).reason == "finished"
    progress = torch.load(tmp_path / "run" / "state.pt")["progress"]
    assert progress["step"] < 7 and progress["n_without_improvement"] == 2


def test_layers_computed_again_give_the_same_losses(argv, tmp_path):
    out = argv.index("--out") + 1
    for name, more in (("kept", []), ("again", ["--gradient-checkpointing"])):
        argv[out] = str(tmp_path / name)
        train(plan_of([*argv, *more, "--stochastic-depth", ".3"]))
    kept, again = (
        [(line["loss"], line["grad_norm"]) for line in lines(tmp_path / name) if "loss" in line]
        for name in ("kept", "again")
    )
    assert kept == again and len(kept) == 7


def test_the_library_trains_from_settings_and_leaves_the_process_as_it_was(
    argv, tmp_path, monkeypatch, capfd
):
    """No output, no signal handlers, no lock and no worker outlast the call."""
    monkeypatch.setattr(progress, "_enabled", False)  # which a command in another test may set
    monkeypatch.setattr(progress.LOGGER, "handlers", [])
    before = [signal.getsignal(number) for number in SIGNALS]
    config, _ = parse(TrainConfig, argv, "train.py")
    result = train(replace(config, workers=1, max_steps=2))
    assert result.reason == "finished" and result.n_steps == 2
    again = train(TrainConfig(resume=str(result.folder), workers=0))
    assert again == result
    assert capfd.readouterr() == ("", "")
    assert [signal.getsignal(number) for number in SIGNALS] == before
    assert not multiprocessing.active_children()
    lock_in_another_process = "import sys; from pathlib import Path; from "
    lock_in_another_process += "whisper_ft.training.checkpoint import lock_folder; "
    lock_in_another_process += "lock_folder(Path(sys.argv[1]))"
    command = [sys.executable, "-c", lock_in_another_process, str(result.folder)]
    subprocess.run(command, check=True, cwd=ROOT)


def test_the_library_refuses_settings_that_a_resumed_run_keeps(argv, tmp_path):
    plan_of(argv)
    with pytest.raises(SetupError, match="--lr: a resumed run keeps its settings"):
        train(TrainConfig(resume=str(tmp_path / "run"), lr=1e-5))
