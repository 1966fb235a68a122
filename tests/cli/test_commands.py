"""The commands' doors: wrong input is words and a status, never a traceback."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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
    (result,) = json.loads((tmp_path / "new" / "s.json").read_text())["evaluations"]
    names = [path.rsplit("/", 1)[-1] for path in result["manifests"]]
    assert result["n_rows"] == 3 and names == ["train.jsonl", "dev.jsonl"]
    assert len((tmp_path / "s.jsonl").read_text().splitlines()) == 3


def test_a_table_of_what_is_no_evaluation_names_the_file(run, tmp_path):
    for name, content in (("a.json", ""), ("b.json", "[1]"), ("c.json", '{"evaluations": []}')):
        (tmp_path / name).write_text(content)
        status, said = run("table", tmp_path / name)
        assert status == 2 and f"{name}: not a file of evaluate --json" in said


def test_without_a_command_the_commands_are_listed(run):
    status, said = run()
    assert status == 2 and "evaluate  Decode manifests under the right" in said
    assert run("--help")[0] == 0


@pytest.mark.parametrize(
    "command", ["train.py", "-m whisper_ft", "-m whisper_ft evaluate", "-m whisper_ft prepare csv"]
)
def test_help_imports_nothing_that_is_slow(command):
    """torch and whisper take seconds."""
    words = [sys.executable, "-X", "importtime", *command.split(), "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "usage:" in done.stdout and "whisper_ft.config.options" in imported
    assert not imported & {"torch", "whisper", "numpy", "soundfile"}


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_ends_the_command_without_a_word(corpus, model_path):
    command = [sys.executable, "-m", "whisper_ft", "check", *corpus, "--model", model_path]
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait() == 141


def test_check_writes_problems_of_settings_too_and_makes_the_reports_folder(run, tmp_path, corpus):
    report = tmp_path / "new" / "report.json"
    assert run("check", corpus[0], "--model", "nosuch", "--json", report)[0] == 1
    assert "nosuch: neither a file" in json.loads(report.read_text())["problems"][0]


def test_a_command_that_is_stopped_leaves_no_empty_files(run, tmp_path, corpus, model_path):
    def stopped(*_):
        raise KeyboardInterrupt

    outputs = [tmp_path / "s.json", tmp_path / "s.jsonl"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("whisper_ft.evaluation.longform.load", stopped)
        argv = ["longform", model_path, corpus[0], "--json", outputs[0], "--samples", outputs[1]]
        assert run(*argv)[0] == 130
    assert not any(path.exists() for path in outputs)
