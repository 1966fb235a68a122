"""The estimated memory of a step behaves as real memory does."""

from dataclasses import replace

import pytest
from helpers.models import random_whisper
from whisper.model import ModelDimensions

from whisper_ft.models.loading import load_dims
from whisper_ft.models.memory_estimate import estimate_backward_bytes, estimate_peak_bytes


@pytest.mark.slow
def test_what_a_step_needs_grows_with_rows_and_shrinks_with_what_is_not_kept():
    dims = replace(load_dims("tiny"), n_audio_layer=2, n_text_layer=2)
    one, two, three = (estimate_backward_bytes(dims, n) for n in (1, 2, 3))
    assert two - one == pytest.approx(three - two, rel=0.01) and two > one
    decoder, attention = (
        estimate_backward_bytes(dims, 3, trained=trained)
        for trained in ("decoder", "self-attention")
    )
    assert attention < decoder < 0.9 * three
    assert estimate_backward_bytes(dims, 3, gradient_checkpointing=True) < 0.9 * three
    assert estimate_backward_bytes(dims, 3, amp_dtype=None) > 1.1 * three
    assert estimate_backward_bytes(dims, 3, n_tokens=50) < three
    twice = estimate_backward_bytes(dims, 3, texts_per_row=2)  # the same audio
    assert 1.1 * three < twice < estimate_backward_bytes(dims, 6)


@pytest.mark.slow
def test_it_grows_by_as_much_with_every_layer():
    dims = replace(load_dims("tiny"), n_audio_layer=3, n_text_layer=4)
    assert estimate_peak_bytes(dims, 1) == estimate_backward_bytes(dims, 1)
    for settings in ({"trained": "decoder"}, {"gradient_checkpointing": True}):
        assert estimate_backward_bytes(dims, 1, **settings) < estimate_peak_bytes(
            dims, 1, **settings
        )
        assert estimate_peak_bytes(dims, 1, **settings) < estimate_peak_bytes(dims, 1)


@pytest.mark.slow
def test_weights_gradients_and_moments_are_counted():
    dims = ModelDimensions(80, 1500, 32, 2, 1, 51864, 448, 32, 2, 1)
    n = sum(p.numel() for p in random_whisper().parameters())
    assert estimate_peak_bytes(dims, 1, n_tokens=2) == pytest.approx(16 * n, rel=0.5)
