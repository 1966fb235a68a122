"""A folder of recordings, good and bad, with a cache of its own."""

import numpy as np
import pytest
import soundfile
from helpers.audio import tone, write_tone


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_tone(tmp_path / "a.wav", 2.0)
    for i in range(3):
        write_tone(tmp_path / f"{i}.wav", 2.0, hertz=200 + i)
    soundfile.write(tmp_path / "quiet.wav", tone(2.0) / 3000, 16000)
    soundfile.write(tmp_path / "long.wav", np.zeros(31 * 8000), 8000)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "bad.wav").write_text("not audio")
    return tmp_path
