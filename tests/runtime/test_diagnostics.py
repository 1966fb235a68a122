"""The report on a machine is true, and contains no paths unless asked."""

import os
from pathlib import Path

import pytest
import torch

from whisper_ft.runtime import diagnostics
from whisper_ft.runtime.diagnostics import describe_machine, without_paths


def test_versions_devices_free_space_and_caches_are_described(home):
    report = "\n".join(describe_machine(paths=False))
    assert f"torch {torch.__version__}" in report and "openai-whisper 2" in report
    assert f", {os.cpu_count()} cores, 1 threads, " in report and "--amp auto is" in report
    assert "disk of the current folder: " in report and "disk of whisper's cache: " in report
    assert "tiny.en.pt (2 MB)" in report and "audio files: 0" in report


def test_paths_are_in_it_only_if_asked_for(home):
    report = "\n".join(describe_machine(paths=False))
    assert "kathryn" not in report and str(home) not in report and str(Path.home()) not in report
    assert str(home / "kathryn" / "cache") in "\n".join(describe_machine(paths=True))


def test_a_section_that_fails_is_reported_and_the_others_stay(home, monkeypatch):
    def fail(device):
        raise OSError(f"{home}/kathryn: no such device")

    monkeypatch.setattr(diagnostics, "free_bytes", fail)
    lines = describe_machine(paths=False)
    assert "  failed: OSError: (path)" in lines and "caches" in lines


def test_a_broken_cache_is_reported(home):
    database = home / "kathryn" / "cache" / "whisper_ft" / "audio.sqlite"
    database.parent.mkdir()
    database.write_bytes(b"not a database" * 100)
    report = "\n".join(describe_machine(paths=False))
    assert "audio files: the cache cannot be read" in report


@pytest.mark.parametrize("path", ["/Users/kathryn/x y.wav", r"C:\Users\kathryn\x", r"\\kathryn\x"])
def test_a_text_ends_at_its_first_path_because_paths_may_contain_spaces(path):
    assert without_paths(f"cannot read {path}: gone") == "cannot read (path)"
    assert without_paths("1/2 of it, ../x and a/b stay") == "1/2 of it, ../x and a/b stay"
