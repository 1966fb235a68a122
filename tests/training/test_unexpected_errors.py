"""An exception that nobody expected ends the run: no worker outlives it, and the state is saved."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]

# What a bug in the data path looks like: the third row's audio raises, in whichever process.
BUG = """
import sys
from whisper_ft.cli.main import main
from whisper_ft.data import dataset
from whisper_ft.training import encoder_pass

real = dataset.read_row_audio

def raise_for_one_row(row, **options):
    if row.place.endswith("train.jsonl:3"):
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
