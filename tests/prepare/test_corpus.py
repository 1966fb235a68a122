"""What holds for corpora of every format."""

import json
import os

import pytest
from helpers.audio import write_tone

from whisper_ft.prepare.corpus import prepare_corpus
from whisper_ft.prepare.corpus_formats import CORPUS_FORMATS, CorpusFormat
from whisper_ft.runtime import progress


def test_an_interrupted_or_failed_run_leaves_no_half_manifest(tmp_path, prepare):
    (tmp_path / "m.json").write_bytes(b'{"text": "\xff"}\n')
    status, _, said = prepare("nemo", "m.json")
    assert status == 2 and "m.json: not UTF-8" in said
    assert not list(tmp_path.glob("out.jsonl")) + list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--columns", "promt=p"), "--columns: promt: give field=column"),
        (("--columns", "text"), "--columns: text: give field=column"),
        (("--delimiter", ";;"), "--delimiter: ';;': give one character"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, prepare, argv, words):
    (tmp_path / "t.csv").write_text("audio,text\n")
    status, _, said = prepare("csv", "t.csv", *argv)
    assert status == 2 and words in said
    assert "is a folder or the source" in prepare("csv", "t.csv", out="t.csv")[2]
    (tmp_path / "d.csv").write_text("audio,text,text\n")
    assert "a name occurs twice" in prepare("csv", "d.csv")[2]


def test_a_library_call_returns_a_result_and_prints_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(progress, "_enabled", False)  # other tests run commands
    write_tone(tmp_path / "a.wav")
    (tmp_path / "t.csv").write_text("audio,text\na.wav,Hi.\ngone.wav,Ho.\n")
    result = prepare_corpus("csv", tmp_path / "t.csv", tmp_path / "m.jsonl", language="en")
    assert result.n_rows == 1 and result.n_notes == 1
    (line,) = result.manifest.read_text().splitlines()
    assert json.loads(line) == {"audio": "a.wav", "text": "Hi.", "language": "en"}
    assert result.notes.read_text() == f"{result.first_notes[0]}\n"
    assert result.first_notes[0].endswith("gone.wav: no such file")
    assert result.most_common == (("..: no such file", 1),)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", CORPUS_FORMATS)
def test_a_pipe_or_a_device_is_refused_rather_than_waited_for(tmp_path, prepare, name):
    os.mkfifo(tmp_path / "pipe")
    for source in ("pipe", "/dev/null"):
        status, _, said = prepare(name, source)
        assert status == 2
        assert f"{source}: not a regular file: {name} is {CORPUS_FORMATS[name].description}" in said


def test_a_pipe_inside_a_corpus_is_refused_too(tmp_path, prepare):
    for name, file in (
        ("ljspeech", "metadata.csv"),
        ("kaldi", "text"),
        ("librispeech", "a.trans.txt"),
    ):
        (tmp_path / name).mkdir()
        os.mkfifo(tmp_path / name / file)
        status, _, said = prepare(name, name)
        assert status == 2 and f"{file}: not a regular file: copy its content to a file" in said
    write_tone(tmp_path / "talk.wav")
    os.mkfifo(tmp_path / "talk.srt")
    status, _, said = prepare("subtitles", "talk.wav", "talk.srt", out="out")
    assert status == 2 and "talk.srt: not a regular file: give a subtitle file" in said


def test_what_is_no_saved_dataset_is_named(tmp_path, prepare):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for source in ("empty", "file"):
        status, _, said = prepare("huggingface", source)
        assert status == 2 and f"{source}: " in said and "None" not in said
        assert "huggingface is a folder written by `Dataset.save_to_disk`" in said


def test_a_package_that_cannot_be_imported_is_a_message(tmp_path, prepare, monkeypatch):
    def fail(*_, **__):
        raise ImportError("libz.so: no such file")

    monkeypatch.setattr("whisper_ft.prepare.corpus.CORPUS_FORMATS",
                        {"csv": CorpusFormat(fail, "a table.")})  # fmt: skip
    (tmp_path / "t.csv").touch()
    status, _, said = prepare("csv", "t.csv")
    assert status == 2 and "a package cannot be imported (libz.so: no such file): pip " in said
