"""Recordings and the subtitle files of their name."""

from pathlib import Path

from helpers.audio import write_tone
from whisper.utils import get_writer

SRT = "1\n00:00:01,000 --> 00:00:20,000\nOne.\n\n2\n00:00:20,500 --> 00:00:33,000\nTwo.\n"


def test_a_folder_is_paired_by_name_and_all_that_lack_a_counterpart_are_told(tmp_path, prepare):
    for name in ("a", "b"):
        write_tone(tmp_path / f"talks/{name}.wav", 40.0)
    (tmp_path / "talks/a.en.srt").write_text(SRT)
    (tmp_path / "talks/c.vtt").write_text("WEBVTT\n")
    _, rows, said = prepare("subtitles", "talks", out="made")
    assert {row["recording"] for row in rows} == {"a"}
    assert "b.wav: left out: no subtitle file with its name" in said
    assert "c.vtt: left out: no recording with its name" in said
    status, _, said = prepare("subtitles", "talks", "talks/b.wav", out="made")
    assert status == 2 and "b.wav: no subtitle file with its name: give one" in said
    (tmp_path / "talks/c.vtt").rename(tmp_path / "talks/b.vtt")
    status, _, said = prepare("subtitles", "talks", out="made")
    assert status == 2 and "b.vtt: contains no cue" in said
    (tmp_path / "talks/b.vtt").write_text(SRT.replace(",", "."))
    _, rows, _ = prepare("subtitles", "talks", out="made")
    assert [row["recording"] for row in rows] == ["a", "a", "b", "b"]


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
    assert "whisper has no such language" in prepare("subtitles", "in", "--language", "klingon")[2]


def test_two_recordings_of_one_name_are_refused(tmp_path, prepare):
    for folder in ("a", "b"):
        write_tone(tmp_path / folder / "talk.wav", 40.0)
        (tmp_path / folder / "talk.srt").write_text(SRT)
    status, _, said = prepare("subtitles", "a", "b", out="made")
    assert status == 2 and "talk: 2 recordings have this name: rename" in said


def test_one_of_the_formats_that_whisper_writes_is_used_and_the_others_are_told(tmp_path, prepare):
    write_tone(tmp_path / "in/talk.wav", 40.0)
    segments = [{"start": 1.0, "end": 20.0, "text": " One."}, {"start": 21, "end": 33, "text": "2"}]
    result = {"text": " One. 2", "segments": segments, "language": "de"}
    (tmp_path / "in/talk.info.json").write_text("{}")  # of yt-dlp
    for name in ("json", "srt", "vtt", "tsv", "txt"):
        get_writer(name, str(tmp_path / "in"))(result, "talk.wav")
    _, rows, said = prepare("subtitles", "in", out="made")
    assert rows[0]["text"] == "One."
    for name in ("talk.json", "talk.vtt"):
        assert f"in/{name}: not used, but talk.srt: give the file that you want alone" in said


def test_original_captions_stand_back_and_other_languages_are_not_guessed(tmp_path, prepare):
    write_tone(tmp_path / "in/talk.wav", 40.0)
    for name in ("talk.en.srt", "talk.en-orig.srt"):
        (tmp_path / "in" / name).write_text(SRT)
    _, rows, said = prepare("subtitles", "in", out="made")
    assert rows[0]["language"] == "en"
    assert "talk.en-orig.srt: not used, but talk.en.srt: give the file that you want alone" in said
    (tmp_path / "in/talk.de.srt").write_text(SRT)
    status, _, said = prepare("subtitles", "in", out="made")
    assert status == 2 and "talk.wav: 3 subtitle files with its name: give one" in said
    (tmp_path / "in/talk.de.srt").unlink()
    (tmp_path / "in/talk.en.srt").unlink()
    _, rows, _ = prepare("subtitles", "in", out="made")
    assert rows[0]["language"] == "en"


def test_a_language_chooses_among_captions(tmp_path, prepare):
    write_tone(tmp_path / "in/talk.wav", 40.0)
    for name, word in (("talk.en.srt", "One"), ("talk.pt-BR.srt", "Um")):
        (tmp_path / "in" / name).write_text(SRT.replace("One", word))
    status, _, said = prepare("subtitles", "in", out="made")
    assert status == 2 and "talk.wav: 2 subtitle files with its name: give one, or --langu" in said
    _, rows, said = prepare("subtitles", "in", "--language", "pt", out="made")
    assert rows[0]["text"] == "Um." and rows[0]["language"] == "pt"
    assert "talk.en.srt: not used, but talk.pt-BR.srt" in said


def test_files_of_other_names_are_a_pair_only_if_both_are_given(tmp_path, prepare):
    write_tone(tmp_path / "in/interview.wav", 40.0)
    (tmp_path / "in/holiday.srt").write_text(SRT)
    status, _, said = prepare("subtitles", "in", out="made")
    assert status == 2 and "interview.wav: no subtitle file with its name" in said
    _, rows, _ = prepare("subtitles", "in/interview.wav", "in/holiday.srt", out="made")
    assert rows[0]["text"] == "One."


def test_files_that_do_not_exist_and_folders_of_nothing_are_told(tmp_path, prepare):
    (tmp_path / "empty").mkdir()
    status, _, said = prepare("subtitles", "nope.mp3", "none.srt", out="made")
    assert status == 2 and "nope.mp3: no such file: correct the path" in said
    assert "none.srt: no such file" in said
    status, _, said = prepare("subtitles", "empty", out="made")
    assert status == 2 and "empty: no recordings and no subtitles" in said


def test_what_a_language_cannot_choose_is_not_advised_again(tmp_path, prepare):
    write_tone(tmp_path / "in/t.wav", 40.0)
    for name in ("t.srt", "t.de.srt"):
        (tmp_path / "in" / name).write_text(SRT)
    status, _, said = prepare("subtitles", "in", "--language", "en", out="made")
    assert status == 2 and "2 subtitle files with its name: give one" in said
    assert "--language" not in said
    (tmp_path / "in/t.srt").rename(tmp_path / "in/t.br.srt")
    _, rows, _ = prepare("subtitles", "in", "--language", "br", out="made")
    assert rows and rows[0]["language"] == "br"


def test_a_recording_in_two_formats_is_told(tmp_path, prepare):
    for name in ("a.wav", "a.flac"):
        write_tone(tmp_path / "in" / name, 40.0)
    (tmp_path / "in/a.srt").write_text(SRT)
    _, rows, said = prepare("subtitles", "in", out="made")
    assert {Path(row["audio"]).name for row in rows} == {"a.wav"}
    assert "a.flac: left out: a.srt is used for a.wav: give one" in said
