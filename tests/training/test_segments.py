"""Segments for training rows that have none."""

import pytest
import torch
from helpers.audio import write_damaged, write_tone
from helpers.manifests import write_manifest
from helpers.runs import assert_same_run, plan_of

from whisper_ft.prepare import row_segments
from whisper_ft.training import settings
from whisper_ft.training.loop import train
from whisper_ft.training.plan import SetupError

TEXT = "one two three four five six seven eight"


@pytest.fixture
def flags(argv, tmp_path, monkeypatch):
    """Flags of a run with rows of 6 s, one of which has segments, and a row of 2 s."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows = []
    for i, seconds in enumerate((6.0, 6.0, 2.0)):
        write_tone(tmp_path / f"long{i}.wav", seconds, hertz=200 + 50 * i)
        rows.append({"audio": f"long{i}.wav", "text": TEXT})
    rows[1]["segments"] = [{"start": 0, "end": 6, "text": TEXT}]
    manifest = write_manifest(tmp_path / "long.jsonl", rows)
    argv[argv.index("--train") + 1] = str(manifest)
    return [*argv, "--segments", "auto"]


def test_long_rows_without_segments_get_them_and_others_stay(flags, logged):
    rows = plan_of(flags).examples.rows
    assert rows[0].segments and " ".join(s.text for s in rows[0].segments) == TEXT
    assert rows[0].segments[-1].end <= 6.0
    assert len(rows[1].segments) == 1 and not rows[2].segments
    said = logged()
    assert "1 row of 5 s or more without segments: the model before training" in said
    assert "1 row divided into" in said


def test_rows_in_which_none_are_found_are_named(flags, tmp_path, logged):
    manifest = tmp_path / "long.jsonl"
    text = " ".join(["word"] * 224)
    write_manifest(manifest, [{"audio": "long0.wav", "text": text, "keywords": ["word"]}])
    assert not plan_of(flags).examples.rows[0].segments
    said = logged()
    assert "no segments were found in 1 row, which will be one segment each" in said
    assert f"{manifest}:1: the text has 224 tokens" in said


def test_rows_whose_audio_turns_out_unreadable_are_told_before_the_first_step(flags, tmp_path):
    sound = tmp_path / "damaged.flac"
    write_damaged(sound)
    rows = [{"audio": sound.name, "text": TEXT, "keywords": ["two"]}]
    manifest = write_manifest(tmp_path / "long.jsonl", rows)
    with pytest.raises(SetupError, match=f"{manifest}:1: .*libsndfile cannot read it"):
        plan_of(flags)


def test_the_ends_within_packed_rows_are_known_if_those_of_each_part_are(flags, tmp_path):
    rows = [{"audio": f"long{i}.wav", "text": TEXT, "recording": "r"} for i in range(2)]
    flags[flags.index("--train") + 1] = str(write_manifest(tmp_path / "parts.jsonl", rows))
    packed = [*flags, "--pack", "recording", "--segments"]
    (unknown,) = plan_of([*packed, "off", "--out", str(tmp_path / "a")]).examples.rows
    (known,) = plan_of([*packed, "auto", "--out", str(tmp_path / "b")]).examples.rows
    assert (len(unknown.parts), len(known.parts)) == (2, 2)
    assert (unknown.knows_segments, known.knows_segments) == (False, True)


def test_without_the_setting_such_a_row_is_one_segment(flags):
    rows = plan_of([*flags[:-1], "off"]).examples.rows
    assert not rows[0].segments


def test_a_resumed_run_reads_what_was_found_and_trains_on_the_same(flags, tmp_path, monkeypatch):
    train(plan_of([*flags, "--out", str(tmp_path / "whole")]))
    plan = plan_of([*flags, "--out", str(tmp_path / "cut")])
    segments = plan.examples.rows[0].segments
    plan.lock.close()  # as if it were killed before its first step
    with monkeypatch.context() as patch:
        patch.setattr(row_segments, "find_segments", None)  # would fail
        resumed = plan_of(["--resume", str(tmp_path / "cut")])
        assert resumed.examples.rows[0].segments == segments
        train(resumed)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_a_run_that_goes_on_in_another_precision_keeps_its_segments(flags, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "pick_amp", lambda name, device: torch.bfloat16)
    plan = plan_of(flags)
    plan.lock.close()
    monkeypatch.setattr(settings, "pick_amp", lambda name, device: None)  # hardware without bf16
    monkeypatch.setattr(row_segments, "find_segments", None)  # would fail
    resumed = plan_of(["--resume", str(tmp_path / "run")])
    assert resumed.amp_dtype is None
    assert resumed.examples.rows[0].segments == plan.examples.rows[0].segments
