"""The command `check`."""

import json
import shutil

import pytest
from helpers.audio import write_tone
from helpers.manifests import write_manifest


def test_check_writes_json_and_previews_rows(run, tmp_path, model_path):
    row = {"text": "Call Reid.", "prompt": "Reid, Mohr."}
    for i in range(3):
        write_tone(tmp_path / f"{i}.wav", 2.0)
    path = write_manifest(tmp_path / "m.jsonl", [{"audio": f"{i}.wav", **row} for i in range(3)])
    report_path = tmp_path / "report.json"
    argv = ["--model", model_path, "--json", report_path, "--preview", "2", "--prompts", "own=1"]
    status, output = run("check", path, *argv)
    assert status == 0
    report = json.loads(report_path.read_text())
    (manifest,) = report["manifests"]
    assert manifest["rows"] == 3 and manifest["problems"] == report["problems"] == []
    assert manifest["warnings"] == [] and report["prompts"] == {"own": 3}
    assert output.count("<|startofprev|>| Reid|,| Moh|r|.") == 2
    assert output.count("learned <|startoftranscript|>") == 2
    assert output.count("<|endoftext|>") == 2


def test_check_fails_only_for_problems(run, tmp_path, model_path):
    write_tone(tmp_path / "a.wav", 2.0)
    path = write_manifest(tmp_path / "m.jsonl", [{"audio": "a.wav", "text": "Hi [there]."}])
    status, output = run("check", path, "--model", model_path, "--all-warnings")
    assert status == 0 and f"warning: {path}:1: text: '[" in output
    assert "  0 problems, 1 warning\n" in output
    (tmp_path / "a.wav").unlink()
    status, output = run("check", path, "--model", model_path)
    assert status == 1 and f"{path}:1: audio: {tmp_path / 'a.wav'}: no such file" in output


def test_check_says_what_is_wrong_with_model_and_manifests_at_once(run, tmp_path, corpus):
    status, said = run("check", tmp_path / "no.jsonl", corpus[0], "--model", "nosuch")
    assert status == 1
    assert "nosuch: neither a file nor an official name" in said
    assert "no.jsonl: cannot be read" in said
    assert "train.jsonl: 5 rows, 0.00 h; 2 with prompt, 5 with keywords" in said
    assert run("check", *corpus, "--model", "tiny.en")[0] == 0


def test_check_writes_problems_of_settings_too_and_makes_the_reports_folder(run, tmp_path, corpus):
    report = tmp_path / "new" / "report.json"
    assert run("check", corpus[0], "--model", "nosuch", "--json", report)[0] == 1
    assert "nosuch: neither a file" in json.loads(report.read_text())["problems"][0]


def test_check_says_what_is_wrong_with_its_settings_at_once(run, corpus):
    flags = ("--glossary", "gone.txt", "--prompts", "own=2", "--json", corpus[0])
    status, said = run("check", corpus[0], *flags)
    assert status == 2
    assert all(f"{flag}: " in said for flag in ("--glossary", "--prompts", "--json"))


@pytest.mark.parametrize("command", ["check", "evaluate", "longform"])
def test_audio_that_has_moved_is_found(command, run, tmp_path, corpus, model_path):
    there = tmp_path / "there"
    there.mkdir()
    for audio in corpus[0].parent.glob("*.wav"):
        shutil.move(audio, there)
    argv = ["--model", model_path] if command == "check" else [model_path]
    rows = ["--conditions", "none"] if command == "longform" else []
    moved = ["--relocate", corpus[0].parent, there]
    argv = [command, *argv, corpus[0]] if command != "check" else [command, corpus[0], *argv]
    status, said = run(*argv, *rows)
    assert status and "no such file" in said
    status, said = run(*argv, *rows, *moved)
    assert status == 0, said
    status, said = run(*argv, *rows, *moved, tmp_path / "nowhere", there)
    assert status and f"--relocate: {tmp_path / 'nowhere'}: no audio path of the manifests" in said
