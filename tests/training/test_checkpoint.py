"""A run's folder: what stock whisper opens, and what no interruption loses."""

import os

import pytest
import torch

from whisper_ft.runtime import torch_files
from whisper_ft.training.checkpoint import find_state, save_state


def step_found(folder):
    return torch.load(find_state(folder)[0], weights_only=True)["step"]


def test_the_state_before_stays_and_steps_in_when_the_newest_is_damaged(tmp_path):
    assert find_state(tmp_path) == (None, [])
    save_state(tmp_path, {"step": 1, "w": torch.zeros(1000)})
    save_state(tmp_path, {"step": 2, "w": torch.zeros(1000)})
    assert step_found(tmp_path) == 2
    newest = tmp_path / "state.pt"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    path, wrong = find_state(tmp_path)
    assert torch.load(path)["step"] == 1 and "state.pt: damaged" in wrong[0]
    assert not newest.exists()  # or the next saving would put it in the good one's place
    save_state(tmp_path, {"step": 2})
    newest.write_bytes(b"")
    (tmp_path / "state.previous.pt").write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"state.pt: .*state.previous.pt: .*no intact state is left"
    ):
        find_state(tmp_path)


def test_a_crash_between_the_renames_leaves_a_whole_state(tmp_path, monkeypatch):
    save_state(tmp_path, {"step": 1})
    replace, calls = os.replace, []

    def crash_on_second(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(torch_files.os, "replace", crash_on_second)
    with pytest.raises(KeyboardInterrupt):
        save_state(tmp_path, {"step": 2})
    assert step_found(tmp_path) == 1


def test_a_failed_write_touches_no_file_of_a_real_name(tmp_path, monkeypatch):
    save_state(tmp_path, {"step": 1})
    before = (tmp_path / "state.pt").read_bytes()

    def fail(content, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch_files.torch, "save", fail)
    with pytest.raises(OSError, match="No space"):
        save_state(tmp_path, {"step": 2})
    assert (tmp_path / "state.pt").read_bytes() == before
