"""One optimiser step: what is summed, divided, clipped, skipped and refused."""

import math

import pytest
import torch
from helpers.models import random_whisper
from helpers.runs import poisoned
from torch.amp import GradScaler
from torch.optim import SGD

from whisper_ft.data.dataset import Examples
from whisper_ft.data.loader import collate
from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.prompts import PromptPolicy
from whisper_ft.data.sampler import ExampleIndex
from whisper_ft.models.loading import Vocabulary
from whisper_ft.models.loss import PromptedLoss
from whisper_ft.training.optimizer import parameter_groups
from whisper_ft.training.step import NonFiniteError, train_step


@pytest.fixture
def examples(corpus):
    rows = read_manifest(corpus[0]).rows
    tokenizer_of = Vocabulary(False, 99, 448).tokenizer
    return Examples(rows, PromptPolicy(own=0.5), tokenizer_of, 80, 448, timestamp_rate=0.5, seed=0)


def batches(examples, *sizes):
    indices = iter(ExampleIndex(0, i % 5) for i in range(100))
    return [collate([examples[next(indices)] for _ in range(size)]) for size in sizes]


def one_step(examples, *sizes, **settings):
    model = random_whisper()
    optimizer = SGD(parameter_groups(model, 0.0), lr=0.1)
    numbers = train_step(
        PromptedLoss(model), batches(examples, *sizes), optimizer, GradScaler("cpu", enabled=False)
    )
    return numbers, model


def test_accumulation_over_uneven_batches_is_the_step_of_one_large_batch(examples):
    whole, model = one_step(examples, 5)
    for sizes in ((1, 4), (3, 1, 1)):
        parts, other = one_step(examples, *sizes)
        assert parts.loss == pytest.approx(whole.loss, rel=1e-5)
        assert parts.grad_norm == pytest.approx(whole.grad_norm, rel=1e-4)
        assert parts.n_targets == whole.n_targets and parts.n_rows == 5
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            assert torch.allclose(p, q, atol=1e-6)


def test_the_loss_is_the_mean_over_learned_tokens(examples):
    numbers, _ = one_step(examples, 3)
    (batch,) = batches(examples, 3)
    logits = random_whisper()(batch.mel, batch.tokens)
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())
    assert numbers.loss == pytest.approx(expected.item(), rel=1e-5)


def test_the_gradient_is_clipped_to_norm_1(examples):
    numbers, model = one_step(examples, 3)
    moved = [p - q for p, q in zip(model.parameters(), random_whisper().parameters(), strict=True)]
    norm = math.sqrt(sum(d.pow(2).sum().item() for d in moved)) / 0.1
    assert numbers.grad_norm > 1 and norm == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("amp_dtype", [None, torch.bfloat16, torch.float16])
def test_a_loss_that_is_not_finite_names_its_rows_and_leaves_the_weights(examples, amp_dtype):
    model = random_whisper()
    optimizer = SGD(parameter_groups(model, 0.0), lr=0.1)
    good, bad = batches(examples, 2, 2)
    scaler = GradScaler("cpu", enabled=amp_dtype == torch.float16)
    with pytest.raises(NonFiniteError) as stopped:
        train_step(PromptedLoss(model), [good, poisoned(bad)], optimizer, scaler, amp_dtype)
    assert str(stopped.value).endswith(", ".join(bad.places))
    for p, q in zip(model.parameters(), random_whisper().parameters(), strict=True):
        assert torch.equal(p, q)


def test_an_fp16_overflow_skips_the_step_and_lowers_the_scale(examples):
    model = random_whisper()
    optimizer = SGD(parameter_groups(model, 0.0), lr=0.1)
    scaler = GradScaler("cpu", init_scale=2.0**100)
    numbers = train_step(
        PromptedLoss(model), batches(examples, 2), optimizer, scaler, torch.float16
    )
    assert numbers.skipped and scaler.get_scale() == 2.0**99
    for p, q in zip(model.parameters(), random_whisper().parameters(), strict=True):
        assert torch.equal(p, q)
    scaler = GradScaler("cpu", init_scale=1024.0)
    assert not train_step(
        PromptedLoss(model), batches(examples, 2), optimizer, scaler, torch.float16
    ).skipped


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.02), (torch.float16, 0.005)])
def test_mixed_precision_has_float32s_loss_and_float32_weights(examples, dtype, tolerance):
    control, _ = one_step(examples, 3)
    model = random_whisper()
    optimizer = SGD(parameter_groups(model, 0.0), lr=0.1)
    scaler = GradScaler("cpu", init_scale=128.0, enabled=dtype == torch.float16)
    numbers = train_step(PromptedLoss(model), batches(examples, 3), optimizer, scaler, dtype)
    assert numbers.loss == pytest.approx(control.loss, rel=tolerance)
    assert numbers.grad_norm == pytest.approx(control.grad_norm, rel=5 * tolerance)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
