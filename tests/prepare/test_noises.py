"""Rows without speech from a folder of noises."""

from helpers.audio import write_tone

from whisper_ft.data.audio import read_audio


def test_a_noise_folder_makes_rows_in_which_nobody_speaks(tmp_path, prepare):
    write_tone(tmp_path / "noise/long.wav", 40.0)
    write_tone(tmp_path / "noise/sub/short.wav", 2.0)
    write_tone(tmp_path / "noise/click.wav", 0.2)
    (tmp_path / "noise/LICENCE.txt").write_text("free")
    _, rows, said = prepare("noises", "noise", "--rows", "60")
    assert len(rows) == 60 and {row["text"] for row in rows} == {""}
    heard = {row["audio"] for row in rows}
    assert heard == {"noise/long.wav", "noise/sub/short.wav", "out.silence.flac"}
    lengths = [row["end"] - row["start"] for row in rows]
    assert min(lengths) > 0.9 and 20 < max(lengths) <= 30
    assert not read_audio(tmp_path / "out.silence.flac").any()
    assert "LICENCE.txt" in said
    assert rows == prepare("noises", "noise", "--rows", "60")[1]
    (tmp_path / "empty").mkdir()
    assert "no audio of 1 s or more" in prepare("noises", "empty")[2]
