"""Headers of WAV and FLAC that state too little or too much."""

import numpy as np
import pytest
import soundfile
from helpers.media import noise

from whisper_ft.data.audio import read_audio
from whisper_ft.data.audio_info import probe


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_wav_whose_header_does_not_know_its_length_is_read_to_its_end(tmp_path, size):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(2.0), 16000, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = content[4:8] = size.to_bytes(4, "little")
    path.write_bytes(content)
    assert probe(path).duration == 2.0
    assert np.abs(read_audio(path, 1.0) - noise(2.0)[16000:]).max() < 1e-4


def test_a_wav_whose_header_lies_is_refused(tmp_path):
    path, pcm = tmp_path / "a.wav", noise(2.0)
    soundfile.write(path, pcm, 16000)
    content = path.read_bytes()
    path.write_bytes(content[:40_000])
    with pytest.raises(ValueError, match="its header promises 64000 bytes of samples, but it hold"):
        probe(path)
    path.write_bytes(content + content)
    with pytest.raises(ValueError, match="goes on for 64044 bytes after the end that its header"):
        probe(path)
    size = content.index(b"data") + 4
    path.write_bytes(content[:size] + (16_000).to_bytes(4, "little") + content[size + 4 :])
    with pytest.raises(ValueError, match="goes on for 48000 bytes after the end that its header"):
        probe(path)
    path.write_bytes(content + b"LIST\x04\0\0\0INFO")
    assert probe(path).duration == 2.0
    path.write_bytes(content + bytes(100))
    assert probe(path).duration == 2.0


@pytest.mark.parametrize(
    "tail",
    [b"\0LIST\x04\0\0\0INFO", b"\0\0LIST\x04\0\0\0INFO", b"_PMX\xff\xff\0\0x",
     b"\xa9nam\x04\0\0\0Song",
     b"\r\n\r\n\r\n\r\n", b"TAG" + bytes(125), b"ID3\x03\0\0\0\0\0\0", bytes(100_000)],
)  # fmt: skip
def test_what_writers_leave_after_the_samples_of_a_wav_does_not_matter(tmp_path, tail):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(2.0), 16000)
    path.write_bytes(path.read_bytes() + tail)
    assert probe(path).duration == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("n_bytes", [2, 36, 44])
def test_a_header_that_states_a_few_bytes_too_many_does_not_matter(tmp_path, n_bytes):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(2.0), 16000)
    content = path.read_bytes()
    size = content.index(b"data") + 4
    stated = (64_000 + n_bytes).to_bytes(4, "little")
    path.write_bytes(content[:size] + stated + content[size + 4 :])
    assert probe(path).duration == pytest.approx(2.0, abs=0.01)


def test_samples_after_the_end_that_begin_with_silence_are_found(tmp_path):
    path = tmp_path / "a.wav"
    pcm = noise(2.0)
    pcm[16000:19000] = 0
    soundfile.write(path, pcm, 16000)
    content = path.read_bytes()
    size = content.index(b"data") + 4
    path.write_bytes(content[:size] + (32_000).to_bytes(4, "little") + content[size + 4 :])
    with pytest.raises(ValueError, match="goes on for 32000 bytes after the end"):
        probe(path)


def test_a_flac_that_holds_more_than_its_header_states_is_refused(tmp_path):
    path = tmp_path / "a.flac"
    rng = np.random.default_rng(0)
    soundfile.write(path, rng.uniform(-1, 1, 10 * 16000), 16000)
    content = path.read_bytes()
    assert probe(path).duration == 10.0
    path.write_bytes(content + bytes(10_000))  # as a tag
    assert probe(path).duration == 10.0
    path.write_bytes(content + content)
    with pytest.raises(ValueError, match=r"its header states 10.00 s, but it holds more"):
        probe(path)
