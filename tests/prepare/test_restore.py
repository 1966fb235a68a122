"""A corpus without case and punctuation gets them back."""

import json
from pathlib import Path

import pytest
from helpers.audio import write_tone

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plain_corpus(tmp_path):
    """Write four rows of the sample corpus in lower case without punctuation; return the texts."""
    rows = [json.loads(line) for line in (ROOT / "data/dev.jsonl").open()][:4]
    lines = []
    for row in rows:
        words = "".join(c for c in row["text"].lower() if c.isalnum() or c == " ")
        plain = {"audio": str(ROOT / "data" / row["audio"]), "text": words, "language": "en"}
        plain |= {"keywords": [keyword.lower() for keyword in row["keywords"]]}
        lines.append(json.dumps(plain) + "\n")
    (tmp_path / "plain.jsonl").write_text("".join(lines))
    return [row["text"] for row in rows]


@pytest.mark.weights
def test_most_words_of_real_speech_get_their_case_and_punctuation_back(
    plain_corpus, prepare, tiny_en_path
):
    flags = ("plain.jsonl", "--model", str(tiny_en_path))
    _, rows, _ = prepare("restore", *flags, out="cased.jsonl")
    pairs = [
        (own, restored)
        for text, row in zip(plain_corpus, rows, strict=True)
        for own, restored in zip(text.split(), row["text"].split(), strict=True)
    ]
    right = sum(own == restored for own, restored in pairs)
    plain = sum(own == own.lower().strip(".,") for own, _ in pairs)
    assert right > plain and right / len(pairs) > 0.8
    assert all(row["segments"] for row in rows)
    assert any(keyword[0].isupper() for row in rows for keyword in row["keywords"])


@pytest.mark.weights
def test_an_interrupted_call_does_not_listen_twice(
    plain_corpus, prepare, tiny_en_path, monkeypatch
):
    flags = ("plain.jsonl", "--model", str(tiny_en_path))
    _, first, _ = prepare("restore", *flags, out="cased.jsonl")
    monkeypatch.setattr("whisper_ft.prepare.transcripts.decode", lambda *_: 1 / 0)
    _, again, _ = prepare("restore", *flags, out="cased.jsonl")
    assert first == again


def test_rows_that_cannot_be_restored_stay_and_are_named(tmp_path, prepare, model_path):
    write_tone(tmp_path / "a.wav")
    write_tone(tmp_path / "long.wav", 31.0)
    rows = [("a.wav", "hello there"), ("long.wav", "hello"), ("missing.wav", "hello")]
    lines = [json.dumps({"audio": audio, "text": text}) + "\n" for audio, text in rows]
    (tmp_path / "plain.jsonl").write_text("".join(lines))
    status, _, said = prepare("restore", "plain.jsonl", "--model", str(model_path))
    assert status == 2 and "no row could be restored" in said
    assert "plain.jsonl:1: " in said and "the row stays as it is" in said
    assert "plain.jsonl:2: lasts 31.0 s" in said
    assert "missing.wav" in said
    assert not (tmp_path / "out.jsonl").exists()


def test_what_cannot_be_used_is_said_before_anything_is_heard(tmp_path, prepare, model_path):
    (tmp_path / "plain.jsonl").write_text(
        '{"audio": "a.wav", "text": "hallo", "language": "de"}\n{"text": "b"}\n'
    )
    status, _, said = prepare("restore", "plain.jsonl", "--model", str(model_path))
    assert status == 2
    assert "plain.jsonl:2: audio: missing" in said
    assert "language: 'de': the model is English-only" in said


def test_a_finished_corpus_needs_nothing(tmp_path, prepare, model_path):
    segment = {"start": 0, "end": 1, "text": "Hello."}
    row = {"audio": "a.wav", "text": "Hello.", "segments": [segment]}
    (tmp_path / "plain.jsonl").write_text(json.dumps(row))
    status, _, said = prepare("restore", "plain.jsonl", "--model", str(model_path))
    assert status == 2 and "every row has case, punctuation and segments" in said
