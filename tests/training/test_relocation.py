"""A run goes on where its manifests have moved, with the same content."""

import json
import shutil
import signal
from pathlib import Path

import pytest
import torch
from helpers.runs import plan_of, train_until_signal, trajectory

from whisper_ft.training.loop import train
from whisper_ft.training.plan import SetupError
from whisper_ft.training.run import Run


def stop_after(monkeypatch, step):
    real = Run.step

    def stopping(self, *given):
        log = real(self, *given)
        if log.step == step:
            signal.raise_signal(signal.SIGINT)
        return log

    monkeypatch.setattr(Run, "step", stopping)


@pytest.fixture
def moved(argv, tmp_path, monkeypatch):
    """Stop a run, move its data, and return (run, flags of the new place, the whole run)."""
    whole, run = tmp_path / "whole", tmp_path / "stopped"
    train(plan_of([*argv, "--out", str(whole)]))
    with monkeypatch.context() as patch:
        stop_after(patch, 4)
        assert train_until_signal(plan_of([*argv, "--out", str(run)])).reason == "stopped"
    names = ("--train", "--dev")
    manifests = [Path(argv[argv.index(name) + 1]) for name in names]
    there = tmp_path / "elsewhere"
    there.mkdir()
    for manifest in manifests:
        shutil.move(manifest, there)
    for audio in manifests[0].parent.glob("*.wav"):
        shutil.move(audio, there)
    places = [str(there / manifest.name) for manifest in manifests]
    return run, ["--train", places[0], "--dev", places[1]], whole


def test_a_run_goes_on_with_its_data_in_another_place_and_ends_the_same(moved, logged):
    run, flags, whole = moved
    with pytest.raises(SetupError) as refused:
        plan_of(["--resume", str(run)])
    remedy = f"gone since the run began: restore it, or name its new place: --resume {run} --train"
    assert remedy in str(refused.value)
    assert train(plan_of(["--resume", str(run), *flags])).reason == "finished"
    said = logged()
    assert "manifests have moved, with the same content" in said and "from step 4 of 7" in said
    assert trajectory(run) == trajectory(whole)
    one, other = (torch.load(folder / "last.pt")["model_state_dict"] for folder in (run, whole))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert json.loads((run / "config.json").read_text())["settings"]["train"] == [flags[1]]
    assert train(plan_of(["--resume", str(run)])).reason == "finished"  # knows its place now
    assert "already finished" in logged()


def test_another_content_or_number_of_manifests_is_refused(moved):
    run, flags, _ = moved
    for more, words in (
        ([*flags[:2], flags[1], *flags[2:]], "--train: 2 for the 1 of the run: give all of them"),
        ([*flags[:2], "--dev", "nowhere"], "--dev: nowhere: no such file: give the place to which"),
    ):
        with pytest.raises(SetupError, match=words):
            plan_of(["--resume", str(run), *more])
    with open(flags[3], "a") as file:
        file.write("\n")
    with pytest.raises(SetupError, match=r"--dev: .*its content is not that of .* when the run"):
        plan_of(["--resume", str(run), *flags])
