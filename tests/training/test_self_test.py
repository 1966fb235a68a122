"""The self-test finds a part that does not work, and reports it without paths."""

import re

import pytest

from whisper_ft.training import self_test
from whisper_ft.training.self_test import run_self_test

pytestmark = pytest.mark.slow  # it starts a worker
PARTS = ["audio", "mel", "tokens", "workers", "training", "checkpoint"]


def test_all_parts_work_here():
    outcome = run_self_test()
    assert outcome.passed, outcome.errors
    assert list(outcome.errors) == PARTS and outcome.seconds > 0


def test_a_part_that_fails_is_reported_without_paths_and_the_others_are_tried(monkeypatch):
    def fail():
        raise OSError("/Users/kathryn/x.wav and C:\\Users\\kathryn\\y: no such file")

    monkeypatch.setattr(self_test, "_test_audio", fail)
    outcome = run_self_test()
    assert not outcome.passed and [part for part, error in outcome.errors.items() if error] == [
        "audio"
    ]
    report = "\n".join(outcome.describe(paths=False))
    assert "kathryn" not in report
    assert re.search(r"audio +failed: OSError: \(path\)$", report, re.M)
    assert "/Users/kathryn/x.wav" in "\n".join(outcome.describe(paths=True))
