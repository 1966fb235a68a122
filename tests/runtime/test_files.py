"""Files are written whole, JSON Lines survive an interrupted write, and changes are noticed."""

import errno
import json
import os
from pathlib import Path

import pytest

from whisper_ft.runtime.files import (
    append_json_lines,
    check_output_paths,
    copy_atomically,
    filter_json_lines,
    find_file_problem,
    fingerprint,
    read_json_lines,
    write_json,
    write_json_lines,
)


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


def test_a_copy_is_whole_or_none(tmp_path, monkeypatch):
    source, target = tmp_path / "best.pt", tmp_path / "tuned.pt"
    source.write_bytes(b"weights")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            copy_atomically(source, target)
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]
    copy_atomically(source, target)
    assert target.read_bytes() == source.read_bytes() == b"weights"
    assert len([*tmp_path.iterdir()]) == 2


def test_a_folders_fingerprint_changes_with_its_files(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.wav").write_bytes(b"12")
    hashes = [fingerprint(tmp_path).sha256]
    (tmp_path / "deep" / "a.wav").write_bytes(b"123")
    hashes.append(fingerprint(tmp_path).sha256)
    (tmp_path / "b.wav").write_bytes(b"1")
    hashes.append(fingerprint(tmp_path).sha256)
    (tmp_path / "b.wav").rename(tmp_path / "c.wav")
    hashes.append(fingerprint(tmp_path).sha256)
    assert len(set(hashes)) == 4


def test_outputs_that_would_spoil_an_input_or_each_other_are_refused(tmp_path):
    (tmp_path / "in.jsonl").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "in.jsonl")
    for outputs in (["in.jsonl"], ["link"], ["a", "./a"]):
        with pytest.raises(ValueError, match="also an input or another output"):
            paths = [f"{tmp_path}/{name}" for name in outputs]
            check_output_paths({"--samples": paths}, [f"{tmp_path}/in.jsonl"])
    paths = ["", str(tmp_path / "new" / "a"), "/dev/null", "/dev/null"]
    check_output_paths({"--json": paths}, ["tiny.en"])
    assert (tmp_path / "in.jsonl").read_text() == "x" and list((tmp_path / "new").iterdir()) == []


def test_an_output_that_cannot_be_written_is_named_with_its_flag(tmp_path):
    for path, reason in (
        ("/dev/null/x", "/dev/null is not a folder"),
        ("/dev/null/x/y", "/dev/null is not a folder"),
        (str(tmp_path), r"cannot be written \(Is a directory\)"),
        # the latter is too long with the suffix of what is written first
        *(
            (str(tmp_path / ("x" * n)), r"cannot be written \(File name too long\)")
            for n in (999, 250)
        ),
    ):
        with pytest.raises(ValueError, match=f"--json: {path}: {reason}: choose another path"):
            check_output_paths({"--json": [path]})
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_regular_file_is_told_without_opening_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    problems = [find_file_problem(tmp_path / name) for name in ("file", "pipe", "", "gone")]
    assert problems == ["", "not a regular file", "a folder, not a file", "no such file"]


def test_a_link_stays_one_and_a_device_too(tmp_path):
    (tmp_path / "real").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_json_lines(tmp_path / "link", [{"a": "\u2028"}])
    assert (tmp_path / "link").is_symlink()
    assert list(read_json_lines(tmp_path / "real")) == [{"a": "\u2028"}]
    write_json(Path("/dev/null"), {})
    assert Path("/dev/null").is_char_device()
