"""A stretch of a file, and Whisper's own log-mel of it."""

import os

import numpy as np
import pytest
import soundfile
import soxr
import torch
import whisper
from helpers.audio import tone
from helpers.models import random_whisper
from whisper.audio import N_FRAMES, N_SAMPLES, log_mel_spectrogram, pad_or_trim

from whisper_ft.data.audio import log_mel, n_mel_frames, read_audio
from whisper_ft.data.audio_info import probe


@pytest.fixture
def speech_like():
    rng = np.random.default_rng(0)
    return (tone(2.37) * np.linspace(0, 1, 37920) + 0.01 * rng.normal(size=37920)).astype(
        np.float32
    )


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("n_samples", [37920, 100, 161, 480000])
def test_the_mel_is_bit_equal_to_what_transcribe_decodes(speech_like, n_mels, n_samples):
    audio = np.resize(speech_like, n_samples)
    mel = log_mel_spectrogram(audio, n_mels, padding=N_SAMPLES)  # as transcribe() begins
    window = pad_or_trim(mel[:, : mel.shape[-1] - N_FRAMES], N_FRAMES)
    assert torch.equal(log_mel(audio, n_mels), window)


def test_transcribe_itself_decodes_that_mel(speech_like, monkeypatch):
    seen = []

    def stop(self, mel, options):
        seen.append(mel)
        raise InterruptedError

    model = random_whisper()
    monkeypatch.setattr(whisper.model.Whisper, "decode", stop)
    with pytest.raises(InterruptedError):
        model.transcribe(speech_like, fp16=False)
    assert torch.equal(seen[0], log_mel(speech_like, 80))


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100])
def test_any_format_comes_out_at_16_khz(tmp_path, suffix, sample_rate):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, tone(1.0, sample_rate), sample_rate)
    samples = read_audio(path)
    assert samples.dtype == np.float32 and abs(len(samples) - 16000) <= 1600
    spectrum = np.abs(np.fft.rfft(samples))
    assert abs(spectrum.argmax() * 16000 / len(samples) - 440) < 5


def test_a_stretch_is_the_same_samples_as_the_whole_files(tmp_path):
    audio = tone(3.0) * np.linspace(0, 1, 48000, dtype=np.float32)
    soundfile.write(tmp_path / "a.wav", audio, 16000, subtype="FLOAT")
    assert np.array_equal(read_audio(tmp_path / "a.wav", 1.0, 2.5), audio[16000:40000])
    assert np.array_equal(read_audio(tmp_path / "a.wav", 2.0), audio[32000:])


def test_a_stretch_is_resampled_by_soxr(tmp_path):
    audio = tone(2.0, 22050)
    soundfile.write(tmp_path / "a.wav", audio, 22050, subtype="FLOAT")
    expected = soxr.resample(audio[22050:], 22050, 16000)
    assert np.array_equal(read_audio(tmp_path / "a.wav", 1.0), expected)


def test_one_channel_or_the_mean_of_all(tmp_path):
    left, right = tone(1.0, hertz=300), tone(1.0, hertz=500)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], 1), 16000, subtype="FLOAT")
    assert np.array_equal(read_audio(tmp_path / "a.wav", channel=1), right)
    assert np.allclose(read_audio(tmp_path / "a.wav"), (left + right) / 2)
    with pytest.raises(ValueError, match="has no channel 2: it has 2"):
        read_audio(tmp_path / "a.wav", channel=2)


def test_samples_stay_within_one(tmp_path):
    soundfile.write(tmp_path / "a.wav", 4 * tone(0.1), 16000, subtype="FLOAT")
    assert np.abs(read_audio(tmp_path / "a.wav")).max() == 1.0


def test_unreadable_audio_gives_the_reason_and_the_remedy(tmp_path):
    (tmp_path / "text.m4a").write_text("no audio at all, this")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "bare.raw").write_bytes(bytes(1000))
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16000)
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan), 16000, subtype="FLOAT")
    for name, words in (
        ("text.m4a", r"FFmpeg cannot read it \(Invalid data .*\): restore it"),
        ("bare.raw", r"FFmpeg cannot read it"),
        ("empty.wav", "an empty file"),
        ("none.wav", "holds no samples"),
        ("gone.wav", "no such file: correct the path"),
        (".", "not a file"),
    ):
        with pytest.raises(ValueError, match=words):
            probe(tmp_path / name)
    with pytest.raises(ValueError, match="FFmpeg cannot read it"):
        read_audio(tmp_path / "text.m4a")
    with pytest.raises(ValueError, match="not finite"):
        read_audio(tmp_path / "nan.wav")
    soundfile.write(tmp_path / "a.wav", tone(1.0), 16000)
    with pytest.raises(ValueError, match=r"no audio between 2.0 and 3.0 s: it ends at 1.000"):
        read_audio(tmp_path / "a.wav", 2.0, 3.0)


def test_a_probe_gives_the_duration(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((4410, 2)), 44100)
    assert probe(tmp_path / "a.wav")[:3] == (44100, 4410, 2)
    assert probe(tmp_path / "a.wav").duration == 0.1


def test_30_seconds_are_3000_frames_and_a_frame_more_is_one_more():
    assert n_mel_frames(30.0) == n_mel_frames(30.009) == 3000
    assert n_mel_frames(30.01) == 3001


def test_a_name_that_is_not_utf_8_is_read(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(1.0), 16000)
    path = (tmp_path / "a.wav").rename(tmp_path / os.fsdecode(b"caf\xe9.wav"))
    assert probe(path).duration == 1.0 and len(read_audio(path, 0.5)) == 8000


def test_more_channels_than_fit_in_memory_are_refused(tmp_path):
    path = tmp_path / "many.ogg"
    soundfile.write(path, np.zeros((960, 200)), 96000, format="OGG", subtype="VORBIS")
    with pytest.raises(ValueError, match="200 channels at 96000 Hz: at most"):
        probe(path)
