"""What there is room for: batches that fit, steps that stay, disks that are not filled."""

import resource
from dataclasses import replace

import psutil
import pytest
import torch
from helpers.models import random_whisper
from helpers.runs import lines, plan_of, train_command
from torch.optim import AdamW
from whisper.model import ModelDimensions, Whisper

from whisper_ft.models.layers import use_activation_checkpointing, use_fast_layers
from whisper_ft.models.loading import load_dims
from whisper_ft.models.memory_estimate import estimate_backward_bytes, estimate_peak_bytes
from whisper_ft.runtime.out_of_memory import describe_out_of_memory, free_bytes, is_out_of_memory
from whisper_ft.training import capacity
from whisper_ft.training.loop import train
from whisper_ft.training.plan import SetupError


@pytest.mark.slow
def test_what_a_step_needs_grows_with_rows_and_shrinks_with_what_is_not_kept():
    dims = replace(load_dims("tiny"), n_audio_layer=2, n_text_layer=2)
    one, two, three = (estimate_backward_bytes(dims, n) for n in (1, 2, 3))
    assert two - one == pytest.approx(three - two, rel=0.01) and two > one
    assert estimate_backward_bytes(dims, 3, frozen_encoder=True) < 0.9 * three
    assert estimate_backward_bytes(dims, 3, gradient_checkpointing=True) < 0.9 * three
    assert estimate_backward_bytes(dims, 3, amp_dtype=None) > 1.1 * three
    assert estimate_backward_bytes(dims, 3, n_tokens=50) < three


@pytest.mark.slow
def test_it_grows_by_as_much_with_every_layer():
    dims = replace(load_dims("tiny"), n_audio_layer=3, n_text_layer=4)
    assert estimate_peak_bytes(dims, 1) == estimate_backward_bytes(dims, 1)
    for settings in ({"frozen_encoder": True}, {"gradient_checkpointing": True}):
        assert estimate_backward_bytes(dims, 1, **settings) < estimate_peak_bytes(
            dims, 1, **settings
        )
        assert estimate_peak_bytes(dims, 1, **settings) < estimate_peak_bytes(dims, 1)


def test_weights_gradients_and_moments_are_counted():
    dims = ModelDimensions(80, 1500, 32, 2, 1, 51864, 448, 32, 2, 1)
    n = sum(p.numel() for p in random_whisper().parameters())
    assert estimate_peak_bytes(dims, 1, n_tokens=2) == pytest.approx(16 * n, rel=0.5)


def with_room_for(monkeypatch, n_rows, dims):
    sizes = [estimate_peak_bytes(dims, n, amp_dtype=None) for n in (1, 2)]
    needed = sizes[0] + (n_rows - 1) * (sizes[1] - sizes[0]) + 1
    monkeypatch.setattr(capacity, "free_bytes", lambda _: needed)


@pytest.mark.parametrize(("n_fit", "size"), [(100, 16), (15, 8), (7, 4), (1, 1)])
def test_the_batch_is_the_largest_part_of_a_step_that_fits(argv, monkeypatch, n_fit, size):
    with_room_for(monkeypatch, n_fit, random_whisper().dims)
    argv[argv.index("--batch-size") + 1] = "auto"  # and --accumulate 2
    plan = plan_of([*argv, "--amp", "off"])
    assert (plan.config.batch_size, plan.step_size) == (size, 16)


def test_a_run_with_a_batch_that_was_found_is_saved_with_its_size(argv, tmp_path, logged):
    argv[argv.index("--batch-size") + 1] = "auto"
    assert train(plan_of([*argv, "--max-steps", "1"])).reason == "finished"
    assert "--batch-size auto: 16 rows per pass, 1 passes per step, in at most" in logged()
    assert '"batch_size": 16' in (tmp_path / "run" / "config.json").read_text()


def test_where_not_one_row_fits_the_message_names_what_needs_less(argv, monkeypatch):
    monkeypatch.setattr(capacity, "free_bytes", lambda _: 1e6)
    argv[argv.index("--batch-size") + 1] = "auto"
    with pytest.raises(
        SetupError, match=r"one row needs .* are free: add --gradient-checkpointing"
    ):
        plan_of(argv)


def test_what_is_free_is_asked_of_the_machine():
    assert 1e8 < free_bytes(torch.device("cpu")) < 1e14


def test_a_limit_on_addresses_is_heeded(monkeypatch):
    """As `ulimit -v` sets it: what of it is taken already cannot be had again."""
    taken = psutil.Process().memory_info().vms
    limit = taken + 2_000_000_000
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, resource.RLIM_INFINITY))
    assert free_bytes(torch.device("cpu")) == pytest.approx(0.85 * 2e9, rel=0.1)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation'"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: not enough memory"),
    ],
    ids=repr,
)
def test_a_lack_of_memory_is_known_by_its_words(error):
    assert (
        is_out_of_memory(error)
        and describe_out_of_memory(error)
        and "\n" not in describe_out_of_memory(error)
    )
    assert not is_out_of_memory(
        RuntimeError("CUDA error: an illegal memory access was encountered")
    )


def full(*_, **__):
    raise RuntimeError("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation'")


@pytest.mark.parametrize("what", ["load_state_dict", "to"])
def test_too_little_memory_for_the_model_is_told_in_words(what, argv, run, monkeypatch):
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


def test_layers_computed_again_give_the_same_losses(argv, tmp_path):
    out = argv.index("--out") + 1
    for name, more in (("kept", []), ("again", ["--gradient-checkpointing"])):
        argv[out] = str(tmp_path / name)
        train(plan_of([*argv, *more, "--stochastic-depth", ".3"]))
    kept, again = (
        [(line["loss"], line["grad_norm"]) for line in lines(tmp_path / name) if "loss" in line]
        for name in ("kept", "again")
    )
    assert kept == again and len(kept) == 7


def saved_bytes(model):
    kept = {}

    def keep(tensor):
        if not (tensor.is_leaf and tensor.requires_grad):
            kept[tensor.data_ptr()] = tensor
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16),
    ):
        model.encoder(torch.zeros(1, 80, 3000))
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def test_backward_keeps_less_than_stock_layers_do():
    stock, lean, again = (random_whisper() for _ in range(3))
    use_fast_layers(lean)
    use_fast_layers(again)
    use_activation_checkpointing(again)
    assert saved_bytes(lean) < 0.8 * saved_bytes(stock)
    assert saved_bytes(again) < 0.7 * saved_bytes(lean)
