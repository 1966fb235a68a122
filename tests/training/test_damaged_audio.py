"""Audio that is damaged in its middle: every check passes, and reading it fails."""

import json
from pathlib import Path

import pytest
from helpers.audio import write_damaged, write_tone
from helpers.runs import lines, plan_of, trajectory

from whisper_ft.training.loop import train
from whisper_ft.training.plan import SetupError

TEXT = "one two three four five six seven eight"


def add_row(manifest, **fields):
    with manifest.open("a") as file:
        file.write(json.dumps({"audio": "damaged.flac", "text": TEXT} | fields) + "\n")


@pytest.fixture
def damaged(argv):
    """Add a damaged row to the training rows; return (flags, the row's place)."""
    manifest = Path(argv[argv.index("--train") + 1])
    write_damaged(manifest.parent / "damaged.flac")
    add_row(manifest)
    flags = [*argv, "--segments", "off", "--eval-every", "7", "--max-steps", "9"]
    return flags, f"{manifest}:{len(manifest.read_text().splitlines())}"


def test_the_run_stops_and_goes_on_with_another_row(damaged, tmp_path, logged):
    flags, place = damaged
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    result = train(plan_of([*flags, "--out", str(stopped)]))
    assert result.reason == "failed" and f"{place}: " in result.message
    assert f"--resume {stopped} --skip-bad-rows" in result.message
    logged()
    assert train(plan_of(["--resume", str(stopped), "--skip-bad-rows"])).reason == "finished"
    assert logged().count(f"left out, another row stands in for it: {place}: ") == 1
    assert sum(line.get("n_unreadable", 0) for line in lines(stopped)) >= 2
    workers = ["--workers", "2", "--skip-bad-rows", "--out", str(whole)]
    assert train(plan_of([*flags, *workers])).reason == "finished"
    assert trajectory(stopped) == trajectory(whole)
    config = json.loads((stopped / "config.json").read_text())
    assert config["settings"]["skip_bad_rows"]  # for the next resume


def test_features_of_the_other_rows_are_cached(damaged, tmp_path, logged):
    flags, place = damaged
    cache = ["--freeze-encoder", "--feature-cache", str(tmp_path / "features")]
    assert train(plan_of([*flags, *cache])).reason == "failed"
    more = ["--skip-bad-rows", "--out", str(tmp_path / "other")]
    assert train(plan_of([*flags, *cache, *more])).reason == "finished"
    assert f"left out, another row stands in for it: {place}: " in logged()


def test_a_run_in_which_no_row_can_be_read_stops(damaged, tmp_path):
    flags, place = damaged
    manifest = Path(place.rpartition(":")[0])
    manifest.write_text("")
    add_row(manifest)
    result = train(plan_of([*flags, "--skip-bad-rows"]))
    assert result.reason == "failed" and f"{manifest}:1: " in result.message
    assert "stand in for such rows" not in result.message  # it was tried


@pytest.mark.parametrize("split", ["--dev", "--others"])
def test_rows_to_evaluate_are_read_before_training(damaged, split, tmp_path, logged):
    flags, _ = damaged
    dev = Path(flags[flags.index("--dev") + 1])
    manifest = dev.with_name("evaluated.jsonl")
    manifest.write_text("".join(4 * dev.read_text().splitlines(keepends=True)))
    add_row(manifest)
    add_row(manifest, end=19.0)
    with pytest.raises(SetupError) as refused:
        plan_of([*flags, split, str(manifest)])
    n = len(manifest.read_text().splitlines())
    assert f"{manifest}:{n - 1}: " in str(refused.value)
    assert f"{manifest}:{n}: " in str(refused.value)
    plan = plan_of([*flags, split, str(manifest), "--skip-bad-rows"])
    rows = {"--dev": plan.dev, "--others": plan.others}[split].rows
    assert len(rows) == n - 2 and not any("damaged" in str(row.audio) for row in rows)
    assert f"left out: {manifest}:{n}: " in logged()


def test_recordings_to_check_are_read_before_training(damaged, tmp_path):
    flags, _ = damaged
    dev = Path(flags[flags.index("--dev") + 1])
    write_tone(dev.parent / "long.wav", 90.0)
    rows = [
        {
            "audio": "long.wav",
            "text": TEXT,
            "recording": "r",
            "start": 20.0 * i,
            "end": 20.0 * i + 20,
        }
        for i in range(4)
    ]
    manifest = dev.with_name("recordings.jsonl")
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows[:2]))
    add_row(manifest, recording="r")
    with manifest.open("a") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows[2:]))
    flags = [*flags, "--dev", str(manifest), "--eval-rows", "1", "--longform-minutes", "3"]
    with pytest.raises(SetupError, match=f"{manifest}:3: "):
        plan_of(flags)
    plan = plan_of([*flags, "--skip-bad-rows"])
    parts = [part.place for row in plan.recordings.rows for part in row.parts]
    assert parts == [f"{manifest}:{line}" for line in (1, 2, 4, 5)]


def test_a_damaged_row_has_no_segments_to_find(damaged, tmp_path, monkeypatch, logged):
    flags, place = damaged
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    auto = [*flags, "--segments", "auto"]
    with pytest.raises(SetupError, match=f"{place}: "):
        plan_of(auto)
    assert train(plan_of([*auto, "--skip-bad-rows"])).reason == "finished"
    assert f"left out: {place}: " in logged()
