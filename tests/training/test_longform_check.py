"""Whole recordings at a run's end."""

import json
import signal

import pytest
from helpers.audio import write_tone
from helpers.manifests import write_manifest
from helpers.runs import assert_same_run, lines, plan_of, train_until_signal

from whisper_ft.evaluation.logged_longform import LoggedLongform
from whisper_ft.runtime.files import append_json_lines
from whisper_ft.training import longform_check
from whisper_ft.training.log import longform_of
from whisper_ft.training.loop import train


@pytest.fixture
def flags(argv, tmp_path):
    """Flags of a short run whose dev rows are two recordings of 36 s each."""
    rows = []
    for recording in ("talk", "call"):
        for i in range(3):
            name = f"{recording}{i}.wav"
            write_tone(tmp_path / name, 12.0, hertz=200 + 40 * i)
            rows.append({"audio": name, "text": f"Ask {recording} {i} now.",
                         "keywords": [recording], "recording": recording})  # fmt: skip
    argv[argv.index("--dev") + 1] = str(write_manifest(tmp_path / "long.jsonl", rows))
    return [*argv, "--max-steps", "2", "--eval-rows", "2"]


def checks(folder):
    return [line for line in lines(folder) if line["kind"] == "longform"]


def test_a_run_ends_with_whole_recordings_scored_beside_stock(flags, logged):
    result = train(plan_of(flags))
    (line,) = checks(result.folder)
    assert json.loads(json.dumps(LoggedLongform.from_json(line).to_json())) == line
    checked = longform_of(result.folder)
    for scores in (checked.stock, checked.tuned):
        assert scores.n_recordings == 2 and set(scores.by_condition) == {"none", "right_carried"}
    said = logged()
    assert "at the end 1.2 minutes of dev recordings are transcribed" in said
    assert "whole recordings, stock" in said and "whole recordings, best.pt" in said
    assert "\nwhole recordings: WER " in result.message


def test_what_is_worse_than_stock_is_a_warning(flags, logged, monkeypatch):
    monkeypatch.setattr(longform_check, "describe_longform_change", lambda *_: ["1 new loop"])
    result = train(plan_of(flags))
    assert "best.pt is worse than stock in whole recordings: 1 new loop" in logged()
    assert "1 warning above" in result.message


def test_stopped_in_the_check_a_resumed_run_does_it_once(flags, tmp_path, monkeypatch):
    train(plan_of([*flags, "--out", str(tmp_path / "whole")]))
    real, calls = longform_check.transcribe_recording, []

    def stopping(*args):
        calls.append(args)
        if len(calls) == 3:  # stock is done
            signal.raise_signal(signal.SIGTERM)
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(longform_check, "transcribe_recording", stopping)
        result = train_until_signal(plan_of([*flags, "--out", str(tmp_path / "cut")]))
    assert result.reason == "stopped" and not checks(result.folder)
    assert train(plan_of(["--resume", str(tmp_path / "cut")])).reason == "finished"
    assert len(checks(tmp_path / "cut")) == 1
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    assert train(plan_of(["--resume", str(tmp_path / "cut")])).reason == "finished"
    assert len(checks(tmp_path / "cut")) == 1


def test_a_recording_whose_prompt_transcribe_refuses_is_left_out_and_said(flags, tmp_path, logged):
    manifest = tmp_path / "long.jsonl"
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    write_manifest(manifest, [{**row, "prompt": "Use <|endoftext|>."} for row in rows[:3]])
    plan = plan_of(flags)
    assert not plan.recordings.rows
    assert "1 dev recording with <|...|> in a prompt, which stock transcribe() refuses" in logged()
    assert train(plan).reason == "finished"


def test_a_check_of_weights_that_were_mixed_later_does_not_count(flags):
    folder = train(plan_of(flags)).folder
    assert longform_of(folder)
    append_json_lines(folder / "metrics.jsonl", [{"kind": "interpolation", "step": 2}])
    assert longform_of(folder) is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--longform-minutes", "0"], ""),
        (["--dev"], "whole recordings will not be checked: no dev"),
    ],
)
def test_without_recordings_or_minutes_there_is_no_check(argv, flags, more, said, logged, corpus):
    if more == ["--dev"]:
        more = ["--dev", str(corpus[1])]
    result = train(plan_of([*flags, *more]))
    assert not checks(result.folder) and said in logged()
    assert "whole recordings: WER" not in result.message
