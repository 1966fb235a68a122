"""Headers of audio files, remembered until the file changes."""

import sqlite3

import pytest
import soundfile
from helpers.audio import tone

from whisper_ft.validation import audio_headers
from whisper_ft.validation.audio_headers import read_headers


def test_a_checked_header_is_remembered_until_the_file_changes(folder, monkeypatch):
    path = folder / "a.wav"
    first = read_headers([path])
    with monkeypatch.context() as patch:
        patch.setattr(audio_headers, "probe", lambda _: pytest.fail("read again"))
        assert read_headers([path]) == first
    soundfile.write(path, tone(1.0), 16000)
    assert read_headers([path])[path].duration == 1.0


def test_a_damaged_cache_costs_nothing_but_time(folder):
    read_headers([folder / "a.wav"])
    cache = folder / "cache" / "whisper_ft" / "probes.sqlite"
    with sqlite3.connect(cache) as connection:
        connection.execute("DROP TABLE probes")
        connection.execute("CREATE TABLE probes (path)")
    assert read_headers([folder / "a.wav"])[folder / "a.wav"].n_samples == 32000
    cache.write_bytes(b"not a database" * 100)
    assert read_headers([folder / "a.wav"])[folder / "a.wav"].n_samples == 32000


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(folder, monkeypatch):
    (folder / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "file"))
    assert read_headers([folder / "a.wav"])[folder / "a.wav"].n_samples == 32000
