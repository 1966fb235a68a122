"""The command `evaluate`."""

import json
import os

import pytest
from helpers.audio import write_damaged

MODULES = {"evaluate": "evaluator", "longform": "longform"}


def test_evaluate_refuses_before_it_writes_or_loads_anything(run, tmp_path, corpus):
    corpus[0].write_text('{"audio": "gone.wav", "text": 1}\n')
    status, said = run(
        "evaluate", "nosuch.pt", corpus[0], "--rows", "0", "--json", tmp_path / "out.json"
    )
    assert status == 2
    for words in ("nosuch.pt: neither", "train.jsonl:1: text: 1", "--rows: 0: must be at least 1"):
        assert words in said
    assert not (tmp_path / "out.json").exists()


def test_evaluate_names_what_is_no_file_and_what_cannot_be_written(
    run, tmp_path, corpus, model_path
):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, words in (
        ("", "'': neither a file nor an official name"),
        (tmp_path / "folder", "folder: a folder, not a file: give a .pt file or an official name"),
        (tmp_path / "pipe", "pipe: not a regular file: give a .pt file"),
        ("/dev/null", "/dev/null: not a regular file: give a .pt file"),
    ):
        status, said = run("evaluate", model_path, name, corpus[0])
        assert status == 2 and words in said
    status, said = run("evaluate", model_path, corpus[0], "--json", "/dev/null/x")
    assert status == 2
    assert "--json: /dev/null/x: /dev/null is not a folder: choose another path" in said


def test_evaluate_writes_scores_and_samples(run, tmp_path, corpus, model_path):
    outputs = ["--json", tmp_path / "new" / "s.json", "--samples", tmp_path / "s.jsonl"]
    status, said = run("evaluate", model_path, *corpus, "--rows", "3", "--name", "mine", *outputs)
    assert status == 0 and "| mine |" in said
    (result,) = json.loads((tmp_path / "new" / "s.json").read_text())["evaluations"]
    names = [path.rsplit("/", 1)[-1] for path in result["manifests"]]
    assert result["n_rows"] == 3 and names == ["train.jsonl", "dev.jsonl"]
    assert len((tmp_path / "s.jsonl").read_text().splitlines()) == 3


def test_a_count_of_one_is_singular(run, corpus, model_path):
    argv = ("evaluate", model_path, corpus[0], "--interpolate", "0.5", "--name", "a", "b")
    status, said = run(*argv)
    assert status == 2 and "--interpolate: 1 checkpoint: give exactly two" in said
    assert "--name: 2 different values for 1 checkpoint: give each its own" in said


@pytest.mark.parametrize("command", ["evaluate", "longform"])
def test_audio_that_is_damaged_in_its_middle_is_named_before_any_decoding(
    command, run, tmp_path, corpus, model_path, monkeypatch
):
    monkeypatch.setattr(f"whisper_ft.evaluation.{MODULES[command]}.load", None)  # not called
    write_damaged(tmp_path / "damaged.flac")
    with corpus[0].open("a") as file:
        for end in (19.0, 20.0):
            row = {"audio": "damaged.flac", "text": "One.", "recording": "r", "end": end}
            file.write(json.dumps(row) + "\n")
    status, said = run(command, model_path, corpus[0])
    n_rows = len(corpus[0].read_text().splitlines())
    assert status == 2
    for line in (n_rows - 1, n_rows):
        assert f"{corpus[0]}:{line}: {tmp_path / 'damaged.flac'}: libsndfile cannot" in said
