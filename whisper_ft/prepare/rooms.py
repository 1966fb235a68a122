"""Rooms: impulse responses, drawn or from files, and speech as it sounds in them."""

from __future__ import annotations

import random

import numpy as np
from whisper.audio import SAMPLE_RATE

from whisper_ft.data.audio import Samples

# Reverberation time (until the sound is 60 dB weaker), in seconds: from an office to a hall
MIN_DECAY, MAX_DECAY = 0.15, 0.7
# Energy of the direct sound over that of the room, in dB: from across the room to near the mouth
MIN_DIRECT, MAX_DIRECT = 0.0, 12.0
FIRST_REFLECTION = 0.003  # seconds after the direct sound: a wall or table half a metre away


def draw_room(rng: random.Random) -> Samples:
    """Return an impulse response: the direct sound, then noise that decays exponentially.

    That is the usual model of late reverberation (Polack 1988); single echoes are not modelled.
    """
    decay = rng.uniform(MIN_DECAY, MAX_DECAY)
    direct = rng.uniform(MIN_DIRECT, MAX_DIRECT)
    times = np.arange(round(decay * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(rng.getrandbits(64)).standard_normal(len(times))
    response = noise * 10 ** (-3 * times / decay)  # 60 dB, so a factor of 1000, after `decay`
    response[times < FIRST_REFLECTION] = 0.0
    response *= 10 ** (-direct / 20) / np.sqrt((response**2).sum())
    response[0] = 1.0
    room: Samples = response.astype(np.float32)
    return room


def without_delay(response: Samples) -> Samples:
    """Return an impulse response from its direct sound on, which is its largest sample."""
    direct_sound = int(np.abs(response).argmax())
    heard: Samples = response[direct_sound:]
    return heard


def place_in_room(samples: Samples, response: Samples) -> Samples:
    """Return samples as they sound in a room, as long and with the same peak."""
    n_samples = len(samples) + len(response) - 1
    spectrum = np.fft.rfft(samples, n_samples) * np.fft.rfft(response, n_samples)
    heard = np.fft.irfft(spectrum, n_samples)[: len(samples)]
    peak = np.abs(heard).max()
    if peak > 0:
        heard *= np.abs(samples).max() / peak
    return heard.astype(np.float32)
