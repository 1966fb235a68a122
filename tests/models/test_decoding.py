"""Batched decoding with a prompt per row equals whisper's, of one row at a time."""

import pytest
import torch
import whisper
from helpers.models import random_whisper
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from whisper.tokenizer import get_tokenizer

from whisper_ft.models.decoding import DecodeRequest, decode
from whisper_ft.text.tokens import encode_prompt

WORDS = "Quill Zyxin naïve 東京 Ω the of a"


def talkative(n_vocab, seed):
    """A random model that writes for a while: its eot is no likelier than other tokens."""
    model = random_whisper(n_vocab, seed)
    torch.nn.init.normal_(model.decoder.token_embedding.weight, std=0.3)
    return model.requires_grad_(False)


def alone(model, features, one, beam_size):
    """What whisper decodes for one text by itself."""
    tokenizer = get_tokenizer(model.is_multilingual, num_languages=model.num_languages)
    options = whisper.DecodingOptions(
        task=one.task,
        language=one.language,
        beam_size=beam_size,
        prompt=encode_prompt(tokenizer, one.prompt),
        without_timestamps=not one.timestamps,
        fp16=False,
    )
    return model.decode(features[one.recording], options)


@st.composite
def asked(draw, multilingual):
    prompts = st.lists(st.sampled_from(WORDS.split()), max_size=120).map(" ".join)
    one = st.builds(
        DecodeRequest,
        recording=st.integers(0, 2),
        prompt=prompts,
        language=st.sampled_from(["en", "de", "ja"] if multilingual else ["en"]),
        task=st.sampled_from(["transcribe", "translate"] if multilingual else ["transcribe"]),
        timestamps=st.booleans(),
    )
    return draw(st.lists(one, min_size=1, max_size=4))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_vocab", "beam_size"),
    [(51864, None), (51865, None), (51866, None), (51864, 3), (51865, 3), (51866, 1)],
)
def test_all_at_once_write_what_each_writes_alone(n_vocab, beam_size):
    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data(), seed=st.integers(0, 99))
    def check(data, seed):
        model = talkative(n_vocab, seed)
        torch.manual_seed(seed)
        features = torch.randn(3, 1500, 32)
        texts = data.draw(asked(model.is_multilingual))
        for one, found in zip(
            texts, decode(model, features, texts, beam_size=beam_size), strict=True
        ):
            expected = alone(model, features, one, beam_size)
            assert found.tokens == expected.tokens and found.text == expected.text
            assert found.avg_logprob == pytest.approx(expected.avg_logprob, abs=1e-4)
            assert found.no_speech_prob == pytest.approx(expected.no_speech_prob, rel=1e-3)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("beam_size", [None, 2])
def test_a_text_that_never_ends_stops_where_whispers_does(beam_size):
    """After 224 tokens, or, with a prompt of 223, where the model's memory ends."""
    model = talkative(51865, 0)
    model.decoder.token_embedding.weight[50257] = -1.0  # eot
    model.decoder.ln.bias[:] = 1.0
    features = torch.randn(1, 1500, 32)
    texts = [DecodeRequest(prompt="a " * n, timestamps=False) for n in (0, 200, 223)]
    for one, found in zip(texts, decode(model, features, texts, beam_size=beam_size), strict=True):
        assert len(found.tokens) == len(alone(model, features, one, beam_size).tokens) > 200
