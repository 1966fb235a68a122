"""Manifests whose texts have damage that cannot be seen."""

import json
import unicodedata

from helpers.audio import write_tone


def write(tmp_path, *rows):
    write_tone(tmp_path / "a.wav", 2.0)
    lines = (json.dumps({"audio": "a.wav", "speaker": "s", **row}) + "\n" for row in rows)
    (tmp_path / "m.jsonl").write_text("".join(lines))


def test_texts_prompts_keywords_and_segments_are_repaired_and_told(tmp_path, prepare):
    name = unicodedata.normalize("NFD", "Zoë")
    segment = {"start": 0.0, "end": 2.0, "text": f"Hi, {name}"}
    row = {"text": f"Hi, {name}", "prompt": "cafÃ©", "keywords": [name], "segments": [segment]}
    write(tmp_path, row, {"text": "None"}, {"text": "Fine."})
    _, rows, said = prepare("repair", "m.jsonl")
    assert rows == [
        {
            "audio": "a.wav",
            "text": "Hi, Zoë",
            "prompt": "café",
            "keywords": ["Zoë"],
            "segments": [segment | {"text": "Hi, Zoë"}],
            "speaker": "s",
        },
        {"audio": "a.wav", "text": "None", "speaker": "s"},
        {"audio": "a.wav", "text": "Fine.", "speaker": "s"},
    ]
    assert "m.jsonl:1: text: 1 decomposed letter, such as 'e\\u0308': repaired" in said
    assert "m.jsonl:1: prompt: 1 wrongly decoded character, such as '\\xc3\\xa9': repaired" in said
    assert "m.jsonl:1: keywords: 1 decomposed letter" in said
    assert "m.jsonl:2: text: a missing value written as text, such as 'None': stays" in said


def test_a_manifest_without_damage_stays_as_it_is(tmp_path, prepare):
    write(tmp_path, {"text": "Fine."})
    _, rows, said = prepare("repair", "m.jsonl")
    assert rows == [{"audio": "a.wav", "text": "Fine.", "speaker": "s"}]
    assert "out.jsonl: 1 row, 0 notes" in said


def test_a_manifest_with_problems_is_not_repaired(tmp_path, prepare):
    (tmp_path / "m.jsonl").write_text("{}\n")
    status, _, said = prepare("repair", "m.jsonl")
    assert status == 2 and "m.jsonl:1: audio: missing" in said


def test_spaces_that_nobody_says_are_told_too(tmp_path, prepare):
    write(tmp_path, {"text": " One  two."})
    _, rows, said = prepare("repair", "m.jsonl")
    assert rows[0]["text"] == "One two."
    assert "m.jsonl:1: text: spaces at an end or in a row: now none or one" in said
