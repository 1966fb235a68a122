"""The command `train`: what it prints, and its exit statuses."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.runs import plan_of, train_command

from whisper_ft.cli.main import main
from whisper_ft.cli.train import usage
from whisper_ft.training import run, setup
from whisper_ft.training.step import NonFiniteError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("begun", [False, True])
def test_stopped_at_once_it_says_whether_there_is_a_run_to_resume(
    argv, tmp_path, monkeypatch, capsys, begun
):
    def stopped(*_):
        raise KeyboardInterrupt

    if begun:
        plan_of(argv)
    monkeypatch.setattr(setup, "read_rows", stopped)
    assert train_command(argv) == 130
    said = capsys.readouterr().err
    assert (f"python train.py --resume {tmp_path / 'run'}" in said) == begun
    assert ("no run was started" in said) != begun


@pytest.mark.slow
def test_a_run_in_progress_is_not_offered_for_resuming(argv):
    plan = plan_of(argv)  # holds its folder
    other = [sys.executable, str(ROOT / "train.py"), *argv]
    done = subprocess.run(other, capture_output=True, text=True)
    assert done.returncode == 2 and f"process {os.getpid()} is training there" in done.stderr
    assert "--resume" not in done.stderr and plan.lock is not None


def test_a_finished_run_prints_its_score_and_how_to_use_its_checkpoint(argv, tmp_path, capsys):
    assert train_command([*argv, "--max-steps", "1"]) == 0
    output = capsys.readouterr().out
    best = tmp_path / "run" / "best.pt"
    assert "step 0 (stock)" in output and "best.pt is from step 1: dev prompted_wer " in output
    assert f'model = whisper.load_model("{best}")' in output
    assert f"$ whisper call.wav --model {best} --initial_prompt" in output
    assert "initial_prompt=" in output and "set_alignment_heads" not in output


def test_a_checkpoint_with_alignment_heads_is_used_with_them(tmp_path):
    lines = usage(tmp_path / "a b.pt", "ABzY8")
    assert 'model.set_alignment_heads(b"ABzY8")  # for word_timestamps=True' in lines
    assert f"--model '{tmp_path / 'a b.pt'}'" in lines


@pytest.mark.parametrize(
    ("prog", "resume"),
    [
        ("python train.py", "python train.py --resume "),
        ("whisper-ft", "whisper-ft train --resume "),
    ],
)
def test_a_stopped_run_prints_the_command_that_resumes_it(
    argv, tmp_path, monkeypatch, capsys, prog, resume
):
    real = run.train_step

    def stop(*arguments):
        signal.raise_signal(signal.SIGTERM)
        return real(*arguments)

    monkeypatch.setattr(run, "train_step", stop)
    assert main(["train", *argv], prog=prog) == 128 + signal.SIGTERM
    output = capsys.readouterr().out
    assert "SIGTERM: the state of step 1 is saved. Resume with:\n" in output
    assert f"\n  {resume}{tmp_path / 'run'}\n" in output


def test_a_failed_run_has_status_1(argv, corpus, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise NonFiniteError("the loss is not a finite number on train.jsonl:1")

    monkeypatch.setattr(run, "train_step", fail)
    assert train_command(argv) == 1
    output = capsys.readouterr().out
    assert "Stopped in step 1: the loss is not a finite number on train.jsonl:1\n" in output
    assert "lower --lr" in output and "load_model" not in output
