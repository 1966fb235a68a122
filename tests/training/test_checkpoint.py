"""A run's folder: what stock whisper opens, and what no interruption loses."""

import io
import json
import os
from pathlib import Path

import pytest
import torch
import whisper

from whisper_ft.models.safe_load import find_damage
from whisper_ft.models.saving import save_weights
from whisper_ft.runtime import torch_files
from whisper_ft.runtime.files import (
    append_json_lines,
    check_output_paths,
    filter_json_lines,
    fingerprint,
    read_json_lines,
    write_json,
    write_json_lines,
)
from whisper_ft.runtime.torch_files import save_atomically
from whisper_ft.training.checkpoint import find_state, save_state


def test_stock_whisper_opens_saved_weights_which_are_fp16_and_plain(tmp_path, model):
    save_weights(model, tmp_path / "best.pt", "ABzY8")
    loaded = whisper.load_model(str(tmp_path / "best.pt"), device="cpu")
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.half().float()), name
    content = torch.load(tmp_path / "best.pt", weights_only=True)
    assert content["alignment_heads"] == "ABzY8" and content["dims"] == vars(model.dims)
    assert {tensor.dtype for tensor in content["model_state_dict"].values()} == {torch.float16}


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


def test_damage_is_seen_by_checksum(tmp_path):
    torch.save({"w": torch.ones(100)}, tmp_path / "a.pt")
    assert find_damage(tmp_path / "a.pt") == ""
    content = bytearray((tmp_path / "a.pt").read_bytes())
    (tmp_path / "cut.pt").write_bytes(content[:-100])
    assert "not a whole file" in find_damage(tmp_path / "cut.pt")


def test_later_and_broken_lines_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    append_json_lines(path, [{"step": step} for step in range(5)])
    with path.open("a") as file:
        file.write('{"step": 1')
    filter_json_lines(path, lambda line: line["step"] <= 2)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [0, 1, 2]
    filter_json_lines(tmp_path / "none.jsonl", lambda line: True)


def test_a_line_cut_within_a_character_is_dropped(tmp_path):
    path = tmp_path / "samples.jsonl"
    append_json_lines(path, [{"step": 1, "text": "日本"}, {"step": 2, "text": "語"}])
    content = path.read_bytes()
    path.write_bytes(content[:-4])  # within the last character
    filter_json_lines(path, lambda line: True)
    assert list(read_json_lines(path)) == [{"step": 1, "text": "日本"}]


def test_line_separators_within_a_text_lose_no_line(tmp_path):
    append_json_lines(tmp_path / "samples.jsonl", [{"text": "a\u2028b\x85c"}, {"text": "d"}])
    before = (tmp_path / "samples.jsonl").read_bytes()
    filter_json_lines(tmp_path / "samples.jsonl", lambda line: True)
    assert (tmp_path / "samples.jsonl").read_bytes() == before


def test_a_fingerprint_changes_with_the_file(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text("a")
    first = fingerprint(path)
    path.write_text("b")
    assert first.size == 1 and fingerprint(path) != first


def test_a_folders_fingerprint_changes_with_its_files(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.wav").write_bytes(b"12")
    seen = [fingerprint(tmp_path)]
    (tmp_path / "deep" / "a.wav").write_bytes(b"123")
    seen.append(fingerprint(tmp_path))
    (tmp_path / "b.wav").write_bytes(b"1")
    seen.append(fingerprint(tmp_path))
    (tmp_path / "b.wav").rename(tmp_path / "c.wav")
    seen.append(fingerprint(tmp_path))
    assert len({one.sha256 for one in seen}) == 4


def test_outputs_that_would_spoil_an_input_or_each_other_are_refused(tmp_path):
    (tmp_path / "in.jsonl").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "in.jsonl")
    for outputs in (["in.jsonl"], ["link"], ["a", "./a"]):
        with pytest.raises(ValueError, match="also an input or another output"):
            check_output_paths([f"{tmp_path}/{name}" for name in outputs], [f"{tmp_path}/in.jsonl"])
    with pytest.raises(OSError):
        check_output_paths([str(tmp_path / ("x" * 250))])  # too long with what is written first
    check_output_paths(["", str(tmp_path / "new" / "a"), "/dev/null", "/dev/null"], ["tiny.en"])
    assert (tmp_path / "in.jsonl").read_text() == "x" and list((tmp_path / "new").iterdir()) == []


def test_a_link_stays_one_and_a_device_too(tmp_path):
    (tmp_path / "real").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_json_lines(tmp_path / "link", [{"a": "\u2028"}])
    assert (tmp_path / "link").is_symlink()
    assert list(read_json_lines(tmp_path / "real")) == [{"a": "\u2028"}]
    write_json(Path("/dev/null"), {})
    assert Path("/dev/null").is_char_device()


def test_ctrl_c_in_a_write_is_no_error_of_torchs(tmp_path, monkeypatch):
    """torch's writer finds a file shorter than it should be, and says that instead."""

    class Interrupted(io.FileIO):
        def write(self, content):
            if self.tell() > 1000:
                raise KeyboardInterrupt
            return super().write(content)

    monkeypatch.setattr(Path, "open", lambda path, mode: Interrupted(path, mode))
    with pytest.raises(KeyboardInterrupt):
        save_atomically(tmp_path / "a.pt", {"a": torch.zeros(10**5)})
    assert not list(tmp_path.iterdir())
