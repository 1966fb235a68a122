"""Recordings as they might have been, and texts in other tokens."""

import random
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from helpers.audio import tone
from helpers.runs import plan_of, train_until_signal
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.audio import log_mel
from whisper_ft.data.augmentation import Augmentation, Warp, check_augmentation, draw_warp, mask_mel
from whisper_ft.data.dataset import Examples, RowError, read_row_audio
from whisper_ft.data.loader import collate
from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.prompts import PromptPolicy
from whisper_ft.data.sampler import ExampleIndex
from whisper_ft.models.loading import Vocabulary
from whisper_ft.text.tokens import IGNORE, Segment
from whisper_ft.training.loop import train

SEGMENTS = (Segment(0.0, 1.0, "a"), Segment(1.0, None, ""))


@pytest.fixture
def folders(tmp_path):
    """(noises, impulse responses): a click half a second late, so that its echo is heard."""
    rng = np.random.default_rng(0)
    (tmp_path / "noise").mkdir()
    (tmp_path / "rooms").mkdir()
    for i in range(3):
        soundfile.write(tmp_path / f"noise/{i}.wav", 0.1 * rng.standard_normal(48000), 16000)
    response = np.zeros(16000)
    response[[0, 8000]] = 0.9, 0.5
    soundfile.write(tmp_path / "rooms/a.wav", response, 16000)
    return str(tmp_path / "noise"), str(tmp_path / "rooms")


@pytest.fixture
def examples(corpus):
    rows = read_manifest(corpus[0]).rows
    policy = PromptPolicy(own=0.5)
    tokenizer_of = Vocabulary(False, 99, 448).tokenizer
    return Examples(rows, policy, tokenizer_of, 80, 448, timestamp_rate=0.5, seed=0)


def chance(seed):
    return lambda kind: random.Random(f"{kind} {seed}")


def visits(examples, n=12):
    return [examples[ExampleIndex(turn, row)] for turn in range(n) for row in range(5)]


def variants(folders):
    return {
        "speed": {"augmentation": Augmentation(speed=0.1)},
        "reverb": {"augmentation": Augmentation(reverb=folders[1])},
        "noise": {"augmentation": Augmentation(noise=folders[0])},
        "gain": {"augmentation": Augmentation(gain=6.0)},
        "spec_augment": {"augmentation": Augmentation(spec_augment=True)},
        "bpe_dropout": {"bpe_dropout": 0.3},
    }


KINDS = ("speed", "reverb", "noise", "gain", "spec_augment", "bpe_dropout")


@pytest.mark.parametrize("kind", KINDS)
def test_each_changes_a_visit_the_same_way_every_time_and_prompts_never(examples, folders, kind):
    changed = replace(examples, **variants(folders)[kind])
    one, again, plain = visits(changed), visits(changed), visits(examples)
    assert all(
        torch.equal(a.mel, b.mel) and a[1:] == b[1:] for a, b in zip(one, again, strict=True)
    )
    differ = [
        not torch.equal(a.mel, b.mel) or a.tokens != b.tokens
        for a, b in zip(one, plain, strict=True)
    ]
    assert sum(differ) > 20
    for a, b in zip(one, plain, strict=True):
        n = a.targets.count(IGNORE)
        assert n == b.targets.count(IGNORE) and a.tokens[: n + 1] == b.tokens[: n + 1]


def test_one_does_not_shift_the_chance_of_another(examples, folders):
    """Timestamps move with SpecAugment's warp, and noise leaves them there."""
    one = replace(examples, augmentation=Augmentation(spec_augment=True))
    two = replace(examples, augmentation=Augmentation(spec_augment=True, noise=folders[0]))
    assert [v.tokens for v in visits(one)] == [v.tokens for v in visits(two)]
    asked = []
    Augmentation(gain=6.0).augment_samples(
        tone(0.1), lambda kind: asked.append(kind) or random.Random(0)
    )
    assert asked == ["reverb", "noise", "gain"]


def test_the_modules_random_is_left_as_it_was(examples, folders):
    random.seed(7)
    before = random.getstate()
    visits(replace(examples, augmentation=Augmentation(noise=folders[0], gain=6.0)))
    assert random.getstate() == before


def test_speed_moves_pitch_and_segments_and_falls_back_where_30_s_do_not_hold_it():
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


def test_noise_comes_to_half_of_the_visits_at_5_to_30_db(folders):
    samples = tone(2.0)
    ratios = []
    for seed in range(60):
        noisy = Augmentation(noise=folders[0]).augment_samples(samples, chance(seed))
        assert len(noisy) == len(samples)
        if not np.array_equal(noisy, samples):
            ratios.append(10 * np.log10((samples**2).mean() / ((noisy - samples) ** 2).mean()))
    assert 20 < len(ratios) < 40
    assert 4.5 < min(ratios) < 10 and 25 < max(ratios) < 30.5


def test_a_room_answers_later_and_the_length_stays(folders):
    click = np.zeros(32000, dtype=np.float32)
    click[1000] = 0.5
    answers = [
        Augmentation(reverb=folders[1]).augment_samples(click, chance(seed)) for seed in range(40)
    ]
    echoed = [answer for answer in answers if abs(answer[9000]) > 0.05]
    assert 10 < len(echoed) < 30 and {len(answer) for answer in answers} == {32000}


def test_gain_is_within_its_decibels_and_nothing_leaves_the_scale():
    samples = tone(1.0)
    levels = []
    for seed in range(60):
        louder = Augmentation(gain=6.0).augment_samples(samples, chance(seed))
        levels.append(20 * np.log10(np.abs(louder).max() / np.abs(samples).max()))
    assert -6.01 < min(levels) < -4 and 4 < max(levels) < 6.01
    assert np.abs(Augmentation(gain=40.0).augment_samples(samples, chance(1))).max() <= 1.0


def test_what_cannot_be_done_is_named_before_the_run(tmp_path, argv):
    (tmp_path / "empty").mkdir()
    found = check_augmentation(
        Augmentation(noise=str(tmp_path / "gone"), reverb=str(tmp_path / "empty"))
    )
    assert [problem.split(":")[0] for problem in found] == ["--reverb", "--noise"]
    assert all(problem.endswith("give a folder of audio") for problem in found)
    with pytest.raises(ValueError, match=r"--speed: 0.9: must be at most 0.5\n--noise: /gone"):
        plan_of([*argv, "--noise", "/gone", "--speed", ".9"])


def test_a_file_that_cannot_be_mixed_in_is_named_before_the_run_and_in_it(
    examples, folders, tmp_path
):
    (tmp_path / "noise" / "bad.wav").write_text("not audio")
    noisy = Augmentation(noise=folders[0])
    assert "bad.wav: libsndfile cannot read it" in check_augmentation(noisy)[0]
    changed = replace(examples, augmentation=noisy)
    found = [changed[ExampleIndex(turn, 0)] for turn in range(30)]
    errors = [str(one) for one in found if isinstance(one, RowError)]
    assert errors and all("--noise: " in error and "damaged" in error for error in errors)


def test_a_window_with_a_cut_segment_may_be_slowed_down_it_loses_some_of_that():
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


def test_a_mel_is_never_longer_than_3000_frames(examples, tmp_path):
    soundfile.write(tmp_path / "l.wav", tone(30.0099, sample_rate=11025), 11025)
    row = replace(examples.rows[0], audio=tmp_path / "l.wav")
    augmented = replace(examples, rows=[row], augmentation=Augmentation(spec_augment=True))
    assert augmented[ExampleIndex(0, 0)].mel.shape == (80, 3000)


def test_a_band_and_a_stretch_are_hidden_and_the_padding_stays():
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


def test_a_warp_moves_sound_and_its_times_together():
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


def test_the_warp_of_an_example_moves_its_timestamps(examples, corpus):
    path = examples.rows[0].audio
    soundfile.write(path, tone(10.0), 16000)
    segments = (Segment(0.0, 5.0, "Call"), Segment(5.0, 10.0, "Kathryn now."))
    row = replace(examples.rows[0], segments=segments)
    rows = [row, *examples.rows[1:]]
    augmented = replace(
        examples, rows=rows, timestamp_rate=1.0, augmentation=Augmentation(spec_augment=True)
    )
    zero = get_tokenizer(False).timestamp_begin
    middles = set()
    for turn in range(20):
        times = [t - zero for t in augmented[ExampleIndex(turn, 0)].tokens if t >= zero]
        assert times[0] == 0 and times[-1] == 500 and times[1] == times[2]
        middles.add(times[1])
    assert len(middles) > 10 and all(abs(middle - 250) <= 41 for middle in middles)


def test_more_tokens_than_fit_fall_back_to_the_plain_text_and_are_counted(examples):
    row = replace(examples.rows[0], text="information " * 440, prompt="")
    changed = replace(examples, rows=[row], bpe_dropout=0.5, timestamp_rate=0.0)
    example = changed[ExampleIndex(0, 0)]
    assert example.n_fallbacks == 1
    assert example.tokens == replace(changed, bpe_dropout=0.0)[ExampleIndex(0, 0)].tokens
    assert collate([example, example]).n_fallbacks == 2


def test_a_run_with_all_of_them_resumes_to_the_same_floats(argv, folders, tmp_path, monkeypatch):
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


def test_hearing_is_as_before_when_all_are_off(examples):
    samples, _ = read_row_audio(examples.rows[0], timestamps=True)
    for visit in visits(examples, n=2)[::5]:
        assert torch.equal(visit.mel, log_mel(samples, 80))


def test_a_room_that_answers_late_does_not_move_speech_away_from_its_times(tmp_path):
    late = np.zeros(8000)
    late[3200], late[4000] = 1.0, 0.3  # 0.2 s from the loudspeaker to the ear
    soundfile.write(tmp_path / "late.wav", late, 16000)
    click = np.zeros(16000, np.float32)
    click[8000] = 0.5
    in_room = Augmentation(reverb=str(tmp_path))
    heard = [in_room.augment_samples(click, chance(seed)) for seed in range(12)]
    changed = [sound for sound in heard if not np.array_equal(sound, click)]
    assert changed and all(len(sound) == len(click) for sound in changed)
    assert {int(np.abs(sound).argmax()) for sound in changed} == {8000}


def test_no_change_moves_the_first_timestamp_beyond_the_first_second(examples):
    path = examples.rows[0].audio
    soundfile.write(path, tone(10.0), 16000)
    row = replace(examples.rows[0], segments=(Segment(0.99, 10.0, "Call Kathryn now."),))
    zero = get_tokenizer(False).timestamp_begin
    for augmentation in (Augmentation(speed=0.2), Augmentation(spec_augment=True)):
        changed = replace(examples, rows=[row], timestamp_rate=1.0, augmentation=augmentation)
        seen = [changed[ExampleIndex(turn, 0)] for turn in range(30)]
        firsts = [next(t - zero for t in e.tokens if t >= zero) for e in seen]
        assert max(firsts) <= 50 and min(firsts) < 49
        assert 0 < sum(e.n_fallbacks for e in seen) < 30


def test_more_tokens_take_nothing_from_the_prompt(examples):
    row = replace(examples.rows[0], text="information " * 215, prompt="Kathryn " * 200)
    plain = replace(examples, rows=[row], timestamp_rate=0.0, policy=PromptPolicy(own=1.0))
    dropping = replace(plain, bpe_dropout=0.3)
    example, other = dropping[ExampleIndex(0, 0)], plain[ExampleIndex(0, 0)]
    assert example.targets.count(IGNORE) == other.targets.count(IGNORE) > 100
    assert example.n_fallbacks == 1
