"""Batches that fit in memory; a lack of memory for a model or a state."""

import pytest
from helpers.models import random_whisper
from helpers.runs import plan_of, train_command
from torch.optim import AdamW
from whisper.model import Whisper

from whisper_ft.models.memory_estimate import estimate_peak_bytes
from whisper_ft.training import capacity
from whisper_ft.training.loop import train
from whisper_ft.training.plan import SetupError


def with_room_for(monkeypatch, n_rows, dims):
    sizes = [estimate_peak_bytes(dims, n, amp_dtype=None) for n in (1, 2)]
    needed = sizes[0] + (n_rows - 1) * (sizes[1] - sizes[0]) + 1
    monkeypatch.setattr(capacity, "free_bytes", lambda _: needed)


@pytest.mark.parametrize(("n_fit", "size"), [(100, 16), (15, 8), (7, 4), (1, 1)])
def test_the_batch_is_the_largest_part_of_a_step_that_fits(argv, monkeypatch, n_fit, size):
    with_room_for(monkeypatch, n_fit, random_whisper().dims)
    argv[argv.index("--batch-size") + 1] = "auto"  # and --accumulate 2
    plan = plan_of([*argv, "--amp", "off", "--learn", "texts", "--contrast", "0"])
    assert (plan.config.batch_size, plan.step_size) == (size, 16)


def test_a_run_with_a_batch_that_was_found_is_saved_with_its_size(argv, tmp_path, logged):
    argv[argv.index("--batch-size") + 1] = "auto"
    assert train(plan_of([*argv, "--max-steps", "1"])).reason == "finished"
    assert "--batch-size auto: 16 rows per pass, 1 passes per step, in at most" in logged()
    assert '"batch_size": 16' in (tmp_path / "run" / "config.json").read_text()


def test_where_not_one_row_fits_the_message_names_what_needs_less(argv, monkeypatch):
    monkeypatch.setattr(capacity, "free_bytes", lambda _: 1e6)
    argv[argv.index("--batch-size") + 1] = "auto"
    needed = r"one row needs .* are free: add --gradient-checkpointing or "
    with pytest.raises(SetupError, match=f"{needed}add --contrast 0 or use a smaller model"):
        plan_of(argv)
    with pytest.raises(SetupError, match=f"{needed}add --freeze-encoder or add --contrast 0 or"):
        plan_of([*argv, "--learn", "texts", "--out", f"{argv[-1]}2"])


def full(*_, **__):
    raise RuntimeError("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation'")


@pytest.mark.parametrize("what", ["load_state_dict", "to"])
def test_too_little_memory_for_the_model_ends_with_advice(what, argv, run, monkeypatch):
    monkeypatch.setattr(Whisper, what, full)
    assert train_command(argv) == 1
    status, said = run("evaluate", argv[1], argv[argv.index("--dev") + 1])
    assert status == 1
    assert said.count("out of memory (") == said.count("choose another --device") == 2, said


def test_too_little_for_the_state_of_a_run_is_not_another_version(argv, monkeypatch, capsys):
    assert train_command([*argv, "--max-steps", "1"]) == 0
    capsys.readouterr()
    for whose in (AdamW, Whisper):
        with monkeypatch.context() as patch:
            patch.setattr(whose, "load_state_dict", full)
            assert train_command(["--resume", argv[argv.index("--out") + 1]]) == 1
        said = capsys.readouterr().err
        assert said.startswith("out of memory (") and "version" not in said
