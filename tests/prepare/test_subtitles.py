"""Subtitled recordings to rows, through the command."""

import numpy as np
import pytest
import soundfile
from helpers.audio import tone, write_tone

from whisper_ft.data.audio import read_audio

SRT = "1\n00:00:01,000 --> 00:00:20,000\nOne.\n\n2\n00:00:20,500 --> 00:00:33,000\nTwo.\n"


def test_a_subtitled_recording_becomes_windows_of_the_original(tmp_path, prepare):
    write_tone(tmp_path / "talk.wav", 40.0)
    (tmp_path / "talk.de.srt").write_text(SRT)
    _, rows, _ = prepare("subtitles", "talk.wav", "talk.de.srt", out="made")
    assert [(row["text"], row["recording"], row["language"]) for row in rows] == [
        ("One.", "talk", "de"),
        ("Two.", "talk", "de"),
    ]
    assert rows[0]["audio"] == str(tmp_path / "talk.wav")
    assert rows[0]["segments"][1]["text"] == "Two." and rows[1]["start"] == 20.5
    assert not (tmp_path / "made/audio").exists()


@pytest.mark.parametrize("tags", ["ger", "de.forced", "de-AT.sdh", "de.hi"])
def test_a_name_tells_the_language_in_other_ways_too(tmp_path, prepare, tags):
    write_tone(tmp_path / "talk.wav", 40.0)
    (tmp_path / f"talk.{tags}.srt").write_text(SRT)
    _, rows, _ = prepare("subtitles", "talk.wav", f"talk.{tags}.srt", out="made")
    assert {row["language"] for row in rows} == {"de"}


def test_windows_are_copied_when_asked(tmp_path, prepare):
    write_tone(tmp_path / "talk.wav", 40.0)
    (tmp_path / "talk.srt").write_text(SRT)
    _, rows, _ = prepare("subtitles", "talk.wav", "talk.srt", "--copy-audio", out="made")
    assert rows[1]["audio"] == "audio/talk-0002.flac" and "start" not in rows[1]
    original = read_audio(tmp_path / "talk.wav", 20.5, 40.0)
    copied = read_audio(tmp_path / "made" / rows[1]["audio"])
    assert np.abs(original - copied).max() < 1e-4


def test_a_folder_is_paired_by_name_and_all_that_lack_a_counterpart_are_named(tmp_path, prepare):
    for name in ("a", "b"):
        write_tone(tmp_path / f"talks/{name}.wav", 40.0)
    (tmp_path / "talks/a.en.srt").write_text(SRT)
    (tmp_path / "talks/c.vtt").write_text("WEBVTT\n")
    status, _, said = prepare("subtitles", "talks", out="made")
    assert status == 2 and "b.wav: 0 subtitle files of its name" in said
    assert "c.vtt: no recording of its name" in said
    (tmp_path / "talks/c.vtt").rename(tmp_path / "talks/b.vtt")
    status, _, said = prepare("subtitles", "talks", out="made")
    assert status == 2 and "b.vtt: holds no cue" in said
    (tmp_path / "talks/b.vtt").write_text(SRT.replace(",", "."))
    _, rows, _ = prepare("subtitles", "talks", out="made")
    assert [row["recording"] for row in rows] == ["a", "a", "b", "b"]


def test_a_call_with_a_party_a_channel_has_a_recording_for_each(tmp_path, prepare):
    left, right = tone(40.0), tone(40.0, hertz=300)
    soundfile.write(tmp_path / "call.wav", np.stack([left, right], axis=1), 16000)
    for side in ("ann", "bob"):
        (tmp_path / f"{side}.srt").write_text(SRT.replace("One", side))
    _, rows, _ = prepare("subtitles", "call.wav", "ann.srt", "bob.srt", "--channels", out="made")
    assert [(row.get("channel"), row["text"], row["recording"]) for row in rows] == [
        (0, "ann.", "call channel 0"),
        (0, "Two.", "call channel 0"),
        (1, "bob.", "call channel 1"),
        (1, "Two.", "call channel 1"),
    ]


def test_speech_that_was_left_out_ends_the_previous_text(tmp_path, prepare):
    write_tone(tmp_path / "talk.wav", 60.0)
    broken = (
        SRT
        + "\n3\n00:00:40,000 --> 00:00:40,000\nLost.\n\n4\n00:00:45,000 --> 00:00:50,000\nNew.\n"
    )
    (tmp_path / "talk.srt").write_text(broken)
    _, rows, said = prepare("subtitles", "talk.wav", "talk.srt", "--language", "en", out="made")
    spoken = [(row["recording"], row["text"]) for row in rows if row["text"]]
    assert spoken == [("talk", "One."), ("talk", "Two."), ("talk#2", "New.")]
    assert "talk.srt:10: lasts 0.00 s: left out, with its speech" in said


def test_names_with_dots_are_paired_whole_and_folders_hold_other_files(tmp_path, prepare):
    for name in ("talk.part1", "talk.part2"):
        write_tone(tmp_path / f"in/{name}.wav", 40.0)
        (tmp_path / f"in/{name}.pt-BR.srt").write_text(SRT)
    for name in (".DS_Store", "README.txt", "info.json"):
        (tmp_path / "in" / name).write_text("{}")
    _, rows, _ = prepare("subtitles", "in", out="in")
    assert {(row["recording"], row["language"]) for row in rows} == {
        ("talk.part1", "pt"),
        ("talk.part2", "pt"),
    }
    assert prepare("subtitles", "in", out="in")[1] == rows  # its own output is no input
    assert "whisper has no such one" in prepare("subtitles", "in", "--language", "klingon")[2]


def test_two_recordings_of_one_name_are_refused(tmp_path, prepare):
    for folder in ("a", "b"):
        write_tone(tmp_path / folder / "talk.wav", 40.0)
        (tmp_path / folder / "talk.srt").write_text(SRT)
    status, _, said = prepare("subtitles", "a", "b", out="made")
    assert status == 2 and "talk: 2 recordings of that name: rename" in said


def test_where_subtitles_end_early_the_rest_is_no_silence(tmp_path, prepare):
    write_tone(tmp_path / "talk.wav", 300.0)
    (tmp_path / "talk.srt").write_text(SRT)
    for seed in range(20):
        argv = ("talk.wav", "talk.srt", "--seed", str(seed))
        _, rows, said = prepare("subtitles", *argv, out="made")
        assert max(row["end"] for row in rows) <= 33 + 60
    assert "subtitles end at 33 s, the recording at 300 s" in said
    assert "tells no language" in said


def test_a_channel_that_a_call_lacks_is_refused(tmp_path, prepare):
    write_tone(tmp_path / "call.wav", 40.0)
    for side in ("ann", "bob"):
        (tmp_path / f"{side}.srt").write_text(SRT)
    status, _, said = prepare("subtitles", "call.wav", "ann.srt", "bob.srt", "--channels")
    assert status == 2 and "call.wav: its channels are 1, and bob.srt is for another" in said


def test_copies_never_replace_recordings(tmp_path, prepare):
    write_tone(tmp_path / "ca/audio/talk.wav", 40.0)
    (tmp_path / "ca/audio/talk.srt").write_text(SRT)
    status, _, said = prepare("subtitles", "ca/audio", "--copy-audio", out="ca")
    assert status == 2 and "--copy-audio: ca/audio: holds the recordings" in said


def test_what_comes_after_subtitles_that_end_early_is_in_no_window(tmp_path, prepare):
    write_tone(tmp_path / "talk.wav", 120.0)
    (tmp_path / "talk.srt").write_text(SRT)  # up to 33 s
    _, rows, said = prepare("subtitles", "talk.wav", "talk.srt", out="made")
    assert rows[-1]["end"] == 33.0 and "what comes after is left out" in said
