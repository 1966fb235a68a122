"""The segments that a model would write for a known text."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.models import random_whisper
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.audio import log_mel, read_audio
from whisper_ft.models.decoding import DecodeRequest, decode
from whisper_ft.models.forced_segments import KnownText, find_segments
from whisper_ft.text.tokens import Segment, decode_segments, encode_segments

DATA = Path(__file__).parents[2] / "data"


def segments_of(model, tokenizer, text, features, seconds):
    """Return the segments of one text, whose features are [n_audio_ctx, n_audio_state]."""
    (found,) = find_segments(model, [KnownText.of(tokenizer, text, seconds)], features[None])
    return found


def like_times(model, tokenizer):
    """Make times more likely than any word, everywhere."""
    model.decoder.ln.weight.data[0] = 0  # the first state is the same everywhere
    model.decoder.token_embedding.weight.data[tokenizer.timestamp_begin :, 0] = 20.0


@pytest.fixture(scope="module")
def speech(tiny_en):
    """Four sentences with pauses between them: (texts, features, seconds)."""
    rows = [json.loads(line) for line in (DATA / "dev.jsonl").open()][:4]
    pause = np.zeros(8000, np.float32)
    parts = [part for row in rows for part in (read_audio(DATA / row["audio"]), pause)]
    samples = np.concatenate(parts)[: 30 * 16000]
    with torch.no_grad():
        features = tiny_en.encoder(log_mel(samples, 80)[None])
    return [row["text"] for row in rows], features, len(samples) / 16000


@pytest.mark.weights
def test_a_models_own_text_gets_the_segments_that_the_model_wrote(tiny_en, speech, english):
    _, features, seconds = speech
    (result,) = decode(tiny_en, features, [DecodeRequest()])
    written = decode_segments(english, result.tokens)
    text = " ".join(segment.text for segment in written)
    found = segments_of(tiny_en, english, text, features[0], seconds)
    assert len(found) >= 3 and [*found] == written


@pytest.mark.weights
def test_a_text_without_punctuation_is_cut_between_sentences(tiny_en, speech, english):
    texts, features, seconds = speech
    plain = ["".join(c for c in t.lower() if c.isalnum() or c == " ") for t in texts]
    found = segments_of(tiny_en, english, " ".join(plain), features[0], seconds)
    assert " ".join(segment.text for segment in found) == " ".join(plain)
    joined = [" ".join(plain[:n]) for n in range(1, 5)]
    ends = [" ".join(s.text for s in found[: n + 1]) for n in range(len(found))]
    assert len(set(joined) & set(ends)) >= 3  # most sentences end a segment
    assert found[-1].end <= seconds


@pytest.mark.parametrize("seconds", [0.5, 30.0])
def test_segments_hold_the_text_and_can_be_trained_on(model, english, seconds):
    like_times(model, english)
    features = torch.randn(1500, 32, generator=torch.Generator().manual_seed(0))
    text = "Call Doctor Quill, he is well-known."
    found = segments_of(model, english, text, features, seconds)
    assert len(found) > 1
    assert " ".join(segment.text for segment in found) == text
    encode_segments(english, found)  # raises for times out of order
    assert found[0].start <= 1.0 and found[-1].end <= seconds
    assert all(segment.start < segment.end for segment in found)


def test_no_time_is_written_for_which_decoding_has_no_room(model, english):
    like_times(model, english)
    features = torch.zeros(1500, 32)
    text = "a " * 216
    found = segments_of(model, english, text, features, 30.0)
    assert len(encode_segments(english, found)) <= 224 and len(found) == 4
    with pytest.raises(ValueError, match="has 223 tokens, but decoding writes at most 224"):
        KnownText.of(english, "a " * 223, 30.0)


def test_silence_has_no_segments(model, english):
    assert segments_of(model, english, " ", torch.zeros(1500, 32), 3.0) == ()


def test_where_words_have_no_spaces_a_cut_leaves_whole_characters(english):
    model = random_whisper(51866)
    tokenizer = get_tokenizer(True, num_languages=100, language="ja", task="transcribe")
    like_times(model, tokenizer)
    text = "今日は、雨が降っている。"
    found = segments_of(model, tokenizer, text, torch.zeros(1500, 32), 30.0)
    assert len(found) > 1 and "".join(segment.text for segment in found) == text
    assert all(segment.text[0] not in "、。" for segment in found)
    assert isinstance(found[0], Segment)


@pytest.mark.weights
def test_texts_together_get_the_segments_that_each_gets_alone(tiny_en, speech, english):
    texts, features, seconds = speech
    given = [" ".join(texts), texts[0], "", " ".join(texts).lower()]
    known = [KnownText.of(english, text, seconds) for text in given]
    found = find_segments(tiny_en, known, features.expand(len(given), -1, -1))
    alone = [segments_of(tiny_en, english, text, features[0], seconds) for text in given]
    assert found == alone and len({len(segments) for segments in found}) > 2


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("bn", "আমি আজ বাজারে গিয়ে অনেক ফল কিনেছি"),
        ("ka", "დღეს ბაზარში ბევრი ხილი ვიყიდე"),
        ("am", "ዛሬ ገበያ ሄጄ ብዙ ፍራፍሬ ገዛሁ"),
        ("zh", "我今天在市场买了很多水果"),
        ("ru", "сегодня я купил на рынке много фруктов"),
    ],
)
def test_words_of_every_script_compete_with_times(language, text):
    """A word that is far more likely than all times is not cut off, whatever its letters."""
    model = random_whisper(51866)
    tokenizer = get_tokenizer(True, num_languages=100, language=language, task="transcribe")
    like_times(model, tokenizer)
    known = KnownText.of(tokenizer, text, 30.0)
    model.decoder.token_embedding.weight.data[known.ids, 0] = 60.0
    (found,) = find_segments(model, [known], torch.zeros(1, 1500, 32))
    assert len(found) == 1
