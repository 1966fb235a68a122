"""Holes between the times of packets."""

import re
import shlex
import subprocess

import pytest
from helpers.media import SECONDS, remux, write_media

from whisper_ft.data.audio import read_audio
from whisper_ft.data.audio_info import probe


@pytest.mark.parametrize("name", ["a.webm", "a.m4a", "a.mkv"])
def test_a_hole_in_the_times_of_a_file_is_told_with_what_fills_it(tmp_path, name):
    whole = write_media(tmp_path, name)
    assert probe(remux(whole, tmp_path / f"same {name}", lambda at: 0.2 * (at > 5)))
    gap = remux(whole, tmp_path / f"gap {name}", lambda at: 3.0 * (at > 5))
    with pytest.raises(
        ValueError, match=r"(3.0|2.9)\d s are missing after (5.[01]|4.9)"
    ) as refused:
        probe(gap)
    for command, seconds in zip(
        re.findall("`(.*?)`", str(refused.value)), (15.3, 12.3), strict=True
    ):
        command = command.replace(shlex.quote(gap.name), "gap").replace(
            "ffmpeg", "ffmpeg -v error -y"
        )
        gap.with_name("gap").write_bytes(gap.read_bytes())
        subprocess.run(command.split(), cwd=tmp_path, check=True)
        assert probe(tmp_path / "new.flac").duration == pytest.approx(seconds, abs=0.15)


def test_many_small_holes_are_one(tmp_path):
    whole = write_media(tmp_path, "a.m4a")
    gaps = remux(whole, tmp_path / "gaps.m4a", lambda at: 0.3 * int(at / 2))
    with pytest.raises(ValueError, match=r"1\.\d\d s are missing after [12]\."):
        probe(gaps)
    gap = remux(whole, tmp_path / "gap.m4a", lambda at: 0.4 * (at > 5))
    assert probe(gap).duration == pytest.approx(SECONDS, abs=0.13)
    assert len(read_audio(gap)) == pytest.approx(SECONDS * 16000, abs=2100)


@pytest.mark.parametrize("name", ["a.mka", "a.webm"])
def test_a_file_of_matroska_that_begins_late_is_whole(tmp_path, name):
    late = remux(write_media(tmp_path, "a.webm"), tmp_path / f"late {name}", lambda at: 5.0)
    assert probe(late).duration == pytest.approx(SECONDS, abs=0.13)
