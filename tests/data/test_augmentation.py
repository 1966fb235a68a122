"""Augmented recordings: what changes, and what must not."""

import random
import sys

import numpy as np
import pytest
import soundfile
import torch
from helpers.audio import tone
from helpers.runs import plan_of, train_until_signal

from whisper_ft.data import augmentation
from whisper_ft.data.augmentation import Augmentation, Warp, check_augmentation, draw_warp, mask_mel
from whisper_ft.text.tokens import Segment
from whisper_ft.training.loop import train

SEGMENTS = (Segment(0.0, 1.0, "a"), Segment(1.0, None, ""))


def rng_of(seed):
    return lambda kind: random.Random(f"{kind} {seed}")


def test_speed_changes_pitch_and_segments_and_falls_back_beyond_30_s():
    samples = tone(2.0, hertz=440)
    lengths = []
    for seed in range(40):
        changed, segments, fits = Augmentation(speed=0.1).change_speed(
            samples, SEGMENTS, random.Random(seed)
        )
        factor = len(samples) / len(changed)
        lengths.append(factor)
        assert fits and segments == (
            Segment(0.0, pytest.approx(1 / factor, abs=1e-3), "a"),
            Segment(pytest.approx(1 / factor, abs=1e-3), None, ""),
        )
        peak = np.fft.rfft(changed).__abs__().argmax() * 16000 / len(changed)
        assert abs(peak - 440 * factor) < 2
    assert 0.9 <= min(lengths) < 0.92 and 1.08 < max(lengths) <= 1.1001
    long, whole = tone(29.0), (Segment(0.0, 29.0, "a"),)
    kept, slower = 0, 0
    for seed in range(40):
        changed, segments, fits = Augmentation(speed=0.1).change_speed(
            long, whole, random.Random(seed)
        )
        assert len(changed) <= 30 * 16000
        if not fits:
            kept += 1
            assert changed is long and segments == whole
        slower += len(changed) > len(long)
    assert kept > 5 and slower > 2


def test_half_of_the_examples_get_noise_at_5_to_30_db(folders):
    samples = tone(2.0)
    ratios = []
    for seed in range(60):
        noisy = Augmentation(noise=folders[0]).augment_samples(samples, rng_of(seed))
        assert len(noisy) == len(samples)
        if not np.array_equal(noisy, samples):
            ratios.append(10 * np.log10((samples**2).mean() / ((noisy - samples) ** 2).mean()))
    assert 20 < len(ratios) < 40
    assert 4.5 < min(ratios) < 10 and 25 < max(ratios) < 30.5


def test_reverberation_adds_an_echo_and_keeps_the_length(folders):
    click = np.zeros(32000, dtype=np.float32)
    click[1000] = 0.5
    answers = [
        Augmentation(reverb=folders[1]).augment_samples(click, rng_of(seed)) for seed in range(40)
    ]
    echoed = [answer for answer in answers if abs(answer[9000]) > 0.05]
    assert 10 < len(echoed) < 30 and {len(answer) for answer in answers} == {32000}


def test_gain_stays_within_its_decibels_and_samples_within_one():
    samples = tone(1.0)
    levels = []
    for seed in range(60):
        louder = Augmentation(gain=6.0).augment_samples(samples, rng_of(seed))
        levels.append(20 * np.log10(np.abs(louder).max() / np.abs(samples).max()))
    assert -6.01 < min(levels) < -4 and 4 < max(levels) < 6.01
    assert np.abs(Augmentation(gain=40.0).augment_samples(samples, rng_of(1))).max() <= 1.0


def test_an_impossible_augmentation_is_refused_before_the_run(tmp_path, argv):
    (tmp_path / "empty").mkdir()
    found = check_augmentation(
        Augmentation(noise=str(tmp_path / "gone"), reverb=str(tmp_path / "empty"))
    )
    assert [problem.split(":")[0] for problem in found] == ["--reverb", "--noise"]
    assert all(problem.endswith("give a folder of audio") for problem in found)
    with pytest.raises(ValueError, match=r"--speed: 0.9: must be at most 0.5\n--noise: /gone"):
        plan_of([*argv, "--noise", "/gone", "--speed", ".9"])


def test_a_slowed_window_may_lose_a_part_of_its_cut_segment():
    long = tone(30.0)
    segments = (Segment(0.0, 20.0, "a"), Segment(24.0, None, ""))
    lengths = set()
    for seed in range(30):
        changed, times, fits = Augmentation(speed=0.1).change_speed(
            long, segments, random.Random(seed)
        )
        assert fits and len(changed) <= len(long) and times[1].start < 30
        lengths.add(len(changed) == len(long))
    assert lengths == {True, False}


def test_a_band_and_a_stretch_are_masked_and_the_padding_stays():
    mel = torch.randn(80, 3000)
    widths = set()
    for seed in range(50):
        hidden = mask_mel(mel, 500, random.Random(seed))
        assert torch.equal(hidden[:, 500:], mel[:, 500:])
        changed = hidden[:, :500] != mel[:, :500]
        bands, frames = changed.all(dim=1).sum(), changed.all(dim=0).sum()
        assert changed.sum() == bands * 500 + frames * 80 - bands * frames
        assert bands <= 27 and frames <= 100
        widths.add((int(bands), int(frames)))
    assert len(widths) > 40
    assert mask_mel(mel, 3, random.Random(0)).shape == mel.shape


def test_a_warp_moves_audio_and_times_together():
    mel = torch.zeros(80, 3000)
    mel[:, 300] = 1.0
    warped = Warp(200, 260, 1000).warp_mel(mel)
    assert warped.shape == mel.shape
    expected = Warp(200, 260, 1000).warp_time(3.0)
    assert abs(int(warped[0].argmax()) / 100 - expected) < 0.02
    assert Warp(200, 260, 1000).warp_time(0.0) == 0.0
    assert Warp(200, 260, 1000).warp_time(10.0) == pytest.approx(10.0)
    assert Warp(200, 260, 1000).warp_time(2.0) == pytest.approx(2.6)


def test_a_warp_is_of_at_most_80_frames_away_from_the_edges():
    for seed in range(200):
        warp = draw_warp(400, random.Random(seed))
        assert 80 < warp.centre < 320 and abs(warp.target - warp.centre) <= 80
    assert draw_warp(161, random.Random(0)) is None


def test_a_run_with_every_augmentation_resumes_to_the_same_floats(
    argv, folders, tmp_path, monkeypatch
):
    from helpers.runs import assert_same_run, lines

    from whisper_ft.training import run as running

    flags = [
        *("--spec-augment", "--stochastic-depth", ".5", "--bpe-dropout", ".3", "--speed", ".1"),
        *("--noise", folders[0], "--reverb", folders[1], "--gain", "6"),
    ]
    argv[argv.index("--out") + 1] = str(tmp_path / "whole")
    train(plan_of([*argv, *flags]))
    argv[argv.index("--out") + 1] = str(tmp_path / "run")
    real, done = running.train_step, []

    def stopping(*arguments):
        numbers = real(*arguments)
        done.append(numbers)
        if len(done) == 3:
            import signal

            signal.raise_signal(signal.SIGTERM)
        return numbers

    with monkeypatch.context() as patch:
        patch.setattr(running, "train_step", stopping)
        train_until_signal(plan_of([*argv, *flags]))
    assert (
        train(plan_of(["--resume", str(tmp_path / "run"), "--workers", "1"])).reason == "finished"
    )
    assert_same_run(tmp_path / "whole", tmp_path / "run")
    assert all("n_fallbacks" in line for line in lines(tmp_path / "run") if line["kind"] == "step")


def test_a_delayed_impulse_response_does_not_move_speech_from_its_times(tmp_path):
    late = np.zeros(8000)
    late[3200], late[4000] = 1.0, 0.3  # 0.2 s from the loudspeaker to the ear
    soundfile.write(tmp_path / "late.wav", late, 16000)
    click = np.zeros(16000, np.float32)
    click[8000] = 0.5
    in_room = Augmentation(reverb=str(tmp_path))
    answers = [in_room.augment_samples(click, rng_of(seed)) for seed in range(12)]
    changed = [sound for sound in answers if not np.array_equal(sound, click)]
    assert changed and all(len(sound) == len(click) for sound in changed)
    assert {int(np.abs(sound).argmax()) for sound in changed} == {8000}


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Return a function that puts an audiomentations of this source before the real one."""

    def install(source):
        package = tmp_path / "site" / "audiomentations"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text(source)
        augmentation._make_transform.cache_clear()

    for name in [name for name in sys.modules if name.partition(".")[0] == "audiomentations"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(augmentation, "install_command", lambda extra: f"pip install {extra}")
    yield install
    sys.modules.pop("audiomentations", None)
    augmentation._make_transform.cache_clear()


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("raise ImportError('no\\nlibrary')", "ImportError: no library"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise AttributeError('old numpy')", "AttributeError: old numpy"),
        ("", "ImportError: cannot import name"),
    ],
)
def test_a_broken_audiomentations_is_refused_before_the_first_step(broken, source, cause):
    broken(source)
    (problem,) = check_augmentation(Augmentation(gain=6.0))
    assert problem.startswith(f"--gain: audiomentations cannot be imported ({cause}")
    assert problem.endswith("): pip install augment")
    assert check_augmentation(Augmentation(speed=0.1, spec_augment=True)) == []


def test_no_file_is_blamed_for_a_broken_audiomentations(broken, folders):
    broken("raise ImportError('no library')")
    with pytest.raises(ValueError, match=r"--noise: .*no library.*: pip install augment$"):
        for seed in range(20):
            Augmentation(noise=folders[0]).augment_samples(tone(1.0), rng_of(seed))
