"""Batches of examples, from workers or the main process."""

import os
import signal
from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from whisper_ft.data.dataset import Examples, RowError
from whisper_ft.data.loader import (
    Batch,
    WorkerError,
    collate,
    init_worker,
    make_loader,
    next_batch,
    open_batches,
)
from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.prompts import PromptPolicy
from whisper_ft.data.respelling import Lexicon, Perturbation
from whisper_ft.data.sampler import ExampleIndex, Sampler, batch_indices
from whisper_ft.models.loading import Vocabulary
from whisper_ft.models.loss import PromptedLoss
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


def test_a_split_batch_keeps_the_texts_of_a_row_together(examples):
    perturbation = Perturbation(0, 0, 1.0, Lexicon.of_rows(examples.rows))
    some = replace(examples, policy=PromptPolicy(own=1.0, keywords=0.0), perturbation=perturbation)
    batch = collate([some[ExampleIndex(3, i)] for i in range(5)])
    assert batch.text_rows.tolist() == [0, 1, 1, 2, 3, 3, 4]  # every other row has a prompt
    parts = batch.split(2)
    assert [part.text_rows.tolist() for part in parts] == [[0, 1, 1], [0, 1, 1], [0]]
    assert torch.equal(torch.cat([part.tokens for part in parts]), batch.tokens)
    assert torch.equal(torch.cat([part.mel for part in parts]), batch.mel)
    assert sum(part.n_targets for part in parts) == batch.n_targets


def test_a_loss_reads_the_audio_of_each_texts_row(examples, model):
    perturbation = Perturbation(0, 0, 1.0, Lexicon.of_rows(examples.rows))
    some = replace(examples, policy=PromptPolicy(own=1.0, keywords=0.0), perturbation=perturbation)
    batch = collate([some[ExampleIndex(3, i)] for i in range(5)])
    each = replace(batch, mel=batch.mel[batch.text_rows], text_rows=None)
    loss = PromptedLoss(model)
    assert torch.allclose(loss(batch), loss(each), rtol=1e-5)
    assert torch.allclose(sum(map(loss, batch.split(2))), loss(batch), rtol=1e-5)


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


class Failing(Dataset):
    """Raise an exception for the only item, or kill the process that asks for it."""

    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 1

    def __getitem__(self, _):
        if self.error is None:
            os.kill(os.getpid(), signal.SIGKILL)
        raise self.error from ValueError("its cause")


def first_batch(error):
    loader = DataLoader(Failing(error), num_workers=1, worker_init_fn=init_worker)
    with open_batches(loader) as batches:
        return next_batch(batches)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("a tensor\nof the wrong size"), "RuntimeError: a tensor of the wrong size"),
        (RuntimeError("DataLoader worker (pid 1) is odd"), "RuntimeError: DataLoader worker (pid"),
        (KeyError("name"), "KeyError: 'name'"),
        (OSError(5, "read failed"), "OSError: [Errno 5] read failed"),
    ],
)
def test_an_exception_in_a_worker_is_said_in_one_line_and_blames_no_memory(error, words):
    with pytest.raises(WorkerError) as failed:
        first_batch(error)
    said = str(failed.value)
    assert said.startswith(f"a worker process failed: {words}")
    assert "\n" not in said and "memory" not in said


def test_a_worker_that_is_killed_is_said_to_have_died():
    with pytest.raises(WorkerError, match=r"^a worker process died \(.*\): it may have run out of"):
        first_batch(None)
