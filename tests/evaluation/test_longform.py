"""Stock transcribe() on whole recordings and silence."""

import json

import numpy as np
import pytest
import soundfile
from helpers.audio import tone
from helpers.manifests import row, write_manifest

from whisper_ft.cli.main import main
from whisper_ft.data.row import Row
from whisper_ft.evaluation import longform


@pytest.fixture
def rows(tmp_path):
    for i in range(3):
        soundfile.write(tmp_path / f"{i}.wav", tone(20.0, hertz=300 + i), 16000)
    return [
        Row(tmp_path / f"{i}.wav", f"Part {i}.", recording="r", duration=20.0, place=f"m:{i}")
        for i in range(3)
    ]


def test_rows_that_follow_each_other_are_one_recording_however_long(rows):
    alone = row("", audio=rows[0].audio, duration=20.0)
    one, silence = longform.recordings([*rows, alone])
    assert one.text == "Part 0. Part 1. Part 2." and one.duration == 60.0
    assert [segment.start for segment in one.segments] == [0.0, 20.0, 40.0]
    assert silence == alone


def test_transcribe_hears_the_whole_recording_and_silence_passes_its_gate(rows, model, monkeypatch):
    heard = []

    def transcribe(model, samples, **options):
        heard.append((len(samples), options))
        segments = [{"start": 0.0, "end": 21.0, "text": " Part 0.", "id": 0}]
        return {"text": " Part 0. Part 2.", "segments": segments}

    monkeypatch.setattr(longform.whisper, "transcribe", transcribe)
    silent = Row(rows[0].audio, "", duration=20.0, place="m:9")
    records = list(longform.transcripts(model, longform.recordings([*rows, silent])))
    assert [length for length, _ in heard] == [960000, 320000]
    assert heard[0][1] == {"language": "en", "task": "transcribe", "fp16": False}
    assert [segment["end"] for segment in records[0]["segments"]] == [20.0, 40.0, 60.0]
    assert records[0]["written"] == [{"start": 0.0, "end": 21.0, "text": " Part 0."}]
    assert "no_speech_prob" not in records[0]
    assert 0 <= records[1]["no_speech_prob"] <= 1 and records[1]["avg_logprob"] < 0


def timed(*segments):
    return [dict(zip(("start", "end", "text"), segment, strict=True)) for segment in segments]


def record(segments, written, **more):
    said, output = (" ".join(text for _, _, text in held) for held in (segments, written))
    return {
        "language": "en",
        "task": "transcribe",
        "seconds": 60.0,
        "reference": said.strip(),
        "output": output.strip(),
        "segments": timed(*segments),
        "written": timed(*written),
        **more,
    }


def test_scores_are_pooled():
    scores = longform.score(
        [
            record([(0, 20, "a b c d")], [(0, 20, "a b c")]),
            record([(0, 20, "e f")], [(0, 20, "e f")]),
            record([], [], no_speech_prob=0.9, avg_logprob=-1.5),
            record([], [(0, 1, "you")], no_speech_prob=0.5, avg_logprob=-0.5),
        ]
    )
    assert scores["wer"]["rate"] == pytest.approx(1 / 6)
    assert scores["empty"]["rate"] == 0.5 and scores["avg_logprob"]["rate"] == -1.0
    said = longform.summary(scores)
    assert "2 recordings, 0.03 h: WER 16.7% [" in said and "2 silent rows: 50.0% stay empty" in said


def test_boundaries_compare_where_both_stand_before_or_after_the_same_word():
    said = [(0, 20, "red blue"), (20, 40, "green white"), (40, 60, "black pink")]
    written = [
        (0, 19, "Red, blue."),  # ends a second before the reference's, and the next begins with it
        (20, 30, "green"),  # an end and a start where the reference has none
        (30, 41, "wide"),  # another word than the reference's: its end is not compared
        (41, 60, "black pink"),  # starts a second late
    ]
    scores = longform.score([record(said, written)])
    assert scores["boundaries"] == {"part": 2.0, "total": 5, "rate": 0.4}
    assert scores["parted"] == {"part": 5, "total": 6, "rate": 5 / 6}
    assert "start and end 0.40 s off on average where the reference's do (83%" in longform.summary(
        scores
    )


def test_boundaries_stand_between_characters_where_a_language_has_no_spaces():
    said = [(0, 20, "東京"), (20, 40, "都に")]
    written = [(0, 21.0, "東京"), (22.0, 40, "都に")]
    scores = longform.score([record(said, written, language="ja")])
    assert scores["boundaries"]["part"] == 1.0 + 2.0 and scores["parted"]["rate"] == 1.0


def test_a_boundary_that_no_segment_has_is_told_and_none_is_no_zero():
    scores = longform.score([record([(0, 20, "a b"), (20, 40, "c d")], [(0, 40, "a b c d")])])
    assert scores["boundaries"] == {"part": 0.0, "total": 2, "rate": 0.0}  # its outer times alone
    assert scores["parted"]["rate"] == 0.5
    scores = longform.score([record([(0, 20, "a b"), (20, 40, "c d")], [])])
    assert scores["boundaries"]["rate"] is None and scores["parted"]["rate"] == 0.0
    assert "off on average" not in longform.summary(scores)


def test_the_command_writes_scores_and_transcripts(rows, model_path, tmp_path, monkeypatch, capsys):
    soundfile.write(tmp_path / "s.wav", np.zeros(16000), 16000)
    lines = [{"audio": r.audio.name, "text": r.text, "recording": "r"} for r in rows]
    manifest = write_manifest(tmp_path / "m.jsonl", [*lines, {"audio": "s.wav", "text": ""}])
    out = [tmp_path / "scores.json", tmp_path / "samples.jsonl"]
    argv = ["longform", model_path, manifest, "--json", out[0], "--samples", out[1]]
    monkeypatch.setattr("sys.argv", ["whisper_ft", *map(str, argv)])
    assert main() == 0
    said = capsys.readouterr().out
    assert "1 recordings, 0.02 h: WER" in said and "1 silent rows" in said
    assert json.loads(out[0].read_text())["scores"]["recordings"] == 1
    assert len(out[1].read_text().splitlines()) == 2


def test_a_recording_of_no_words_after_normalising_has_a_summary():
    scores = longform.score([record([(0, 20, "Hmm.")], [])])
    assert longform.summary(scores) == "1 recordings, 0.02 h: WER -"
