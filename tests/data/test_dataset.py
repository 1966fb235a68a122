"""Which row is visited when, and how its visit becomes tensors."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.audio import log_mel, read_audio
from whisper_ft.data.dataset import Examples, RowError, read_row_audio
from whisper_ft.data.loader import Batch, collate, make_loader
from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.prompts import PromptPolicy
from whisper_ft.data.sampler import ExampleIndex, Sampler, batch_indices
from whisper_ft.models.loading import Vocabulary
from whisper_ft.text.tokens import IGNORE, Segment


@pytest.fixture
def examples(corpus):
    rows = read_manifest(corpus[0]).rows
    tokenizer_of = Vocabulary(False, 99, 448).tokenizer
    return Examples(
        rows, PromptPolicy(own=0.5, keywords=0.2), tokenizer_of, 80, 448, timestamp_rate=0.5, seed=0
    )


def test_an_example_is_the_rows_mel_and_the_contracts_tokens(examples, english):
    example = examples[ExampleIndex(0, 2)]
    row = examples.rows[2]
    assert torch.equal(example.mel, log_mel(read_audio(row.audio), 80))
    assert english.sot in example.tokens and example.targets[-1] == english.eot
    assert example.place == row.place


def test_timestamps_and_prompts_come_at_their_rates_apart(examples, english):
    visits = [examples[ExampleIndex(turn, 1)] for turn in range(200)]
    timed = sum(english.timestamp_begin in v.tokens for v in visits)
    prompted = sum(v.tokens[0] == english.sot_prev for v in visits)
    both = sum(
        v.tokens[0] == english.sot_prev and english.timestamp_begin in v.tokens for v in visits
    )
    assert 75 < timed < 125 and 115 < prompted < 165 and 45 < both < 95
    assert all(
        (english.no_timestamps in v.tokens) != (english.timestamp_begin in v.tokens) for v in visits
    )


def test_a_row_without_segments_is_one_from_0_to_its_end(examples, english):
    timed = next(
        v
        for t in range(20)
        if english.timestamp_begin in (v := examples[ExampleIndex(t, 1)]).tokens
    )
    assert timed.tokens[-1] == english.timestamp_begin + 50  # the file lasts 1.00 s


def test_without_timestamps_the_audio_stops_before_a_segment_that_the_window_cuts(examples):
    row = replace(
        examples.rows[0], segments=(Segment(0, 0.5, "Call"), Segment(0.625, 1.4, "Kathryn now."))
    )
    timed, segments = read_row_audio(row, timestamps=True)
    plain, _ = read_row_audio(row, timestamps=False)
    assert len(timed) == 16000 and len(plain) == 10000
    assert segments == (Segment(0, 0.5, "Call"), Segment(0.625, None, ""))
    assert np.array_equal(plain, timed[:10000])


def test_a_quarter_of_silent_visits_are_blank_and_the_rest_no_speech(examples, english):
    silent = replace(examples, rows=[replace(row, text="") for row in examples.rows])
    for rate in (0.5, 1.0):
        visits = [
            replace(silent, timestamp_rate=rate)[ExampleIndex(turn, 1)] for turn in range(400)
        ]
        said = Counter(tuple(v.tokens[-2:]) for v in visits)
        blank = said[english.sot, english.timestamp_begin]
        assert 70 < blank < 130 and said[english.sot, english.no_speech] == 400 - blank


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
def test_workers_make_the_batches_that_reading_in_line_makes(examples, workers):
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
def test_a_file_that_vanishes_is_named_not_skipped(examples, workers):
    examples.rows[3].audio.unlink()
    batches = iter([[ExampleIndex(0, 0)], [ExampleIndex(0, 1), ExampleIndex(0, 3)]])
    good, bad = make_loader(examples, batches, workers=workers, pin_memory=False)
    assert isinstance(good, Batch) and isinstance(bad, RowError)
    assert str(bad).startswith(f"{examples.rows[3].place}: {examples.rows[3].audio}: ")


def test_the_workers_tokenizer_is_whispers_own_cached_one(examples):
    assert (
        examples.tokenizer_of(language="en", task="transcribe").encoding
        is get_tokenizer(False).encoding
    )
