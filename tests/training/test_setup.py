"""What is refused before the first step."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.runs import plan_of

ROOT = Path(__file__).parents[2]


def test_an_out_folder_that_cannot_be_made_is_refused(argv, tmp_path):
    (tmp_path / "file").touch()
    argv[argv.index("--out") + 1] = str(tmp_path / "file" / "run")
    with pytest.raises(ValueError, match=r"--out: .*file/run: cannot be written \(Not a directory"):
        plan_of(argv)


def test_a_full_disk_is_seen_before_the_first_step(argv, monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)._replace(free=10_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ValueError, match=r"0.0 GB are free and the run needs 0.1 GB"):
        plan_of(argv)


@pytest.mark.slow
def test_the_command_prints_problems_with_status_2(tmp_path):
    command = [sys.executable, str(ROOT / "train.py"), "--model", "nope", "--out", str(tmp_path)]
    done = subprocess.run([*command, "--batch-size", "0"], capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "--batch-size: 0" in done.stderr and "--model: nope: neither a file" in done.stderr


def test_warm_up_longer_than_the_run_is_refused(argv):
    with pytest.raises(ValueError, match=r"--warmup: 7: the run has 7 steps"):
        plan_of([*argv, "--warmup", "7"])
