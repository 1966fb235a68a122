"""The command `doctor`: what a user pastes into a bug report."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # the self-test starts a worker


def test_the_report_describes_the_machine_and_its_self_test_without_paths(home, run):
    status, output = run("doctor")
    assert status == 0, output
    titles = ["versions", "devices", "free space", "caches", "self-test"]
    assert [line for line in output.splitlines() if line and line[0] != " "] == titles
    assert re.findall(r"^  (\w+) +works$", output, re.M) == [
        *("audio", "mel", "tokens", "workers", "training", "checkpoint")
    ]
    assert "kathryn" not in output and str(home) not in output and str(Path.home()) not in output


def test_a_part_that_does_not_work_is_status_1(home, run, monkeypatch):
    def fail():
        raise OSError("no libsndfile")

    monkeypatch.setattr("whisper_ft.training.self_test._test_audio", fail)
    status, output = run("doctor", "--paths")
    assert status == 1 and "failed: OSError: no libsndfile" in output
    assert str(home / "kathryn" / "cache") in output
