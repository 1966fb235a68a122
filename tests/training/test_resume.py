"""Stopping and resuming is the same run, whatever stops it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import torch
from helpers.audio import tone
from helpers.runs import (
    assert_same_run,
    lines,
    plan_of,
    train_until_signal,
)

from whisper_ft.config.train import TrainConfig
from whisper_ft.evaluation import decode_rows as evaluate
from whisper_ft.runtime import devices
from whisper_ft.training import run as running
from whisper_ft.training.loop import train
from whisper_ft.training.plan import SetupError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bf16(monkeypatch):
    """Any CPU may train in bf16, slowly where it emulates it, which the settings would refuse."""
    monkeypatch.setattr(devices, "_cpu_has_bf16", lambda: True)


def resumed(folder, *more):
    return plan_of(["--resume", str(folder), *more])


OFF, BF16, FP16 = ["--amp", "off"], ["--amp", "bf16"], ["--amp", "fp16", "--freeze-encoder"]


@pytest.mark.parametrize(
    ("flags", "stop_after"), [(OFF, 1), (OFF, 4), (BF16, 3), (FP16, 1), (FP16, 4)]
)
def test_three_steps_resume_and_four_more_are_the_floats_of_seven(
    argv, bf16, tmp_path, monkeypatch, flags, stop_after
):
    train(plan_of([*argv, *flags, "--out", str(tmp_path / "whole")]))
    real = running.train_step

    def stopping(model, batches, optimizer, scaler, amp_dtype):
        numbers = real(model, batches, optimizer, scaler, amp_dtype)
        if int(os.environ.get("STEPS", "0")) == stop_after - 1:
            signal.raise_signal(signal.SIGTERM)
        os.environ["STEPS"] = str(int(os.environ.get("STEPS", "0")) + 1)
        return numbers

    monkeypatch.setenv("STEPS", "0")
    with monkeypatch.context() as patch:
        patch.setattr(running, "train_step", stopping)
        result = train_until_signal(plan_of([*argv, *flags]))
    assert (result.reason, result.signal) == ("stopped", signal.SIGTERM)
    folder = tmp_path / "run"
    assert torch.load(folder / "state.pt")["progress"]["step"] == stop_after
    assert train(resumed(folder)).reason == "finished"
    assert_same_run(tmp_path / "whole", folder)


@pytest.mark.parametrize(("n_decoded", "last_whole"), [(4, 0), (8, 6)])  # the second, the last
def test_a_stop_in_an_evaluation_leaves_it_due(argv, tmp_path, monkeypatch, n_decoded, last_whole):
    argv[argv.index("--out") + 1] = str(tmp_path / "whole")
    train(plan_of(argv))
    argv[argv.index("--out") + 1] = str(tmp_path / "run")
    real, calls = evaluate.decode_rows, []

    def interrupted(model, prompted, **options):
        for i, sample in enumerate(real(model, prompted, **options)):
            calls.append(i)
            if len(calls) == n_decoded:
                signal.raise_signal(signal.SIGINT)
            yield sample

    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "decode_rows", interrupted)
        assert train_until_signal(plan_of(argv)).signal == signal.SIGINT
    folder = tmp_path / "run"
    assert max(s["step"] for s in lines(folder, "samples.jsonl")) == last_whole
    assert train(resumed(folder)).reason == "finished"
    assert_same_run(tmp_path / "whole", folder)


@pytest.mark.parametrize("name", ["config.json", "state.pt"])
def test_a_run_of_an_earlier_format_is_refused_and_its_best_checkpoint_opens(argv, tmp_path, name):
    """Format 1 had no number."""
    folder = tmp_path / "run"
    train(plan_of(argv))
    if name == "config.json":
        config = json.loads((folder / name).read_text())
        assert config.pop("format") == 2
        (folder / name).write_text(json.dumps(config))
    else:
        state = torch.load(folder / name, weights_only=True)
        assert state.pop("format") == 2
        torch.save(state, folder / name)
    with pytest.raises(SetupError) as refused:
        resumed(folder)
    words = f"{folder / name} was written by an earlier version (format 1); this version resumes "
    words += f"format 2: start a new run with --model {folder / 'best.pt'}"
    assert str(refused.value).removeprefix("--resume: ") == words
    argv[argv.index("--model") + 1] = str(folder / "best.pt")
    argv[argv.index("--out") + 1] = str(tmp_path / "new")
    assert train(plan_of(argv)).reason == "finished"


def test_a_run_of_a_later_format_is_refused(argv, tmp_path):
    plan_of(argv)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    (tmp_path / "run" / "config.json").write_text(json.dumps({**config, "format": 3}))
    with pytest.raises(SetupError, match=r"by another version \(format 3\).* resumes format 2"):
        resumed(tmp_path / "run")


def test_a_state_with_other_fields_is_refused(argv, tmp_path):
    train(plan_of(argv))
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    state["progress"]["best_wer"] = state["progress"].pop("best_score")
    torch.save(state, tmp_path / "run" / "state.pt")
    with pytest.raises(SetupError, match=r"state.pt: not a run's state .*: start a new run with"):
        resumed(tmp_path / "run")


def test_a_second_ctrl_c_does_not_wait(argv, tmp_path, monkeypatch):
    def twice(*_):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(running, "train_step", twice)
    with pytest.raises(KeyboardInterrupt):
        train_until_signal(plan_of(argv))


def test_killed_before_anything_was_saved_the_run_begins_again(argv, tmp_path, logged):
    plan_of(argv)  # config.json is written, and no more
    assert train(resumed(tmp_path / "run")).reason == "finished"
    assert "no state was saved yet" in logged()


@pytest.mark.parametrize("save_every", ["2", "200"])
@pytest.mark.parametrize("eval_every", ["3", "200"])
def test_a_trained_run_without_its_states_is_refused_and_kept(
    argv, tmp_path, save_every, eval_every
):
    argv[argv.index("--save-every") + 1] = save_every
    argv[argv.index("--eval-every") + 1] = eval_every
    folder = tmp_path / "run"
    train(plan_of(argv))
    for name in ("state.pt", "state.previous.pt"):
        (folder / name).unlink(missing_ok=True)
    kept = ("metrics.jsonl", "samples.jsonl", "last.pt", "best.pt")
    before = [(folder / name).read_bytes() for name in kept]
    with pytest.raises(SetupError) as refused:
        resumed(folder)
    assert str(refused.value) == (
        f"--resume: {folder}: state.pt and state.previous.pt are missing: restore one of them, or "
        f"start a new run with --model {folder / 'best.pt'}"
    )
    assert [(folder / name).read_bytes() for name in kept] == before


@pytest.mark.parametrize("save_every", ["1", "200"])
def test_killed_within_its_first_save_a_run_begins_again(argv, tmp_path, monkeypatch, save_every):
    argv[argv.index("--save-every") + 1] = save_every
    argv[argv.index("--out") + 1] = str(tmp_path / "whole")
    train(plan_of(argv))
    argv[argv.index("--out") + 1] = str(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(running, "save_state", lambda *_: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            train(plan_of(argv))
    assert (tmp_path / "run" / "last.pt").exists()
    assert train(resumed(tmp_path / "run")).reason == "finished"
    assert_same_run(tmp_path / "whole", tmp_path / "run")


def test_killed_within_its_only_save_a_run_begins_again(argv, tmp_path):
    """That is after its last step: a state that was being written tells it from a lost one."""
    argv[argv.index("--save-every") + 1] = argv[argv.index("--eval-every") + 1] = "200"
    train(plan_of(argv))
    (tmp_path / "run" / "state.pt").rename(tmp_path / "run" / "state.pt.partial")
    assert train(resumed(tmp_path / "run")).n_steps == 7


def test_settings_may_be_paths(corpus, model_path, tmp_path):
    out, manifests = tmp_path / "run", {"train": [corpus[0]], "dev": (corpus[1],)}
    config = TrainConfig(model=model_path, **manifests, out=out, lr=1e-3, max_steps=1, workers=0)
    assert train(config).reason == "finished"
    assert train(TrainConfig(resume=out)).reason == "finished"


def test_more_workers_give_the_same_run(argv, tmp_path):
    train(plan_of(argv))
    argv[argv.index("--out") + 1] = str(tmp_path / "other")
    argv[argv.index("--workers") + 1] = "2"
    train(plan_of(argv))
    assert_same_run(tmp_path / "run", tmp_path / "other")


def test_a_resumed_run_keeps_its_settings_and_its_manifests(argv, corpus, tmp_path):
    train(plan_of(argv))
    folder = tmp_path / "run"
    with pytest.raises(ValueError, match=r"--lr: a resumed run keeps .*\n--max-steps: a resumed"):
        resumed(folder, "--lr", "1e-5", "--max-steps", "9")
    assert resumed(folder, "--workers", "1", "--save-every", "5").config.save_every == 5
    corpus[0].write_text(corpus[0].read_text() + "\n")
    with pytest.raises(ValueError, match=r"train.jsonl: changed since the run began"):
        resumed(folder)
    with pytest.raises(ValueError, match="no such folder"):
        resumed(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no run"):
        resumed(tmp_path)


def test_a_resumed_run_keeps_its_noises(argv, corpus, tmp_path):
    noises = tmp_path / "noises"
    noises.mkdir()
    soundfile.write(noises / "a.wav", tone(1.0), 16000)
    plan_of([*argv, "--noise", str(noises)])
    assert resumed(tmp_path / "run").examples.augmentation.noise == str(noises)
    soundfile.write(noises / "b.wav", tone(1.0), 16000)
    with pytest.raises(ValueError, match=r"noises: changed since the run began"):
        resumed(tmp_path / "run")


def test_a_run_resumes_only_with_keywords_from_the_same_source(argv, tmp_path):
    terms = tmp_path / "terms.txt"
    terms.write_text("Kathryn\nAnn\n")
    plan = plan_of([*argv, "--glossary", str(terms)])
    assert plan.examples.policy.glossary == ("Kathryn", "Ann")
    assert resumed(tmp_path / "run").config.glossary == str(terms)
    terms.write_text("Kathryn\nReid\n")
    with pytest.raises(ValueError, match=r"by manifest and glossary \w+ when the run began"):
        resumed(tmp_path / "run")
    terms.unlink()
    with pytest.raises(ValueError, match=r"terms.txt: gone since the run began: .* --glossary NEW"):
        resumed(tmp_path / "run")


def test_a_run_that_left_rows_out_resumes_only_with_the_same_ones(argv, corpus, tmp_path):
    train(plan_of([*argv, "--skip-bad-rows"]))
    (corpus[0].parent / "2.wav").unlink()
    with pytest.raises(
        ValueError, match=r"usable rows changed .*5 for training.*4 for training.*restore"
    ):
        resumed(tmp_path / "run")


def test_a_finished_run_resumed_says_so_and_changes_nothing(argv, tmp_path, logged):
    train(plan_of(argv))
    before = (tmp_path / "run" / "state.pt").read_bytes()
    logged()
    assert train(resumed(tmp_path / "run")).message.startswith("best.pt is from step")
    assert logged() == f"{tmp_path / 'run'}: already finished, at step 7"
    assert (tmp_path / "run" / "state.pt").read_bytes() == before


def test_a_run_resumes_from_any_folder(argv, corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv[3], argv[5] = "train.jsonl", "dev.jsonl"
    plan_of(argv)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert resumed(tmp_path / "run").examples.rows


def test_a_damaged_config_and_an_empty_name_are_refused(argv, tmp_path):
    plan_of(argv)
    (tmp_path / "run" / "config.json").write_text('{"settings": ')
    with pytest.raises(ValueError, match=r"config.json: damaged"):
        resumed(tmp_path / "run")
    command = [sys.executable, str(ROOT / "train.py"), "--resume", ""]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and "holds no run" in done.stderr


def test_a_state_of_another_precision_resumes_with_a_warning(argv, tmp_path, bf16, logged):
    """As when a run of a CPU goes on on a GPU whose `auto` is fp16."""
    train(plan_of([*argv, "--amp", "bf16"]))
    config = tmp_path / "run" / "config.json"
    config.write_text(config.read_text().replace('"amp": "bf16"', '"amp": "fp16"'))
    assert train(resumed(tmp_path / "run")).reason == "finished"
    assert "precision was torch.bfloat16, is torch.float16" in logged()


def test_strict_resume_alone_is_refused(argv):
    with pytest.raises(ValueError, match="--strict-resume: needs --resume"):
        plan_of([*argv, "--strict-resume"])
