"""Training's prompts are those that `transcribe()` sends, token for token, window after window."""

import random

import numpy as np
import pytest
import whisper
from helpers.manifests import row
from helpers.models import random_whisper
from whisper.decoding import DecodingResult
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.prompt_kinds import previous_ids
from whisper_ft.data.prompts import PromptPolicy, example_rng
from whisper_ft.text.tokens import Segment, build_example

CUT = (
    Segment(0.0, 9.6, "First of all."),
    Segment(10.0, 26.5, "Then this."),
    Segment(28.0, 33.0, "Cut."),
)
WHOLE = (Segment(0.4, 9.6, "First of all."), Segment(10.0, 30.0, "Then this."))
LONG = (Segment(0.0, 26.0, "word " * 110), Segment(26.0, 29.0, "and " * 110))


def recording(segments, next_start):
    """Two rows of one file: a window of 30 s, and one from where `transcribe` seeks next."""
    text = " ".join(s.text.strip() for s in segments if s.end <= 30)
    return [
        row(text, recording="talk", audio="talk.wav", segments=segments, end=30.0, duration=30.0),
        row("Last.", recording="talk", audio="talk.wav", start=next_start, duration=5.0),
    ]


def prompts_sent(model, monkeypatch, row_, *, timestamps, **options):
    """What each call of decode gets from `transcribe` when it writes the first row perfectly."""
    sent = []
    tokenizer = get_tokenizer(model.is_multilingual, language="en", task="transcribe")
    segments = row_.resolved_segments(30.0)
    _, targets = build_example(tokenizer, row_.text, segments=segments, timestamps=timestamps)
    written = targets[targets.index(tokenizer.sot_sequence[-1]) + 1 :] if tokenizer.language else (
        targets
    )  # fmt: skip
    written = [t for t in written if t not in (tokenizer.no_timestamps, tokenizer.eot)]

    def decode(mel, decoding_options):
        sent.append(list(decoding_options.prompt))
        return DecodingResult(
            audio_features=mel,
            language="en",
            tokens=written,
            text=tokenizer.decode(written),
            avg_logprob=-0.1,
            compression_ratio=1.0,
        )

    monkeypatch.setattr(model, "decode", decode)
    whisper.transcribe(
        model,
        np.zeros(16000 * 40, dtype=np.float32),
        language="en",
        fp16=False,
        without_timestamps=not timestamps,
        **options,
    )
    return sent


@pytest.mark.parametrize("n_vocab", [51864, 51865])
@pytest.mark.parametrize("timestamps", [True, False])
@pytest.mark.parametrize(("segments", "seek"), [(CUT, 26.5), (WHOLE, 30.0), (LONG, 30.0)])
def test_previous_text_is_what_transcribe_sends_after_a_perfect_first_window(
    monkeypatch, n_vocab, timestamps, segments, seek
):
    model = random_whisper(n_vocab)
    tokenizer = get_tokenizer(model.is_multilingual, language="en", task="transcribe")
    rows = recording(segments, seek)
    sent = prompts_sent(model, monkeypatch, rows[0], timestamps=timestamps)
    built = {
        tuple(
            previous_ids(
                rows, 1, example_rng(0, turn, 1), timestamps=timestamps, tokenizer=tokenizer
            )
        )
        for turn in range(20)
    }
    kept_by_decoding = tuple(sent[1][-223:])
    assert kept_by_decoding in built
    dangling = tokenizer.timestamp_begin + 1400  # pre-training's prompt ends with the cut's start
    with_start = (*kept_by_decoding, dangling)[-223:]
    assert built == ({kept_by_decoding, with_start} if timestamps and segments is CUT
                     else {kept_by_decoding})  # fmt: skip


@pytest.mark.parametrize("timestamps", [True, False])
@pytest.mark.parametrize("keyword_prompt", ["Quill, Zyxin.", "Zyxin " * 74])
def test_carried_is_what_transcribe_sends_with_a_carried_initial_prompt(
    monkeypatch, model, english, timestamps, keyword_prompt
):
    rows = recording(WHOLE, 30.0)
    rows[1] = row(**{**vars(rows[1]), "prompt": keyword_prompt})
    sent = prompts_sent(
        model,
        monkeypatch,
        rows[0],
        timestamps=timestamps,
        initial_prompt=keyword_prompt,
        carry_initial_prompt=True,
    )
    policy = PromptPolicy(carried=1.0)
    built = policy(rows, 1, random.Random(0), timestamps=timestamps, tokenizer=english)
    assert len(english.encode(" " + keyword_prompt.strip())) <= 222
    assert built == sent[1]
