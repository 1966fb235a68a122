"""The command that makes manifests: noises, and what holds for every kind of source."""

import json

import pytest
from helpers.audio import write_tone

from whisper_ft.cli.main import main
from whisper_ft.cli.prepare import FORMATS
from whisper_ft.data.audio import read_audio


def test_a_noise_folder_makes_rows_in_which_nobody_speaks(tmp_path, prepare):
    write_tone(tmp_path / "noise/long.wav", 40.0)
    write_tone(tmp_path / "noise/sub/short.wav", 2.0)
    write_tone(tmp_path / "noise/click.wav", 0.2)
    (tmp_path / "noise/LICENCE.txt").write_text("free")
    _, rows, said = prepare("noises", "noise", "--rows", "60")
    assert len(rows) == 60 and {row["text"] for row in rows} == {""}
    heard = {row["audio"] for row in rows}
    assert heard == {"noise/long.wav", "noise/sub/short.wav", "out.silence.flac"}
    lengths = [row["end"] - row["start"] for row in rows]
    assert min(lengths) > 0.9 and 20 < max(lengths) <= 30
    assert not read_audio(tmp_path / "out.silence.flac").any()
    assert "LICENCE.txt" in said
    assert rows == prepare("noises", "noise", "--rows", "60")[1]
    (tmp_path / "empty").mkdir()
    assert "no audio of 1 s or more" in prepare("noises", "empty")[2]


def test_the_formats_are_listed_and_wrong_use_is_told(prepare, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["whisper_ft", "prepare", "--help"])
    assert main() == 0
    said = capsys.readouterr().out
    assert all(name in said for name in FORMATS)
    monkeypatch.setattr("sys.argv", ["whisper_ft", "prepare", "nope"])
    assert main() == 2
    assert "no such file or folder" in prepare("nemo", "gone.json")[2]
    assert "--rows: 0: must be at least 1" in prepare("noises", "x", "--rows", "0")[2]


def test_an_interrupted_or_failed_run_leaves_no_half_manifest(tmp_path, prepare):
    (tmp_path / "m.json").write_bytes(b'{"text": "\xff"}\n')
    status, _, said = prepare("nemo", "m.json")
    assert status == 2 and "m.json: not UTF-8" in said
    assert not list(tmp_path.glob("out.jsonl")) + list(tmp_path.glob("*.partial"))


def test_what_prepare_writes_check_can_read_and_the_rest_is_told(tmp_path, prepare):
    write_tone(tmp_path / "a.wav", 10.0)
    records = [
        {"audio_filepath": "a.wav", "duration": 10.0, "text": None},
        {"audio_filepath": "a.wav", "duration": 10.0, "text": ""},
        {"audio_filepath": "a.wav", "duration": 10.0, "text": "Yes.", "speaker": 92},
    ]
    (tmp_path / "m.json").write_text("".join(json.dumps(r) + "\n" for r in records))
    _, rows, said = prepare("nemo", "m.json")
    assert [(row["text"], row["speaker"]) for row in rows] == [("Yes.", "92")]
    assert "m.json:1: text: None: nothing is told" in said
    assert [row["text"] for row in prepare("nemo", "m.json", "--empty-is-silence")[1]] == [
        "",
        "Yes.",
    ]
    (tmp_path / "t.csv").write_text(
        "audio,text,channel\na.wav,Hi.,-1\na.wav,Hello, world,0\na.wav\n"
    )
    status, _, said = prepare("csv", "t.csv")
    assert status == 2 and "t.csv:2: channel: -1: expected a channel" in said
    assert "t.csv:3: more values than the 3 columns" in said
    assert "t.csv:4: fewer values than the 3 columns" in said


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
    assert "a name comes twice" in prepare("csv", "d.csv")[2]


def test_only_a_manifest_is_written_anew(tmp_path, prepare):
    """Not the table, transcript or noise that a slip of the hand names."""
    write_tone(tmp_path / "noise/hum.wav", 3.0)
    before = (tmp_path / "noise/hum.wav").read_bytes()
    status, _, said = prepare("noises", "noise", out="noise/hum.wav")
    assert status == 2 and "noise/hum.wav: is there, and no manifest" in said
    assert (tmp_path / "noise/hum.wav").read_bytes() == before
    assert prepare("noises", "noise", "--rows", "3", out="noise/out.jsonl")[0] == 0
    status, rows, said = prepare("noises", "noise", "--rows", "30", out="noise/out.jsonl")
    assert status == 0 and "0 notes" in said  # neither its own files nor the silence it wrote
    assert {row["audio"] for row in rows} == {"hum.wav", "out.silence.flac"}
