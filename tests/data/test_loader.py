"""Batches of examples, from workers or the main process."""

import pytest
import torch

from whisper_ft.data.dataset import Examples, RowError
from whisper_ft.data.loader import Batch, collate, make_loader
from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.prompts import PromptPolicy
from whisper_ft.data.sampler import ExampleIndex, Sampler, batch_indices
from whisper_ft.models.loading import Vocabulary
from whisper_ft.text.tokens import IGNORE


@pytest.fixture
def examples(corpus):
    """Examples of five rows, under a prompt policy."""
    rows = read_manifest(corpus[0]).rows
    tokenizer_of = Vocabulary(False, 99, 448).tokenizer
    policy = PromptPolicy(own=0.5, keywords=0.2)
    return Examples(rows, policy, tokenizer_of, 80, 448, timestamp_rate=0.5, seed=0)


def test_padding_is_masked_and_to_the_right(examples):
    batch = collate([examples[ExampleIndex(0, i)] for i in range(5)])
    assert batch.mel.shape == (5, 80, 3000)
    assert batch.tokens.shape == batch.targets.shape
    for i in range(5):
        example = examples[ExampleIndex(0, i)]
        n = len(example.tokens)
        assert batch.targets[i, :n].tolist() == example.targets
        assert (batch.targets[i, n:] == IGNORE).all()
    assert batch.n_targets == sum(
        t != IGNORE for i in range(5) for t in examples[ExampleIndex(0, i)].targets
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_make_the_same_batches_as_the_main_process(examples, workers):
    order = Sampler((range(5),), (1.0,), seed=0)
    inline, parallel = (
        list(make_loader(examples, batch_indices(order, 0, 13, 2, 4), workers=n, pin_memory=False))
        for n in (0, workers)
    )
    assert len(inline) == 7
    for a, b in zip(inline, parallel, strict=True):
        assert a.places == b.places
        assert torch.equal(a.mel, b.mel) and torch.equal(a.tokens, b.tokens)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_missing_file_is_named_and_not_skipped(examples, workers):
    examples.rows[3].audio.unlink()
    batches = iter([[ExampleIndex(0, 0)], [ExampleIndex(0, 1), ExampleIndex(0, 3)]])
    good, bad = make_loader(examples, batches, workers=workers, pin_memory=False)
    assert isinstance(good, Batch) and isinstance(bad, RowError)
    assert str(bad).startswith(f"{examples.rows[3].place}: {examples.rows[3].audio}: ")
