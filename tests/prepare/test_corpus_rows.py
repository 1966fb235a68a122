"""Values of corpora in the manifest's types."""

import json

from helpers.audio import write_tone


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
    assert "m.json:1: text: None: no transcript: add one" in said
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
