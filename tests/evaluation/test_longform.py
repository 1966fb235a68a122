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
from whisper_ft.evaluation.longform_scores import (
    LongformSample,
    format_longform,
    score_longform,
)
from whisper_ft.evaluation.scoring import ScoreValue
from whisper_ft.runtime import progress
from whisper_ft.text.tokens import Segment


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
    one, silence = longform.join_recordings([*rows, alone])
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
    recording, silence = list(
        longform.transcribe_recordings(model, longform.join_recordings([*rows, silent]))
    )
    assert [length for length, _ in heard] == [960000, 320000]
    assert heard[0][1] == {"language": "en", "task": "transcribe", "fp16": False}
    assert [segment.end for segment in recording.segments] == [20.0, 40.0, 60.0]
    assert recording.output_segments == (Segment(0.0, 21.0, " Part 0."),)
    assert "no_speech_prob" not in recording.to_json()
    assert 0 <= silence.no_speech_prob <= 1 and silence.avg_logprob < 0
    assert silence.to_json()["avg_logprob"] == silence.avg_logprob


def longform_sample(segments, output_segments, **fields):
    reference, output = (
        " ".join(text for _, _, text in some).strip() for some in (segments, output_segments)
    )
    defaults = {"place": "m:1", "language": "en", "task": "transcribe", "seconds": 60.0}
    return LongformSample(
        **defaults | fields,
        reference=reference,
        output=output,
        segments=tuple(Segment(*segment) for segment in segments),
        output_segments=tuple(Segment(*segment) for segment in output_segments),
    )


def test_scores_are_pooled():
    scores = score_longform(
        [
            longform_sample([(0, 20, "a b c d")], [(0, 20, "a b c")]),
            longform_sample([(0, 20, "e f")], [(0, 20, "e f")]),
            longform_sample([], [], no_speech_prob=0.9, avg_logprob=-1.5),
            longform_sample([], [(0, 1, "you")], no_speech_prob=0.5, avg_logprob=-0.5),
        ]
    )
    assert scores.wer.rate == pytest.approx(1 / 6)
    assert scores.empty.rate == 0.5 and scores.avg_logprob.rate == -1.0
    told = format_longform(scores)
    assert "2 recordings, 0.03 h: WER 16.7% [" in told and "2 silent rows: 50.0% stay empty" in told


def test_boundaries_compare_where_both_stand_before_or_after_the_same_word():
    segments = [(0, 20, "red blue"), (20, 40, "green white"), (40, 60, "black pink")]
    output_segments = [
        (0, 19, "Red, blue."),  # ends a second before the reference's, and the next begins with it
        (20, 30, "green"),  # an end and a start where the reference has none
        (30, 41, "wide"),  # another word than the reference's: its end is not compared
        (41, 60, "black pink"),  # starts a second late
    ]
    scores = score_longform([longform_sample(segments, output_segments)])
    assert scores.boundary_error == ScoreValue(2.0, 5)
    assert scores.boundary_recall == ScoreValue(5, 6)
    told = format_longform(scores)
    assert "mean error of segment boundaries 0.40 s (over 83% of the reference's" in told


def test_boundaries_stand_between_characters_where_a_language_has_no_spaces():
    segments = [(0, 20, "東京"), (20, 40, "都に")]
    output_segments = [(0, 21.0, "東京"), (22.0, 40, "都に")]
    scores = score_longform([longform_sample(segments, output_segments, language="ja")])
    assert scores.boundary_error.part == 1.0 + 2.0 and scores.boundary_recall.rate == 1.0


def test_a_boundary_that_no_segment_has_is_told_and_none_is_no_zero():
    segments = [(0, 20, "a b"), (20, 40, "c d")]
    scores = score_longform([longform_sample(segments, [(0, 40, "a b c d")])])
    assert scores.boundary_error == ScoreValue(0.0, 2)  # its outer times alone
    assert scores.boundary_recall.rate == 0.5
    scores = score_longform([longform_sample(segments, [])])
    assert scores.boundary_error.rate is None and scores.boundary_recall.rate == 0.0
    assert "boundaries" not in format_longform(scores)


@pytest.mark.slow
def test_the_command_writes_scores_and_transcripts(rows, model_path, tmp_path, monkeypatch, capsys):
    soundfile.write(tmp_path / "s.wav", np.zeros(16000), 16000)
    lines = [{"audio": r.audio.name, "text": r.text, "recording": "r"} for r in rows]
    manifest = write_manifest(tmp_path / "m.jsonl", [*lines, {"audio": "s.wav", "text": ""}])
    out = [tmp_path / "scores.json", tmp_path / "samples.jsonl"]
    argv = ["longform", model_path, manifest, "--json", out[0], "--samples", out[1]]
    monkeypatch.setattr("sys.argv", ["whisper_ft", *map(str, argv)])
    assert main() == 0
    said = capsys.readouterr().out
    assert "1 recording, 0.02 h: WER" in said and "1 silent row: " in said
    assert json.loads(out[0].read_text())["scores"]["n_recordings"] == 1
    assert len(out[1].read_text().splitlines()) == 2


def test_a_recording_of_no_words_after_normalising_has_a_summary():
    scores = score_longform([longform_sample([(0, 20, "Hmm.")], [])])
    assert format_longform(scores) == "1 recording, 0.02 h: WER -"


def test_a_library_user_gets_scores_and_samples_and_nothing_is_printed(
    rows, model_path, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(progress, "_enabled", False)  # as in a library's process
    lines = [{"audio": r.audio.name, "text": r.text, "recording": "r"} for r in rows]
    manifest = write_manifest(tmp_path / "m.jsonl", lines)
    result = longform.longform(model_path, [manifest], name="mine")
    assert (result.name, result.manifests) == ("mine", ("m.jsonl",))
    assert result.scores == score_longform(result.samples)
    assert json.loads(json.dumps(result.to_json()))["scores"]["wer"]["total"] == 6
    assert capsys.readouterr() == ("", "")
    with pytest.raises(ValueError, match=r"no.pt: neither(.|\n)*--device: tpu(.|\n)*gone.jsonl"):
        longform.longform("no.pt", ["gone.jsonl"], device="tpu")
