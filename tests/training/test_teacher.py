"""The model before training, as a teacher."""

import signal

import pytest
import torch
from helpers.models import random_whisper
from helpers.runs import assert_same_run, lines, plan_of, train_until_signal

from whisper_ft.training import capacity, teacher
from whisper_ft.training import run as running
from whisper_ft.training.loop import train
from whisper_ft.training.plan import SetupError, describe_plan

TAUGHT = ["--kl-weight", "1"]


def losses(folder):
    return [line["loss"] for line in lines(folder) if line["kind"] == "step"]


def test_a_teacher_changes_nothing_in_the_first_step_and_holds_the_model_later(argv, tmp_path):
    prompts = ["--prompts", "own=0", "--amp", "off", "--lr", "1e-2", "--timestamp-rate", "0"]
    free = train(plan_of([*argv, *prompts]))
    held = train(plan_of([*argv, *prompts, "--kl-weight", "10", "--out", str(tmp_path / "held")]))
    one, other = losses(free.folder), losses(held.folder)
    # The model is its own teacher still; what is left is rounding, ten times that of one loss.
    assert one[0] == pytest.approx(other[0], rel=1e-4)
    stock = random_whisper().state_dict()

    def moved(result):
        tuned = torch.load(result.folder / "state.pt", weights_only=True)["model"]
        return sum(float((tuned[name] - stock[name]).norm()) for name in tuned)

    assert moved(held) < moved(free)


@pytest.mark.parametrize("more", [[], ["--freeze-encoder"]])
def test_a_resumed_run_has_the_same_teacher(argv, tmp_path, more, monkeypatch):
    flags = [*argv, *TAUGHT, *more]
    train(plan_of([*flags, "--out", str(tmp_path / "whole")]))
    steps, real = [], running.train_step

    def stopping(*args):
        steps.append(real(*args))
        if len(steps) == 4:
            signal.raise_signal(signal.SIGTERM)
        return steps[-1]

    with monkeypatch.context() as patch:
        patch.setattr(running, "train_step", stopping)
        assert train_until_signal(plan_of([*flags, "--out", str(tmp_path / "cut")])).n_steps == 4
    train(plan_of(["--resume", str(tmp_path / "cut")]))
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_a_teacher_that_does_not_fit_is_left_out_in_words(argv, monkeypatch, logged):
    monkeypatch.setattr(capacity, "free_bytes", lambda _: 1e6)
    plan = plan_of([*argv, *TAUGHT])
    assert plan.teacher is None and plan.config.kl_weight == 0 and plan.config.text_weight == 1
    assert "learns all words of the rows alike, in the layers of --learn terms" in describe_plan(
        plan
    )
    said = logged()
    assert "--kl-weight 1: a step with a teacher needs" in said and "without a teacher" in said


def test_a_frozen_encoder_is_not_copied(argv):
    plan = plan_of([*argv, *TAUGHT, "--freeze-encoder", "--amp", "bf16"])
    assert plan.teacher.encoder is None
    assert plan.teacher.decoder.token_embedding.weight.dtype == torch.bfloat16
    dims = plan.loaded.model.dims
    n = sum(p.numel() for p in plan.loaded.model.decoder.parameters())
    sizes = [teacher.teacher_bytes(plan.config, torch.bfloat16, dims, n_rows=r) for r in (0, 1)]
    assert sizes[0] == 2 * n and sizes[1] > 2 * n


def test_a_resumed_run_whose_teacher_is_lost_is_refused(argv, tmp_path, monkeypatch):
    real = running.train_step

    def stopping(*args):
        signal.raise_signal(signal.SIGTERM)
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(running, "train_step", stopping)
        train_until_signal(plan_of([*argv, *TAUGHT, "--max-steps", "2"]))
    torch.save({}, argv[1])
    with pytest.raises(
        SetupError,
        match=r"changed since the run began\. It is the teacher of --kl-weight: restore it",
    ):
        plan_of(["--resume", str(tmp_path / "run")])
