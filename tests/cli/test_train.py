"""The command `train`: what it says to those who stop it, or start it twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.runs import plan_of, train_command

from whisper_ft.training import setup

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("begun", [False, True])
def test_stopped_at_once_it_tells_whether_there_is_a_run_to_go_on_with(
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
def test_a_run_that_is_under_way_is_not_offered_for_resuming(argv):
    plan = plan_of(argv)  # holds its folder
    other = [sys.executable, str(ROOT / "train.py"), *argv]
    done = subprocess.run(other, capture_output=True, text=True)
    assert done.returncode == 2 and f"process {os.getpid()} is training there" in done.stderr
    assert "--resume" not in done.stderr and plan.lock is not None
