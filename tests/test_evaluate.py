"""Decoding under three prompts, and the scores of it."""

import json

import pytest
import soundfile
import whisper
from conftest import random_whisper, tone, write_manifest

from whisper_ft import evaluate
from whisper_ft.audio import log_mel, read_audio
from whisper_ft.conditions import PromptedRows, evaluation_rows
from whisper_ft.data import RowError
from whisper_ft.decode import Asked, decode
from whisper_ft.evaluate import decode_rows
from whisper_ft.manifest import read_manifest


@pytest.fixture
def prompted(corpus, model):
    rows = read_manifest(corpus[0]).rows
    return evaluation_rows(rows, seed=0)


def test_a_row_decodes_as_whisper_decodes_it(model, prompted):
    sample = next(decode_rows(model, prompted))
    mel = log_mel(read_audio(prompted.rows[0].audio), 80)
    for condition, prompt in sample["prompt"].items():
        options = whisper.DecodingOptions(language="en", prompt=prompt or None, fp16=False)
        assert sample["output"][condition] == whisper.decode(model, mel, options).text


def test_the_prompt_reaches_the_decoder_and_timestamps_can_be_left_out(model, prompted):
    mel = log_mel(read_audio(prompted.rows[0].audio), 80)
    features = model.encoder(mel[None])
    asked = [Asked(), Asked(prompt="Quill, Zyxin"), Asked(timestamps=False)]
    *results, plain = decode(model, features, asked)
    assert results[0].no_speech_prob != results[1].no_speech_prob
    assert all(token < 50363 for token in plain.tokens)
    assert results[0].tokens[0] >= 50363


def test_special_spellings_in_a_prompt_are_text_where_whisper_raises(model, prompted):
    features = model.encoder(log_mel(read_audio(prompted.rows[0].audio), 80)[None])
    assert decode(model, features, [Asked(prompt="<|endoftext|>")])[0].text is not None


def test_without_a_wrong_prompt_nothing_is_decoded_and_without_a_right_one_once(
    model, prompted, monkeypatch
):
    calls = []
    monkeypatch.setattr(evaluate, "decode", lambda *a: calls.append(a[2]) or decode(*a))
    alone = PromptedRows(prompted.rows[:1], [""], [None])
    (sample,) = decode_rows(model, alone)
    assert calls == [[Asked()]]
    assert (
        sample["output"]["wrong"] is None and sample["output"]["right"] == sample["output"]["none"]
    )


def test_a_multilingual_model_decodes_each_row_in_its_language(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(1.0), 16000)
    rows = [{"audio": "a.wav", "text": "x", "language": code} for code in ("de", "ja")]
    model = random_whisper(51866)
    manifest = read_manifest(write_manifest(tmp_path / "m.jsonl", rows))
    samples = list(decode_rows(model, PromptedRows(manifest.rows, ["", ""], [None, None])))
    mel = log_mel(read_audio(tmp_path / "a.wav"), 128)
    for sample, code in zip(samples, ("de", "ja"), strict=True):
        options = whisper.DecodingOptions(language=code, fp16=False)
        assert sample["output"]["none"] == whisper.decode(model, mel, options).text


def test_rows_decoded_together_score_as_they_do_alone(model, prompted, monkeypatch):
    together = list(decode_rows(model, prompted))
    monkeypatch.setattr(evaluate, "MOST_TOGETHER", 1)
    for one, alone in zip(together, decode_rows(model, prompted), strict=True):
        assert one["output"] == alone["output"]
        for condition, loss in one["loss"].items():
            assert loss == pytest.approx(alone["loss"][condition], rel=1e-5)


def test_unreadable_audio_is_named(model, prompted):
    prompted.rows[2].audio.unlink()
    with pytest.raises(RowError, match=r"train.jsonl:3: .*2.wav: "):
        list(decode_rows(model, prompted))


def test_samples_are_plain_json(model, prompted):
    for one in decode_rows(model, prompted):
        assert json.loads(json.dumps(one))["reference"] == one["reference"]
