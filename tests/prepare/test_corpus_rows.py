"""Values of corpora in the manifest's types."""

import json

import pytest
from helpers.audio import write_tone

from whisper_ft.prepare.corpus_files import Skipped
from whisper_ft.prepare.corpus_rows import CorpusRow, to_manifest_row


def test_what_prepare_writes_check_can_read_and_the_rest_is_noted(tmp_path, prepare):
    write_tone(tmp_path / "a.wav", 10.0)
    records = [
        {"audio_filepath": "a.wav", "duration": 10.0, "text": None},
        {"audio_filepath": "a.wav", "duration": 10.0, "text": ""},
        {"audio_filepath": "a.wav", "duration": 10.0, "text": "Yes.", "speaker": 92},
    ]
    (tmp_path / "m.json").write_text("".join(json.dumps(r) + "\n" for r in records))
    _, rows, said = prepare("nemo", "m.json")
    assert [(row["text"], row["speaker"]) for row in rows] == [("Yes.", "92")]
    assert "m.json:1: text: missing: add a transcript" in said
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


def test_numbers_and_names_beyond_all_sense_are_skipped(tmp_path, prepare):
    write_tone(tmp_path / "a.wav")
    lines = ['{"audio_filepath": "a.wav", "text": "hi", "duration": 1%s}' % ("0" * 400)]
    lines.append('{"audio_filepath": "a.wav", "text": "hi", "duration": 1.0}')
    lines.append(r'{"audio_filepath": "\ud83d.wav", "text": "hi", "duration": 1.0}')
    (tmp_path / "m.json").write_text("\n".join(lines))
    _, rows, said = prepare("nemo", "m.json")
    assert len(rows) == 1 and "m.json:1: not a line of a NeMo manifest" in said
    assert "m.json:3:" in said and "no such file" in said


def test_values_are_converted_to_the_types_of_the_manifest(tmp_path):
    write_tone(tmp_path / "a.wav")
    row = CorpusRow(
        "t:1", tmp_path / "a.wav", " Hi. ", start="0.5", end="1", channel="0", speaker=92, prompt=""
    )
    converted = to_manifest_row(row, language="en", lowercase=True)
    assert converted.to_json() == {
        "audio": str(tmp_path / "a.wav"),
        "text": "hi.",
        "start": 0.5,
        "end": 1.0,
        "channel": 0,
        "language": "en",
        "speaker": "92",
    }


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"text": 5}, "text: 5: no transcript: add one"),
        ({"text": " "}, "text: ' ': no transcript: give --empty-is-silence"),
        ({"start": "x"}, "start: 'x': not a number of seconds"),
        ({"end": "-1"}, "end: '-1': not a number of seconds"),
        ({"duration": float("inf")}, "duration: inf: not a number of seconds"),
        ({"channel": float("inf")}, "channel: inf: not a number"),
        ({"start": "2", "end": "1"}, "-1.00 s: too short: correct its start, end or duration"),
        ({"duration": 31}, "31.00 s: a row may last 30 s: split it"),
        ({}, "gone.wav: no such file"),
    ],
)
def test_a_row_that_cannot_be_used_is_skipped_with_the_reason(tmp_path, fields, reason):
    row = CorpusRow("t:1", tmp_path / "gone.wav", **{"text": "Hi."} | fields)
    skipped = to_manifest_row(row)
    assert isinstance(skipped, Skipped) and skipped.place == "t:1" and reason in skipped.reason


def test_a_path_of_another_system_is_found_and_told(tmp_path, prepare):
    write_tone(tmp_path / "clips/Zoë.wav")
    (tmp_path / "t.csv").write_text("audio,text\n" + "clips\\Zoe\u0308.wav,Hi.\n")
    _, rows, said = prepare("csv", "t.csv")
    assert rows == [{"audio": "clips/Zoë.wav", "text": "Hi."}]
    assert "t.csv:2: clips\\Zoe\u0308.wav: read as clips/Zoë.wav" in said
