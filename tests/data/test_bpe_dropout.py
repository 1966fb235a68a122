"""Texts in other tokens, now and then."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.bpe_dropout import DroppingTokenizer


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=80), english_only=st.booleans())
def test_at_rate_0_the_ids_are_tiktokens(text, english_only):
    tokenizer = get_tokenizer(not english_only)
    dropping = DroppingTokenizer(tokenizer, 0.0, random.Random(0))
    assert dropping.encode(text) == tokenizer.encode(text, disallowed_special=())


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60), rate=st.floats(0, 0.99), seed=st.integers(0, 100))
def test_at_any_rate_the_text_comes_back(text, rate, seed):
    tokenizer = get_tokenizer(True)
    ids = DroppingTokenizer(tokenizer, rate, random.Random(seed)).encode(text)
    assert tokenizer.encoding.decode_bytes(ids) == text.encode()


def test_a_tenth_of_merges_left_out_makes_some_more_tokens(english):
    text = " Whisper listens to everything that people say in the evening." * 10
    lengths = [
        len(DroppingTokenizer(english, 0.1, random.Random(seed)).encode(text)) for seed in range(20)
    ]
    plain = len(english.encode(text))
    assert 1.05 * plain < sum(lengths) / 20 < 1.6 * plain
