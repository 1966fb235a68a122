"""Fixtures of the tests of data/."""

import numpy as np
import pytest
import soundfile


@pytest.fixture
def folders(tmp_path):
    """Return folders of (noises, impulse responses); the response has an echo after 0.5 s."""
    rng = np.random.default_rng(0)
    (tmp_path / "noise").mkdir()
    (tmp_path / "rooms").mkdir()
    for i in range(3):
        soundfile.write(tmp_path / f"noise/{i}.wav", 0.1 * rng.standard_normal(48000), 16000)
    response = np.zeros(16000)
    response[[0, 8000]] = 0.9, 0.5
    soundfile.write(tmp_path / "rooms/a.wav", response, 16000)
    return str(tmp_path / "noise"), str(tmp_path / "rooms")
