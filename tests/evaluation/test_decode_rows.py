"""Decoding under three prompts, and the scores of it."""

import copy
import json

import pytest
import soundfile
import torch
import whisper
from helpers.audio import tone
from helpers.manifests import write_manifest
from helpers.models import random_whisper

from whisper_ft.data.audio import log_mel, read_audio
from whisper_ft.data.dataset import RowError
from whisper_ft.data.manifest import read_manifest
from whisper_ft.evaluation import decode_rows as evaluate
from whisper_ft.evaluation.conditions import PromptedRows, evaluation_rows
from whisper_ft.evaluation.decode_rows import decode_all, decode_rows, prompted_losses
from whisper_ft.evaluation.metrics import Count
from whisper_ft.evaluation.samples import CONDITIONS, Sample
from whisper_ft.models import decoding
from whisper_ft.models.decoding import DecodeRequest, decode
from whisper_ft.models.parameters import cast_matrices


@pytest.fixture
def prompted(corpus, model):
    rows = read_manifest(corpus[0]).rows
    return evaluation_rows(rows, seed=0)


def test_a_row_decodes_as_whisper_decodes_it(model, prompted):
    sample = next(decode_rows(model, prompted))
    mel = log_mel(read_audio(prompted.rows[0].audio), 80)
    for condition, prompt in sample.prompts.items():
        options = whisper.DecodingOptions(language="en", prompt=prompt or None, fp16=False)
        assert sample.outputs[condition].text == whisper.decode(model, mel, options).text


def test_the_prompt_reaches_the_decoder_and_timestamps_can_be_left_out(model, prompted):
    mel = log_mel(read_audio(prompted.rows[0].audio), 80)
    features = model.encoder(mel[None])
    requests = [
        DecodeRequest(),
        DecodeRequest(prompt="Quill, Zyxin"),
        DecodeRequest(timestamps=False),
    ]
    *results, plain = decode(model, features, requests)
    assert results[0].no_speech_prob != results[1].no_speech_prob
    assert all(token < 50363 for token in plain.tokens)
    assert results[0].tokens[0] >= 50363


def test_special_spellings_in_a_prompt_are_text_where_whisper_raises(model, prompted):
    features = model.encoder(log_mel(read_audio(prompted.rows[0].audio), 80)[None])
    assert decode(model, features, [DecodeRequest(prompt="<|endoftext|>")])[0].text is not None


def test_losses_alone_are_those_of_decoding(model, prompted):
    losses = prompted_losses(model, prompted)
    samples = [s for s in decode_rows(model, prompted) if s.prompts["right"] and s.prompts["wrong"]]
    assert samples
    for condition in CONDITIONS:
        expected = Count.sum(s.outputs[condition].loss for s in samples)
        assert losses[condition].part == pytest.approx(expected.part, rel=1e-5)
        assert losses[condition].total == expected.total


def test_rows_that_lack_a_right_or_wrong_prompt_have_no_losses_to_compare(model, prompted):
    alone = PromptedRows(prompted.rows[:2], ["", "Quill"], ["Reid", None])
    assert set(prompted_losses(model, alone).values()) == {Count()}


def test_without_a_wrong_prompt_nothing_is_decoded_and_without_a_right_one_once(
    model, prompted, monkeypatch
):
    calls = []
    monkeypatch.setattr(evaluate, "decode", lambda *a, **k: calls.append(a[2]) or decode(*a, **k))
    alone = PromptedRows(prompted.rows[:1], [""], [None])
    (sample,) = decode_rows(model, alone)
    assert calls == [[DecodeRequest()]]
    assert sample.outputs["wrong"] is None and sample.outputs["right"] == sample.outputs["none"]


def test_a_multilingual_model_decodes_each_row_in_its_language(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(1.0), 16000)
    rows = [{"audio": "a.wav", "text": "x", "language": code} for code in ("de", "ja")]
    model = random_whisper(51866)
    manifest = read_manifest(write_manifest(tmp_path / "m.jsonl", rows))
    samples = list(decode_rows(model, PromptedRows(manifest.rows, ["", ""], [None, None])))
    mel = log_mel(read_audio(tmp_path / "a.wav"), 128)
    for sample, code in zip(samples, ("de", "ja"), strict=True):
        options = whisper.DecodingOptions(language=code, fp16=False)
        assert sample.outputs["none"].text == whisper.decode(model, mel, options).text


@pytest.mark.slow
def test_a_beam_is_whispers_beam(model, prompted):
    sample = next(decode_rows(model, prompted, beam_size=3))
    mel = log_mel(read_audio(prompted.rows[sample.number].audio), 80)
    options = whisper.DecodingOptions(language="en", beam_size=3, fp16=False)
    assert sample.outputs["none"].text == whisper.decode(model, mel, options).text


@pytest.mark.slow
def test_the_longest_texts_come_first_and_all_come_in_the_rows_order(model, prompted):
    numbers = [sample.number for sample in decode_rows(model, prompted)]
    texts = [len(prompted.rows[number].text) for number in numbers]
    assert texts == sorted(texts, reverse=True) and numbers != sorted(numbers)
    samples = decode_all(model, prompted, "decoding")
    assert [sample.place for sample in samples] == [row.place for row in prompted.rows]
    assert decode_all(model, prompted, "decoding", stop=lambda: True) is None


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_matrices_kept_in_half_write_what_casts_at_every_use_write(model, prompted, dtype):
    mel = log_mel(read_audio(prompted.rows[0].audio), 80)[None]
    features = model.encoder(mel.to(dtype))
    requests = [DecodeRequest(prompt=prompt) for prompt in ("", "Reid, Quill.")]
    expected, halved = decode(model, features, requests), cast_matrices(copy.deepcopy(model), dtype)
    assert torch.equal(halved.encoder(mel.to(dtype)), features)
    results = decode(halved, features, requests)
    assert [result.tokens for result in results] == [result.tokens for result in expected]
    samples = list(decode_rows(halved, prompted))
    assert len(samples) == 5 and all(sample.outputs["none"].loss.part > 0 for sample in samples)


@pytest.mark.slow
def test_rows_decoded_together_score_as_they_do_alone(model, prompted, monkeypatch):
    together = list(decode_rows(model, prompted))
    monkeypatch.setattr(decoding, "MAX_RECORDINGS", 1)
    for one, alone in zip(together, decode_rows(model, prompted), strict=True):
        for condition, output in one.outputs.items():
            expected = alone.outputs[condition]
            assert (output and output.text) == (expected and expected.text)
            assert output is None or output.loss == pytest.approx(expected.loss, rel=1e-5)


def test_the_loss_is_of_the_texts_own_tokens_whatever_the_prompt(model, prompted, english):
    for sample in decode_rows(model, prompted):
        n_tokens = len(english.encode(" " + sample.reference))
        assert {output.loss.total for output in sample.outputs.values() if output} == {n_tokens}


def test_unreadable_audio_is_named(model, prompted):
    prompted.rows[2].audio.unlink()
    with pytest.raises(RowError, match=r"train.jsonl:3: .*2.wav: "):
        list(decode_rows(model, prompted))


def test_a_sample_survives_json(model, prompted):
    for one in decode_rows(model, prompted):
        assert Sample.from_json(json.loads(json.dumps(one.to_json()))) == one
