"""The commands' doors: wrong input is words and a status, never a traceback."""

import json
import sys

import pytest

from whisper_ft.__main__ import main


@pytest.fixture
def run(monkeypatch, capsys):
    def run_command(*argv):
        monkeypatch.setattr(sys, "argv", ["whisper-ft", *map(str, argv)])
        status = main()
        said = capsys.readouterr()
        return status, said.out + said.err

    return run_command


def test_check_says_what_is_wrong_with_model_and_manifests_at_once(run, tmp_path, corpus):
    status, said = run("check", tmp_path / "no.jsonl", corpus[0], "--model", "nosuch")
    assert status == 1
    assert "nosuch: neither a file nor an official name" in said
    assert "no.jsonl: cannot be read" in said
    assert "train.jsonl: 5 rows, 0.00 h; 2 with prompt, 5 with keywords" in said
    assert run("check", *corpus, "--model", "tiny.en")[0] == 0


def test_evaluate_refuses_before_it_writes_or_loads_anything(run, tmp_path, corpus):
    corpus[0].write_text('{"audio": "gone.wav", "text": 1}\n')
    status, said = run(
        "evaluate", "nosuch.pt", corpus[0], "--rows", "0", "--json", tmp_path / "out.json"
    )
    assert status == 2
    for words in ("nosuch.pt: neither", "train.jsonl:1: text: 1", "--rows: 0: must be at least 1"):
        assert words in said
    assert not (tmp_path / "out.json").exists()


def test_evaluate_writes_scores_and_samples(run, tmp_path, corpus, model_path):
    outputs = ["--json", tmp_path / "new" / "s.json", "--samples", tmp_path / "s.jsonl"]
    status, said = run("evaluate", model_path, *corpus, "--rows", "3", "--name", "mine", *outputs)
    assert status == 0 and "| mine |" in said
    assert json.loads((tmp_path / "new" / "s.json").read_text())["rows"] == 3
    assert len((tmp_path / "s.jsonl").read_text().splitlines()) == 3


def test_a_table_of_what_is_no_evaluation_names_the_file(run, tmp_path):
    for name, content in (("a.json", ""), ("b.json", "[1]"), ("c.json", '{"name": 1}')):
        (tmp_path / name).write_text(content)
        status, said = run("table", tmp_path / name)
        assert status == 2 and f"{name}: not what evaluate --json writes" in said


def test_without_a_command_the_commands_are_listed(run):
    status, said = run()
    assert status == 2 and "evaluate  Decode and score" in said
    assert run("--help")[0] == 0
