"""Every way in which a run ends: what is saved, and what the message says."""

import errno
import gc
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.runs import (
    plan_of,
    poisoned,
)

from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.training import loop
from whisper_ft.training import run as running
from whisper_ft.training.endings import describe_best
from whisper_ft.training.loop import train
from whisper_ft.training.state import Progress

ROOT = Path(__file__).parents[2]


def test_the_end_reports_the_best_score_beside_the_stock_one_and_with_which_prompts():
    with_prompts = PromptedRows([None], ["Reid."], [None])
    progress = Progress(stock_score=0.2, best_score=0.1)
    assert describe_best(progress, with_prompts, "wer") == (
        "dev wer 10.0 % with the right prompts, 20.0 % before training"
    )
    worse = Progress(stock_score=0.1, best_score=0.2)
    without = PromptedRows(10 * [None], 10 * [""], 10 * [None])
    said = describe_best(worse, without, "wer")
    assert said.startswith(
        "dev wer 20.0 % without prompts, 10.0 % before training (training made it worse"
    )
    assert "worse" not in describe_best(worse, without, "keyword_recall")  # more of them is better
    assert "worse" not in describe_best(worse, without.subset(range(9)), "wer")  # by chance
    said = describe_best(progress, with_prompts, "prompted_wer")
    assert said == "dev prompted_wer 10.0 %, 20.0 % before training"  # of all three conditions
    assert describe_best(Progress(), with_prompts, "wer") == "dev wer is not defined"


def test_lack_of_memory_names_the_settings_that_help(argv, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(running, "train_step", full)
    result = train(plan_of(argv))
    assert result.reason == "failed" and result.best is None
    assert "Stopped in step 1" in result.message
    assert "--batch-size 1 --accumulate 4" in result.message


def test_lack_of_memory_after_the_last_step_says_that_all_is_saved_and_how_to_go_on(
    argv, tmp_path, monkeypatch
):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loop, "longform_check_due", lambda plan: True)
    monkeypatch.setattr(loop, "check_longform", full)
    result = train(plan_of([*argv, "--max-steps", "1"]), command="python train.py")
    assert result.reason == "failed" and result.last
    assert result.message.startswith("All 1 steps are taken and saved, but what follows them needs")
    assert result.message.endswith(
        f"python train.py --resume {tmp_path / 'run'} --interpolate off --longform-minutes 0"
    )
    monkeypatch.undo()
    again = ["--resume", str(tmp_path / "run"), "--interpolate", "off", "--longform-minutes", "0"]
    assert train(plan_of(again)).reason == "finished"


def test_the_command_to_go_on_repeats_what_a_resumed_run_changed(argv, tmp_path, monkeypatch):
    train(plan_of([*argv, "--max-steps", "1", "--interpolate", "off"]))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(loop, "longform_check_due", lambda plan: True)
    monkeypatch.setattr(loop, "check_longform", full)
    changed = ["--resume", str(tmp_path / "run"), "--workers", "1", "--longform-minutes", "0"]
    message = train(plan_of(changed), command="python train.py").message
    assert message.endswith(
        f"python train.py --resume {tmp_path / 'run'} --workers 1 --longform-minutes 0.0"
    )


@pytest.mark.parametrize("more", [[], ["--freeze-encoder", "--feature-cache"]])
def test_audio_that_vanishes_in_mid_run_stops_it_saved_and_named(argv, tmp_path, more):
    plan = plan_of([*argv, "--workers", "1", *more, *[str(tmp_path / "cache")] * bool(more)])
    plan.examples.rows[2].audio.unlink()
    gc.disable()  # no worker may wait for it: the process would not end
    try:
        result = train(plan, command="python train.py")
        assert not multiprocessing.active_children()
    finally:
        gc.enable()
    assert result.reason == "failed"
    assert "train.jsonl:3: " in result.message and "2.wav" in result.message
    assert f"python train.py --resume {tmp_path / 'run'}" in result.message
    assert (tmp_path / "run" / "state.pt").exists()


def test_a_loss_that_is_not_finite_stops_the_run_with_the_last_state_whole(
    argv, tmp_path, monkeypatch
):
    real, calls = running.train_step, []

    def fails_on_fourth(model, batches, *rest):
        calls.append(1)
        return real(model, [poisoned(b) for b in batches] if len(calls) == 4 else batches, *rest)

    monkeypatch.setattr(running, "train_step", fails_on_fourth)
    result = train(plan_of(argv))
    assert result.reason == "failed" and "train.jsonl:" in result.message
    assert "Stopped in step 4: the loss is not a finite number on" in result.message
    assert "The state of step 3 is intact" in result.message
    state = torch.load(tmp_path / "run" / "state.pt")
    assert state["progress"]["step"] == 3  # saved with the evaluation
    assert all(
        tensor.isfinite().all() for tensor in state["model"].values() if tensor.is_floating_point()
    )


# What a bug in the data path looks like: the third row's audio raises in a worker.
BUG = """
import sys
from torch.utils.data import get_worker_info
from whisper_ft.cli.main import main
from whisper_ft.data import dataset
from whisper_ft.training import encoder_pass

real = dataset.read_row_audio

def raise_for_one_row(row, **options):
    if row.place.endswith("train.jsonl:3") and get_worker_info():
        raise TypeError("an unexpected type")
    return real(row, **options)

dataset.read_row_audio = encoder_pass.read_row_audio = raise_for_one_row
if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]], prog="python train.py"))
"""


@pytest.fixture
def run_with(argv, tmp_path):
    """Run train with two workers and this code around it, in a process that must end."""

    def start(code, *more):
        argv[argv.index("--workers") + 1] = "2"
        (tmp_path / "bug.py").write_text(code)
        return subprocess.run(
            [sys.executable, str(tmp_path / "bug.py"), *argv, *more],
            capture_output=True,
            text=True,
            timeout=100,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    return start


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--freeze-encoder", "--feature-cache"]])
def test_a_bug_in_a_worker_ends_the_run_saved_with_the_row_named(run_with, tmp_path, more):
    done = run_with(BUG, *more, *[str(tmp_path / "cache")] * bool(more))
    assert done.returncode == 1, done.stderr
    assert "train.jsonl:3: Traceback" in done.stdout
    assert "TypeError: an unexpected type" in done.stdout and "raise_for_one_row" in done.stdout
    assert "is saved" in done.stdout and f"--resume {tmp_path / 'run'}" in done.stdout
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    log = tmp_path / "run" / "metrics.jsonl"
    n_logged = log.read_text().count('"kind": "step"') if log.exists() else 0
    assert state["progress"]["step"] == n_logged


BUG_IN_A_STEP = """
import sys
from whisper_ft.cli.main import main
from whisper_ft.training import run

def broken(*_):
    raise TypeError("an unexpected type")

run.train_step = broken
if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]], prog="python train.py"))
"""


@pytest.mark.slow
def test_a_bug_in_a_step_ends_the_process_with_its_traceback(run_with):
    done = run_with(BUG_IN_A_STEP)
    assert done.returncode == 1 and "TypeError: an unexpected type" in done.stderr


def test_a_disk_that_fills_up_leaves_the_state_before(argv, tmp_path, monkeypatch):
    real = running.save_state

    def full_at_step_3(folder, state):
        if state["progress"]["step"] == 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(folder / "state.pt"))
        real(folder, state)

    monkeypatch.setattr(running, "save_state", full_at_step_3)
    result = train(plan_of(argv), command="python train.py")
    assert (result.reason, result.n_steps) == ("failed", 3)
    assert "state.pt: No space left on device" in result.message
    assert "The state of step 2 is intact. Free disk space" in result.message
    assert f"python train.py --resume {tmp_path / 'run'}" in result.message


def test_a_second_failure_while_the_first_is_saved_is_the_one_reported(argv, monkeypatch):
    plan = plan_of(argv)
    plan.examples.rows[2].audio.unlink()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(running, "save_state", full)
    result = train(plan)
    assert result.reason == "failed" and "No space left on device" in result.message
    assert "Nothing was saved yet" in result.message
