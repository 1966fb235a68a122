"""Decoding rows together, each with its prompt, equals whisper's decoding of one row at a time."""

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


def talkative_model(n_vocab, seed):
    """Return a random model that writes many tokens: its eot is no likelier than others."""
    model = random_whisper(n_vocab, seed)
    torch.nn.init.normal_(model.decoder.token_embedding.weight, std=0.3)
    return model.requires_grad_(False)


def decode_alone(model, features, request, beam_size):
    """Return what whisper decodes for one request by itself."""
    tokenizer = get_tokenizer(model.is_multilingual, num_languages=model.num_languages)
    options = whisper.DecodingOptions(
        task=request.task,
        language=request.language,
        beam_size=beam_size,
        prompt=encode_prompt(tokenizer, request.prompt),
        without_timestamps=not request.timestamps,
        fp16=False,
    )
    return model.decode(features[request.recording], options)


@st.composite
def request_lists(draw, multilingual):
    prompts = st.lists(st.sampled_from(WORDS.split()), max_size=120).map(" ".join)
    request = st.builds(
        DecodeRequest,
        recording=st.integers(0, 2),
        prompt=prompts,
        language=st.sampled_from(["en", "de", "ja"] if multilingual else ["en"]),
        task=st.sampled_from(["transcribe", "translate"] if multilingual else ["transcribe"]),
        timestamps=st.booleans(),
    )
    return draw(st.lists(request, min_size=1, max_size=4))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_vocab", "beam_size"),
    [(51864, None), (51865, None), (51866, None), (51864, 3), (51865, 3), (51866, 1)],
)
def test_requests_decoded_together_give_what_each_gives_alone(n_vocab, beam_size):
    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data(), seed=st.integers(0, 99))
    def check(data, seed):
        model = talkative_model(n_vocab, seed)
        torch.manual_seed(seed)
        features = torch.randn(3, 1500, 32)
        requests = data.draw(request_lists(model.is_multilingual))
        results = decode(model, features, requests, beam_size=beam_size)
        for request, result in zip(requests, results, strict=True):
            expected = decode_alone(model, features, request, beam_size)
            assert result.tokens == expected.tokens and result.text == expected.text
            assert result.avg_logprob == pytest.approx(expected.avg_logprob, abs=1e-4)
            assert result.no_speech_prob == pytest.approx(expected.no_speech_prob, rel=1e-3)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("beam_size", [None, 2])
def test_a_text_that_never_ends_stops_where_whisper_stops(beam_size):
    """After 224 tokens, or, with a prompt of 223, where the model's memory ends."""
    model = talkative_model(51865, 0)
    model.decoder.token_embedding.weight[50257] = -1.0  # eot
    model.decoder.ln.bias[:] = 1.0
    features = torch.randn(1, 1500, 32)
    requests = [DecodeRequest(prompt="a " * n, timestamps=False) for n in (0, 200, 223)]
    results = decode(model, features, requests, beam_size=beam_size)
    for request, result in zip(requests, results, strict=True):
        expected = decode_alone(model, features, request, beam_size)
        assert len(result.tokens) == len(expected.tokens) > 200
