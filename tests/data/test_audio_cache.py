"""What is known of audio files, remembered until the file changes."""

import sqlite3

import pytest
import soundfile
from helpers.audio import tone
from helpers.media import encode

from whisper_ft.data import audio_cache
from whisper_ft.data.audio import read_audio
from whisper_ft.data.audio_cache import probe_all, probe_once


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with a recording of 2 s and the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    soundfile.write(tmp_path / "a.wav", tone(2.0), 16000)
    return tmp_path


def test_a_probed_file_is_remembered_until_the_file_changes(folder, monkeypatch):
    path = folder / "a.wav"
    first = probe_all([path])
    with monkeypatch.context() as patch:
        patch.setattr(audio_cache, "probe", lambda _: pytest.fail("read again"))
        assert probe_all([path]) == first
    soundfile.write(path, tone(1.0), 16000)
    assert probe_all([path])[path].duration == 1.0


def test_a_damaged_cache_costs_nothing_but_time(folder):
    probe_all([folder / "a.wav"])
    cache = folder / "cache" / "whisper_ft" / "audio.sqlite"
    with sqlite3.connect(cache) as connection:
        connection.execute("DROP TABLE audio")
        connection.execute("CREATE TABLE audio (path)")
    assert probe_all([folder / "a.wav"])[folder / "a.wav"].n_samples == 32000
    cache.write_bytes(b"not a database" * 100)
    assert probe_all([folder / "a.wav"])[folder / "a.wav"].n_samples == 32000


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(folder, monkeypatch):
    (folder / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "file"))
    assert probe_all([folder / "a.wav"])[folder / "a.wav"].n_samples == 32000


def test_the_marks_of_a_long_mp3_are_counted_once_and_remembered(folder, monkeypatch):
    path = encode(folder / "a.mp3", tone(9.0), "libmp3lame")
    info = probe_once(path)
    assert len(info.track.marks.samples) == len(info.track.marks.bytes) == 5
    audio_cache._probe_once.cache_clear()  # as in another process
    monkeypatch.setattr(audio_cache, "probe", lambda _: pytest.fail("counted again"))
    assert probe_once(path) == info == probe_all([path])[path]
    assert len(read_audio(path, 8.0)) == pytest.approx(16000, abs=2)
