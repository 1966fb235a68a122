"""Subtitled recordings to rows."""

import numpy as np
import pytest
import soundfile
from helpers.audio import tone, write_tone
from helpers.media import noise, write_video

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
def test_the_language_in_a_file_name_is_read_in_all_its_forms(tmp_path, prepare, tags):
    write_tone(tmp_path / "talk.wav", 40.0)
    (tmp_path / f"talk.{tags}.srt").write_text(SRT)
    _, rows, _ = prepare("subtitles", "talk.wav", f"talk.{tags}.srt", out="made")
    assert {row["language"] for row in rows} == {"de"}


@pytest.mark.parametrize("stem", ["call 10.30.am", "talk.no", "take.it", "a.sd"])
def test_what_belongs_to_the_recordings_own_name_is_no_language(tmp_path, prepare, stem):
    write_tone(tmp_path / f"{stem}.wav", 40.0)
    for tags, language in (("", None), (".de", "de")):
        (tmp_path / f"{stem}{tags}.srt").write_text(SRT)
        _, rows, _ = prepare("subtitles", f"{stem}.wav", f"{stem}{tags}.srt", out="made")
        assert {row.get("language") for row in rows} == {language}


def test_windows_are_copied_when_asked(tmp_path, prepare):
    write_tone(tmp_path / "talk.wav", 40.0)
    (tmp_path / "talk.srt").write_text(SRT)
    _, rows, _ = prepare("subtitles", "talk.wav", "talk.srt", "--copy-audio", out="made")
    assert rows[1]["audio"] == "audio/talk-0002.flac" and "start" not in rows[1]
    original = read_audio(tmp_path / "talk.wav", 20.5, 40.0)
    copied = read_audio(tmp_path / "made" / rows[1]["audio"])
    assert np.abs(original - copied).max() < 1e-4


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


def test_speech_that_was_skipped_ends_the_previous_text(tmp_path, prepare):
    write_tone(tmp_path / "talk.wav", 60.0)
    broken = (
        SRT
        + "\n3\n00:00:40,000 --> 00:00:40,000\nLost.\n\n4\n00:00:45,000 --> 00:00:50,000\nNew.\n"
    )
    (tmp_path / "talk.srt").write_text(broken)
    _, rows, said = prepare("subtitles", "talk.wav", "talk.srt", "--language", "en", out="made")
    spoken = [(row["recording"], row["text"]) for row in rows if row["text"]]
    assert spoken == [("talk", "One."), ("talk", "Two."), ("talk#2", "New.")]
    assert "talk.srt:10: lasts 0.00 s: skipped with its audio" in said


def test_where_subtitles_end_early_the_rest_is_no_silence(tmp_path, prepare):
    write_tone(tmp_path / "talk.wav", 300.0)
    (tmp_path / "talk.srt").write_text(SRT)
    for seed in range(20):
        argv = ("talk.wav", "talk.srt", "--seed", str(seed))
        _, rows, said = prepare("subtitles", *argv, out="made")
        assert max(row["end"] for row in rows) <= 33 + 60
    assert "no subtitles from 33 s to the end: skipped, may be speech" in said
    assert "no language in its name or content" in said


def test_a_channel_that_a_call_lacks_is_refused(tmp_path, prepare):
    write_tone(tmp_path / "call.wav", 40.0)
    for side in ("ann", "bob"):
        (tmp_path / f"{side}.srt").write_text(SRT)
    status, _, said = prepare("subtitles", "call.wav", "ann.srt", "bob.srt", "--channels")
    assert status == 2 and "call.wav: has 1 channel(s), and bob.srt is for channel 1" in said


def test_copies_never_replace_recordings(tmp_path, prepare):
    write_tone(tmp_path / "ca/audio/talk.wav", 40.0)
    (tmp_path / "ca/audio/talk.srt").write_text(SRT)
    status, _, said = prepare("subtitles", "ca/audio", "--copy-audio", out="ca")
    assert status == 2 and "--copy-audio: ca/audio: contains the recordings" in said


def test_what_comes_after_subtitles_that_end_early_is_in_no_window(tmp_path, prepare):
    write_tone(tmp_path / "talk.wav", 120.0)
    (tmp_path / "talk.srt").write_text(SRT)  # up to 33 s
    _, rows, said = prepare("subtitles", "talk.wav", "talk.srt", out="made")
    assert rows[-1]["end"] == 33.0 and "no subtitles from 33 s to the end: skipped" in said


def test_a_long_hole_in_subtitles_is_no_silence(tmp_path, prepare):
    write_tone(tmp_path / "talk.wav", 900.0)
    cue = "{}\n00:{}:01,000 --> 00:{}:09,000\nWord {}.\n\n"
    (tmp_path / "talk.forced.srt").write_text(
        "".join(cue.format(i, minute, minute, i) for i, minute in enumerate(("04", "12"), start=1))
    )
    _, rows, said = prepare("subtitles", "talk.wav", "talk.forced.srt", out="made")
    assert [row["text"] for row in rows] == ["Word 1.", "Word 2."]
    for stretch in ("from 0 s to 241 s", "from 249 s to 721 s", "from 729 s to the end"):
        assert f"no subtitles {stretch}: skipped, may be speech" in said


def test_times_of_a_video_are_counted_from_its_sound(tmp_path, prepare):
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in/talk.mp4", [noise(8.0), noise(8.0)], lead=2.0)
    (tmp_path / "in/talk.en.srt").write_text("1\n00:00:03,000 --> 00:00:06,000\nOne.\n")
    _, rows, said = prepare("subtitles", "in", out="made")
    (row,) = (row for row in rows if row["text"])
    start = row.get("start", 0.0) + row["segments"][0]["start"]
    assert start == pytest.approx(1.0, abs=0.09)
    assert "talk.mp4: its sound begins 1.9" in said or "talk.mp4: its sound begins 2.0" in said
    assert "talk.mp4: 2 tracks of audio: the default one is used" in said
