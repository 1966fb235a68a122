"""A frozen encoder's features: computed once, never taken for others, and the same losses."""

import errno
import io
import math
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from helpers.audio import tone
from helpers.models import random_whisper
from helpers.runs import lines, plan_of

from whisper_ft.data import feature_cache as features
from whisper_ft.data.feature_cache import (
    TAIL,
    FeatureCache,
    feature_bytes,
    read_features,
    write_features,
)
from whisper_ft.data.row import Row
from whisper_ft.text.tokens import Segment
from whisper_ft.training import encoder_pass as encoding
from whisper_ft.training.encoder_pass import encode_rows
from whisper_ft.training.loop import train
from whisper_ft.training.plan import SetupError


@pytest.fixture
def frozen(argv, tmp_path):
    """Flags of a run with a frozen encoder, into a folder of this name."""

    def flags(out, *more):
        argv[argv.index("--out") + 1] = str(tmp_path / out)
        return [*argv, "--freeze-encoder", *more]

    return flags


def kept(tmp_path):
    return {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}


def test_a_resumed_run_names_a_broken_cache_and_accepts_another(frozen, tmp_path):
    cache = tmp_path / "cache"
    train(plan_of(frozen("run", "--feature-cache", str(cache))))
    cache.rename(tmp_path / "moved")
    cache.write_text("a file by now")
    resume = ["--resume", str(tmp_path / "run")]
    with pytest.raises(SetupError, match=r"--feature-cache: .*cannot be written"):
        plan_of(resume)
    assert not plan_of([*resume, "--feature-cache", str(tmp_path / "moved")]).missing_features
    with pytest.raises(SetupError, match=r"need 0\.\d+ GB, and 0\.000 GB may"):
        plan_of([*resume, "--feature-cache", str(tmp_path / "n"), "--feature-cache-gb", "1e-6"])


def test_audio_that_cannot_be_read_for_its_cache_is_named(frozen, tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(features, "_content_digest", refuse)
    with pytest.raises(SetupError, match=r"\.wav: cannot be read \(Permission denied\)"):
        plan_of(frozen("run", "--feature-cache", str(tmp_path / "cache")))


@pytest.mark.parametrize("amp", ["off", "bf16"])
def test_the_losses_are_those_without_a_cache(frozen, tmp_path, amp):
    train(plan_of(frozen("plain", "--amp", amp)))
    train(plan_of(frozen("cached", "--amp", amp, "--feature-cache", str(tmp_path / "cache"))))
    plain, cached = (
        [line["loss"] for line in lines(tmp_path / out) if line["kind"] == "step"]
        for out in ("plain", "cached")
    )
    assert len(kept(tmp_path)) == 5
    assert cached == pytest.approx(plain, rel=1e-4)


def test_a_second_run_computes_only_what_is_missing(frozen, tmp_path, logged):
    cache = ["--feature-cache", str(tmp_path / "cache")]
    train(plan_of(frozen("first", *cache)))
    assert "5 audio segments, 5 of them to be encoded" in logged()
    before = kept(tmp_path)
    next(iter(before)).write_bytes(b"cut off")
    train(plan_of(frozen("second", *cache)))
    assert "5 audio segments, 1 of them to be encoded" in logged()
    after = kept(tmp_path)
    assert sum(after[path] != before[path] for path in before) == 1 and set(after) == set(before)
    assert {path.stat().st_size for path in after} == {feature_bytes(random_whisper().dims)}


def test_the_audio_of_an_example_names_its_file(tmp_path):
    cache = FeatureCache(tmp_path, random_whisper().encoder, "float32")
    soundfile.write(tmp_path / "a.wav", tone(2.0), 16000)
    soundfile.write(tmp_path / "b.wav", tone(2.0), 16000)
    soundfile.write(tmp_path / "c.wav", tone(2.0, hertz=500), 16000)
    a = Row(tmp_path / "a.wav", "Hello.", duration=2.0)
    same = [a, replace(a, audio=tmp_path / "b.wav"), replace(a, text="Bye.", prompt="Jo")]
    others = [
        *(replace(a, audio=tmp_path / "c.wav"), replace(a, start=0.5), replace(a, channel=0)),
        *(replace(a, end=1.0), replace(a, parts=(a, a))),
    ]
    assert len({cache.path(row, timestamps=True) for row in same}) == 1
    assert len({cache.path(row, timestamps=True) for row in [a, *others]}) == 6
    cut = replace(a, segments=(Segment(0.0, 1.0, "Hel"), Segment(1.0, 2.5, "lo.")))
    assert cache.path(cut, timestamps=True) == cache.path(a, timestamps=True)
    assert cache.path(cut, timestamps=False) != cache.path(a, timestamps=False)
    soundfile.write(tmp_path / "b.wav", tone(2.1), 16000)
    assert cache.path(same[1], timestamps=True) != cache.path(a, timestamps=True)


def test_other_weights_or_precision_have_a_folder_of_their_own(tmp_path):
    encoders = [random_whisper(seed=seed).encoder for seed in (0, 0, 1)]
    folders = [FeatureCache(tmp_path, encoder, "float32").folder for encoder in encoders]
    assert folders[0] == folders[1] != folders[2]
    assert FeatureCache(tmp_path, encoders[0], "bfloat16").folder != folders[0]


def test_features_are_read_in_float16_with_the_seconds(tmp_path):
    features = torch.randn(1500, 4).to(torch.bfloat16)
    write_features(tmp_path / "1.npy", features, 1.25)
    read, seconds = read_features(tmp_path / "1.npy")
    assert read.dtype == torch.float16 and torch.equal(read, features.half()) and seconds == 1.25


def test_concurrent_writers_of_the_same_features_do_no_harm(tmp_path):
    path, features = tmp_path / "1.npy", torch.randn(1500, 16).half()

    def write_and_read(_):
        write_features(path, features, 2.0)
        read, seconds = read_features(path)
        return torch.equal(read, features) and seconds == 2.0

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(write_and_read, range(200)))
    assert [file.name for file in tmp_path.iterdir()] == ["1.npy"]


def test_stopping_leaves_only_complete_files(frozen, tmp_path):
    plan = plan_of(frozen("run", "--feature-cache", str(tmp_path / "cache")))
    asked = iter([False, True])
    encode_rows(
        *(plan.loaded.model, plan.examples, plan.missing_features),
        amp_dtype=None, batch_size=2, workers=0, stop=lambda: next(asked),
    )  # fmt: skip
    assert len(kept(tmp_path)) == 2
    assert all(np.load(path).shape == (1500, 32) for path in kept(tmp_path))


def test_augmentation_disables_the_cache_with_a_message(frozen, tmp_path, logged):
    cache = ["--feature-cache", str(tmp_path / "cache")]
    plan = plan_of(frozen("run", *cache, "--spec-augment"))
    assert plan.examples.feature_paths is None and not plan.missing_features
    assert "--feature-cache is not used: augmentation" in logged()


def test_unwritable_features_end_the_run_with_an_error(frozen, tmp_path, monkeypatch):
    plan = plan_of(frozen("run", "--feature-cache", str(tmp_path / "cache")))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(encoding, "write_features", full)
    result = train(plan)
    assert result.reason == "failed" and "whisper-ft train --resume" in result.message
    assert "cache: No space left on device: free disk space" in result.message
    monkeypatch.undo()
    assert train(plan_of(["--resume", str(tmp_path / "run")])).reason == "finished"


def test_a_folder_that_cannot_be_a_cache_is_refused(frozen, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match=r"--feature-cache: .*file: cannot be written \(.*\)"):
        plan_of(frozen("run", "--feature-cache", str(tmp_path / "file")))


def test_a_cache_needs_a_frozen_encoder_and_disk_space(frozen, argv, tmp_path):
    cache = ["--feature-cache", str(tmp_path / "cache")]
    with pytest.raises(SetupError, match="add --freeze-encoder"):
        plan_of([*argv, *cache, "--learn", "texts"])
    with pytest.raises(SetupError, match=r"5 rows need 0\.000 GB, and 0\.000 GB may be written"):
        plan_of(frozen("run", *cache, "--feature-cache-gb", "1e-6"))


def test_a_complete_file_without_features_is_refused(tmp_path):
    archive, features = io.BytesIO(), io.BytesIO()
    np.savez(archive, a=np.zeros(3))
    np.save(features, np.zeros((1500, 4), np.float16))
    for content, seconds in (
        (archive, 1.0),
        (features, math.nan),
        (features, -1.0),
        (features, 1e9),
    ):
        packed = content.getvalue()
        (tmp_path / "1.npy").write_bytes(packed + TAIL.pack(seconds, zlib.crc32(packed)))
        with pytest.raises(ValueError, match="not features"):
            read_features(tmp_path / "1.npy")
