"""Recordings and the subtitle files of their name."""

from helpers.audio import write_tone

SRT = "1\n00:00:01,000 --> 00:00:20,000\nOne.\n\n2\n00:00:20,500 --> 00:00:33,000\nTwo.\n"


def test_a_folder_is_paired_by_name_and_all_that_lack_a_counterpart_are_named(tmp_path, prepare):
    for name in ("a", "b"):
        write_tone(tmp_path / f"talks/{name}.wav", 40.0)
    (tmp_path / "talks/a.en.srt").write_text(SRT)
    (tmp_path / "talks/c.vtt").write_text("WEBVTT\n")
    status, _, said = prepare("subtitles", "talks", out="made")
    assert status == 2 and "b.wav: 0 subtitle files with its name" in said
    assert "c.vtt: no recording with its name" in said
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
