"""What a user pastes into a bug report: true, and without paths."""

import os
import re
from pathlib import Path

import pytest
import torch

from whisper_ft.training import self_test as doctor
from whisper_ft.training.self_test import diagnose


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user's folder whose name must not be told, with a cache of weights."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kathryn" / "cache"))
    (tmp_path / "kathryn" / "cache" / "whisper").mkdir(parents=True)
    (tmp_path / "kathryn" / "cache" / "whisper" / "tiny.en.pt").write_bytes(bytes(2_000_000))
    return tmp_path


def test_all_parts_work_here_and_no_path_is_told(home, run):
    status, said = run("doctor")
    assert status == 0, said
    assert f"torch {torch.__version__}" in said and "openai-whisper 2" in said
    assert f", {os.cpu_count()} cores, threads: 1, " in said and "AMP auto is" in said
    assert "tiny.en.pt (2 MB)" in said and "audio headers: 0" in said
    assert re.findall(r"^  (\w+) +works$", said, re.M) == [
        *("audio", "mel", "tokens", "workers", "training", "checkpoint")
    ]
    assert "kathryn" not in said and str(home) not in said and str(Path.home()) not in said


def test_paths_are_told_if_asked_for(home):
    told, _ = diagnose(paths=True)
    assert str(home / "kathryn" / "cache") in told


def test_a_part_that_fails_is_told_without_paths(home, monkeypatch):
    def broken():
        raise OSError(f"{home}/kathryn/x.wav and C:\\Users\\kathryn\\y: no such file")

    monkeypatch.setattr(doctor, "_audio", broken)
    told, works = diagnose(paths=False)
    assert not works and "kathryn" not in told
    assert re.search(r"audio +fails: OSError: \(path\)$", told, re.M)


def test_a_broken_cache_is_told(home):
    probes = home / "kathryn" / "cache" / "whisper_ft" / "probes.sqlite"
    probes.parent.mkdir()
    probes.write_bytes(b"not a database" * 100)
    assert "audio headers: the cache cannot be read" in diagnose(paths=False)[0]
