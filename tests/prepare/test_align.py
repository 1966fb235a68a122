"""A long recording and its plain text become rows."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers.audio import write_tone

from whisper_ft.data.audio import read_audio

DATA = Path(__file__).parents[2] / "data"
HEADING = "Chapter one, which has a heading that nobody reads aloud."


@pytest.fixture
def talk(tmp_path):
    """Write talk.flac, six sentences with pauses; return the texts and the times of sentences."""
    rows = [json.loads(line) for line in (DATA / "dev.jsonl").open()][:6]
    parts, times, now = [], [], 0.0
    for row in rows:
        samples = read_audio(DATA / row["audio"])
        parts += [samples, np.zeros(8000, np.float32)]
        times.append((now, now + len(samples) / 16000))
        now += len(samples) / 16000 + 0.5
    soundfile.write(tmp_path / "talk.flac", np.concatenate(parts), 16000)
    return [row["text"] for row in rows], times


@pytest.mark.weights
def test_rows_have_the_texts_words_at_their_times_and_doubts_are_left_out(
    tmp_path, talk, prepare, tiny_en_path, monkeypatch
):
    texts, times = talk
    printed = [HEADING, *texts[:3], *texts[4:]]  # the fourth sentence is not in the text
    (tmp_path / "talk.txt").write_text("\n".join(printed))
    flags = ("talk.flac", "talk.txt", "--model", str(tiny_en_path))
    _, rows, said = prepare("align", *flags, out="made")
    written = " ".join(row["text"] for row in rows)
    assert HEADING[:20] not in written and "talk.txt:1: " in said and "heard was nothing" in said
    assert "talk.txt:5: " in said  # before that line something else was heard
    for row in rows:  # nothing of the sentence without text is in a row
        assert row["end"] <= times[3][0] + 0.5 or row["start"] >= times[3][1] - 0.5
    kept = [*texts[:3], *texts[4:]]
    whole = [text for text in kept if text in written]
    assert len(whole) >= len(kept) - 2  # the words around a doubt may go with it
    spoken = {text: time for text, time in zip(texts, times, strict=True) if text in whole}
    for row in rows:
        for segment in row.get("segments", []):
            if segment["text"] in spoken:
                start, end = spoken[segment["text"]]
                # a path has no alignment heads, and a last word may last through the pause
                assert abs(row["start"] + segment["start"] - start) < 0.7
                assert abs(row["start"] + segment["end"] - end) < 1.0
    monkeypatch.setattr("whisper.transcribe", lambda *_, **__: 1 / 0)
    assert prepare("align", *flags, out="made")[1] == rows  # it does not listen twice


@pytest.mark.weights
def test_a_text_of_another_recording_is_refused(tmp_path, prepare, tiny_en_path):
    rows = [json.loads(line) for line in (DATA / "dev.jsonl").open()]
    soundfile.write(tmp_path / "talk.wav", read_audio(DATA / rows[0]["audio"]), 16000)
    (tmp_path / "talk.txt").write_text("\n".join(row["text"] for row in rows[20:24]))
    status, _, said = prepare(
        "align", "talk.wav", "talk.txt", "--model", str(tiny_en_path), out="made"
    )
    assert status == 2 and "only 0 of its" in said and "is it the text of this recording" in said
    assert not (tmp_path / "made/manifest.jsonl").exists()


@pytest.mark.parametrize(
    "text, flags, problem",
    [
        ("", (), "talk.txt: holds no words"),
        (" - ...\n", (), "talk.txt: holds no words"),
        ("Hello.", ("--language", "de"), "--language: 'de': the model is English-only"),
        ("Hello.", ("--language", "xx"), "--language: 'xx': whisper has no such language"),
    ],
)
def test_what_cannot_be_aligned_is_said_in_words(
    tmp_path, prepare, model_path, text, flags, problem
):
    write_tone(tmp_path / "talk.wav")
    (tmp_path / "talk.txt").write_text(text)
    argv = ("talk.wav", "talk.txt", "--model", str(model_path), *flags)
    status, _, said = prepare("align", *argv, out="made")
    assert status == 2 and problem in said


def test_files_that_cannot_be_read_are_named(tmp_path, prepare, model_path):
    write_tone(tmp_path / "talk.wav")
    (tmp_path / "talk.txt").write_bytes("Grüße".encode("latin-1"))
    model = ("--model", str(model_path))
    assert "talk.txt: not UTF-8" in prepare("align", "talk.wav", "talk.txt", *model, out="m")[2]
    assert "no such file" in prepare("align", "talk.wav", "other.txt", *model, out="m")[2]
    (tmp_path / "talk.txt").write_text("Hello.")
    assert "a.wav: no such file" in prepare("align", "a.wav", "talk.txt", *model, out="m")[2]


def test_a_model_without_alignment_heads_is_said_to_be_less_exact(tmp_path, prepare, model_path):
    write_tone(tmp_path / "talk.wav")
    (tmp_path / "talk.txt").write_text("Hello.")
    argv = ("talk.wav", "talk.txt", "--model", str(model_path))
    status, _, said = prepare("align", *argv, out="made")
    assert status == 2 and "no alignment heads" in said and "only 0 of its 1 words" in said
