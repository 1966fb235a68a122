"""Rooms: impulse responses and speech as it sounds in them."""

import random

import numpy as np
import pytest
from helpers.audio import tone

from whisper_ft.prepare.rooms import draw_room, place_in_room, without_delay


def energy(samples):
    return float((samples.astype(np.float64) ** 2).sum())


def test_a_drawn_room_is_direct_sound_and_a_tail_that_decays():
    for seed in range(20):
        response = draw_room(random.Random(seed))
        assert np.array_equal(response, draw_room(random.Random(seed)))
        assert response[0] == 1.0 and not response[1:48].any()
        tail = response[48:]
        assert 0.15 <= len(response) / 16000 <= 0.7
        assert 10**-1.2 <= energy(tail) <= 1.001  # 12 to 0 dB below the direct sound
        tenth = len(response) // 10  # 60 dB in all: about 54 dB between the first and last tenth
        fall = 10 * np.log10(energy(response[-tenth:]) / energy(tail[:tenth]))
        assert fall == pytest.approx(-53, abs=4)


def test_speech_in_a_room_has_its_length_and_peak_and_keeps_its_times():
    click = np.zeros(8000, np.float32)
    click[2000] = 0.25
    heard = place_in_room(click, draw_room(random.Random(1)))
    assert len(heard) == 8000 and np.abs(heard).argmax() == 2000
    assert heard[2000] == pytest.approx(0.25) and np.abs(heard[:2000]).max() < 1e-6
    assert np.abs(heard[2100:4000]).max() > 1e-3
    assert not place_in_room(np.zeros(100, np.float32), draw_room(random.Random(1))).any()


def test_the_delay_of_a_recorded_response_is_removed():
    response = np.zeros(300, np.float32)
    response[100], response[250] = -0.5, 0.2
    assert np.argmax(np.abs(without_delay(response))) == 0 and len(without_delay(response)) == 200
    wave = tone(0.5)
    alone = np.zeros(10, np.float32)
    alone[3] = 2.0
    assert place_in_room(wave, without_delay(alone)) == pytest.approx(wave, abs=1e-6)
