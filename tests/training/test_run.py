"""A run in progress."""

import pytest
from helpers.runs import (
    plan_of,
    trajectory,
)

from whisper_ft.training import run as running
from whisper_ft.training.loop import train
from whisper_ft.training.step import OutOfMemoryError


def test_where_memory_runs_short_the_same_steps_are_taken_in_smaller_parts(
    argv, tmp_path, monkeypatch, logged
):
    real, sizes = running.train_step, []

    def short(model, batches, *rest):
        sizes.append([len(batch.places) for batch in batches])
        if len(sizes) > 2 and max(sizes[-1]) > 1:
            raise OutOfMemoryError(2, RuntimeError("no memory"))
        return real(model, batches, *rest)

    argv += ["--amp", "off"]  # rounding in bf16 depends on the parts
    train(plan_of(argv))
    argv[argv.index("--out") + 1] = str(tmp_path / "short")
    monkeypatch.setattr(running, "train_step", short)
    assert train(plan_of(argv)).reason == "finished"
    assert sizes[2:4] == [[2, 2], [1, 1, 1, 1]] and sizes[-1] == [1, 1, 1, 1]
    warning = "step 3: out of memory (no memory) with 2 rows per pass; continuing with 1 "
    assert warning + "(effective batch unchanged)" in logged()
    logs = [trajectory(tmp_path / out) for out in ("run", "short")]
    losses = [[line["loss"] for line in log if line["kind"] == "step"] for log in logs]
    assert losses[1] == pytest.approx(losses[0], rel=2e-3)
