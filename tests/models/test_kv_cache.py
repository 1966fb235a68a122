"""The cached decoder computes the states that the whole decoder computes."""

import pytest
import torch
from helpers.models import random_whisper

from whisper_ft.models.kv_cache import GROWTH, KVCache

PREFIXES = [[50257, 7, 8, 9], [50257, 5], [50257, 7, 8]]
RECORDINGS = [0, 1, 1]


@pytest.fixture
def decoder():
    return random_whisper().requires_grad_(False).decoder


@pytest.fixture
def features():
    torch.manual_seed(1)
    return torch.randn(2, 1500, 32)


def whole_logits(decoder, features, tokens, recording):
    """The logits after the last of some tokens, by whisper's own decoder."""
    return decoder(torch.tensor([tokens]), features[recording : recording + 1])[0, -1]


def test_prefixes_of_different_lengths_have_the_states_of_each_alone(decoder, features):
    cache = KVCache(decoder, features, RECORDINGS)
    states = cache.prefill(PREFIXES)
    for tokens, recording, state in zip(PREFIXES, RECORDINGS, states, strict=True):
        expected = whole_logits(decoder, features, tokens, recording)
        assert torch.allclose(cache.logits(state[len(tokens) - 1]), expected, atol=1e-4)


def test_a_step_appends_one_token_to_each_even_where_the_cache_must_grow(decoder, features):
    cache = KVCache(decoder, features, RECORDINGS)
    cache.prefill(PREFIXES)
    sequences = [list(prefix) for prefix in PREFIXES]
    for i in range(GROWTH + 2):
        tokens = torch.tensor([100 + i, 200 + i, 300 + i])
        logits = cache.step(tokens)
        for sequence, token in zip(sequences, tokens.tolist(), strict=True):
            sequence.append(token)
    for sequence, recording, row in zip(sequences, RECORDINGS, logits, strict=True):
        assert torch.allclose(row, whole_logits(decoder, features, sequence, recording), atol=1e-4)


@pytest.mark.parametrize("places", [[2, 1, 1], [1, 1], [0, 2, 2, 0]])
def test_selected_sequences_go_on_in_their_order_and_unused_recordings_are_dropped(
    decoder, features, places
):
    cache = KVCache(decoder, features, RECORDINGS)
    cache.prefill(PREFIXES)
    cache.select(torch.tensor(places))
    used = {RECORDINGS[place] for place in places}
    assert len(cache.cross_kv[0][0]) == len(used)
    logits = cache.step(torch.arange(11, 11 + len(places)))
    for number, place in enumerate(places):
        tokens = [*PREFIXES[place], 11 + number]
        expected = whole_logits(decoder, features, tokens, RECORDINGS[place])
        assert torch.allclose(logits[number], expected, atol=1e-4)
