"""The contract with the decoder: one test for each rule."""

import pytest
import torch
from helpers.models import random_whisper
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper.decoding import ApplyTimestampRules, DecodingOptions, DecodingTask
from whisper.tokenizer import get_tokenizer

from whisper_ft.text.tokens import (
    IGNORE,
    Segment,
    build_example,
    decode_segments,
    encode_prompt,
    encode_segments,
    encode_text,
    keep_last,
)

TEXT = "Call Doctor Quill."
SEGMENTS = (Segment(0.0, 1.5, "Call Doctor"), Segment(1.5, 2.345, "Quill."))


def learned(targets):
    return [target for target in targets if target != IGNORE]


def space(tokenizer):
    return "" if tokenizer.language == "yue" else " "


def test_the_prompt_is_read_but_never_learned_and_everything_after_it_is(tokenizer):
    tokens, targets = build_example(tokenizer, TEXT, "Quill, Zyxin")
    prompt = tokenizer.encode(" Quill, Zyxin")
    text = tokenizer.encode(space(tokenizer) + TEXT)
    start = [*tokenizer.sot_sequence_including_notimestamps]
    assert tokens == [tokenizer.sot_prev, *prompt, *start, *text]
    assert targets == [IGNORE] * len(prompt) + [*start, *text, tokenizer.eot]


def test_a_target_is_the_token_that_should_follow(tokenizer):
    tokens, targets = build_example(tokenizer, TEXT, "Quill, Zyxin")
    n_prompt = targets.count(IGNORE)
    assert tokens[n_prompt + 1 :] == targets[n_prompt:-1]


def test_without_a_prompt_there_is_no_sot_prev_and_nothing_is_masked(tokenizer):
    for nothing in ("", "  \n", []):
        tokens, targets = build_example(tokenizer, TEXT, nothing)
        assert tokens[0] == tokenizer.sot
        assert targets == [*tokens[1:], tokenizer.eot]


def test_timestamps_stand_around_each_segment_in_steps_of_20_ms(tokenizer):
    tokens, targets = build_example(tokenizer, TEXT, segments=SEGMENTS, timestamps=True)
    zero = tokenizer.timestamp_begin
    encode = tokenizer.encode
    assert tokens == [
        *tokenizer.sot_sequence,
        zero,
        *encode(space(tokenizer) + "Call Doctor"),
        zero + 75,
        zero + 75,
        *encode(space(tokenizer) + "Quill."),
        zero + 117,
    ]
    assert targets == [*tokens[1:], tokenizer.eot]
    assert tokenizer.no_timestamps not in tokens


def test_times_beyond_the_window_are_its_end(english):
    tokens, _ = build_example(
        english, "Late.", segments=[Segment(29.0, 31.0, "Late.")], timestamps=True
    )
    assert tokens[-1] == english.timestamp_begin + 1500


def test_a_segment_that_the_window_cuts_leaves_its_start_alone_before_eot(english):
    segments = [Segment(0.0, 1.5, "Call."), Segment(2.0, None, "")]
    tokens, targets = build_example(english, "Call.", segments=segments, timestamps=True)
    zero = english.timestamp_begin
    assert tokens == [english.sot, zero, *english.encode(" Call."), zero + 75, zero + 100]
    assert targets == [*tokens[1:], english.eot]


def test_whispers_own_timestamp_rules_allow_a_lone_start_only_before_eot(english):
    segments = [Segment(0.0, 1.5, "Call."), Segment(2.0, None, "")]
    _, targets = build_example(english, "Call.", segments=segments, timestamps=True)
    rules = ApplyTimestampRules(english, 1, max_initial_timestamp_index=50)
    for i, target in enumerate(targets):
        logits = torch.zeros(1, 51864)
        logits[0, target] = 20.0
        rules.apply(logits, torch.tensor([[english.sot, *targets[:i]]]))
        assert logits[0].argmax() == target  # each target can be written, in its place


def test_only_the_last_of_several_segments_may_be_cut(english):
    for wrong in ([Segment(2, None, "")], [Segment(0, None, ""), Segment(1, 2, "a")]):
        with pytest.raises(ValueError, match="only the last of several"):
            build_example(english, "a", segments=wrong, timestamps=True)


def test_a_translation_begins_with_a_space_whatever_is_spoken():
    for task, first in (("translate", " Hi"), ("transcribe", "Hi")):
        tokenizer = get_tokenizer(True, language="ja", task=task)
        tokens, _ = build_example(tokenizer, "Hi")
        assert tokens[4:] == tokenizer.encode(first)


def test_timestamps_need_segments(english):
    for missing in (None, ()):
        with pytest.raises(ValueError, match="need segments"):
            build_example(english, TEXT, segments=missing, timestamps=True)


def test_a_segment_without_text_is_its_two_times(english):
    segments = [Segment(0.0, 1.0, " "), Segment(1.0, 2.0, "a")]
    tokens, _ = build_example(english, "a", segments=segments, timestamps=True)
    zero = english.timestamp_begin
    assert tokens[1:4] == [zero, zero + 50, zero + 50]


def test_segments_that_go_backwards_are_refused(english):
    for wrong in ([Segment(2, 1, "a")], [Segment(0, 2, "a"), Segment(1, 3, "b")]):
        with pytest.raises(ValueError, match="sort and trim"):
            build_example(english, "a b", segments=wrong, timestamps=True)


@pytest.mark.parametrize("timestamps", [False, True])
def test_silence_is_no_speech_right_after_sot_with_no_language_task_or_time(tokenizer, timestamps):
    tokens, targets = build_example(tokenizer, " ", timestamps=timestamps)
    assert tokens == [tokenizer.sot, tokenizer.no_speech]
    assert targets == [tokenizer.no_speech, tokenizer.eot]
    tokens, targets = build_example(tokenizer, "", "Quill", timestamps=timestamps)
    assert tokens[-2:] == [tokenizer.sot, tokenizer.no_speech]
    assert learned(targets) == [tokenizer.sot, tokenizer.no_speech, tokenizer.eot]


def test_blank_silence_is_what_decoding_with_timestamps_can_write(tokenizer):
    tokens, targets = build_example(tokenizer, "", "Quill", timestamps=True, blank=True)
    silence = [*tokenizer.sot_sequence, tokenizer.timestamp_begin]
    assert tokens[-len(silence) :] == silence
    assert learned(targets) == [*silence, tokenizer.eot]
    speech = build_example(tokenizer, TEXT, blank=True)
    assert speech == build_example(tokenizer, TEXT)  # words are no silence


def test_an_over_long_prompt_keeps_what_is_nearest_to_the_speech(english):
    prompt = list(range(1000, 1400))
    tokens, targets = build_example(english, TEXT, prompt)
    assert tokens[1:224] == prompt[-223:]
    assert tokens[224] == english.sot
    assert targets.count(IGNORE) == 223


def test_the_text_is_never_cut_the_prompt_gives_way(english):
    text = " ".join(["word"] * 440)
    tokens, targets = build_example(english, text, list(range(1000, 1400)))
    assert len(tokens) == len(targets) == 448
    assert learned(targets)[2:-1] == english.encode(" " + text)
    assert tokens[:6] == [english.sot_prev, *range(1395, 1400)]


def test_with_no_room_left_for_a_prompt_there_is_none(english):
    for n_words in (445, 446):  # 446 words, sot and notimestamps fill the window
        tokens, _ = build_example(english, " ".join(["word"] * n_words), "Quill")
        assert tokens[0] == english.sot
    with pytest.raises(ValueError, match=r"449 tokens.*448"):
        build_example(english, " ".join(["word"] * 447))


def test_special_token_spellings_in_text_and_prompt_are_text(tokenizer):
    tokens, targets = build_example(tokenizer, "Say <|endoftext|> twice.", "<|startofprev|> x")
    assert tokenizer.eot not in tokens
    assert tokens.count(tokenizer.sot_prev) == 1
    assert targets.count(tokenizer.eot) == 1
    assert "<|endoftext|>" in tokenizer.decode(
        learned(targets)[len(tokenizer.sot_sequence) + 1 : -1]
    )


def test_special_ids_of_100_languages_are_one_higher_and_of_english_one_lower():
    tokenizers = {n: get_tokenizer(True, num_languages=n) for n in (99, 100)}
    sot_prev = {n: build_example(t, TEXT, "Quill")[0][0] for n, t in tokenizers.items()}
    assert sot_prev == {99: 50361, 100: 50362}
    assert build_example(get_tokenizer(False), TEXT, "Quill")[0][0] == 50360


def test_keeping_the_last_0_ids_keeps_none():
    assert keep_last([1, 2, 3], 2) == [2, 3]
    assert keep_last([1, 2, 3], 0) == keep_last([1, 2, 3], -1) == keep_last([], 5) == []


@pytest.mark.parametrize("n_vocab", [51864, 51865, 51866])
@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize(
    "prompt", ["", "Quill, Zyxin", "  padded ", "word " * 400, list(range(900, 1200)), [220]]
)
def test_training_tokens_begin_as_whispers_own_decoder_does(n_vocab, timestamps, prompt):
    with torch.device("cpu"):
        model = random_whisper(n_vocab)
    language = None if n_vocab == 51864 else "de"
    options = DecodingOptions(
        language=language or "en", prompt=prompt, without_timestamps=not timestamps, fp16=False
    )
    initial = DecodingTask(model, options).initial_tokens
    tokenizer = get_tokenizer(
        model.is_multilingual, num_languages=model.num_languages, language=language
    )
    tokens, _ = build_example(
        tokenizer, TEXT, prompt, segments=[Segment(0, 2, TEXT)], timestamps=timestamps
    )
    assert tuple(tokens[: len(initial)]) == initial
    tail = tokens[len(initial) :]
    assert (
        tail[0] == tokenizer.timestamp_begin if timestamps else tail == tokenizer.encode(" " + TEXT)
    )


def test_the_two_exceptions_blank_prompts_and_special_spellings_are_named(model, english):
    blank = DecodingTask(model, DecodingOptions(prompt="  ", fp16=False)).initial_tokens
    assert blank == (english.sot_prev, 220, english.sot)  # out of distribution: we send no prompt
    assert encode_prompt(english, "  ") == []
    with pytest.raises(ValueError, match="special token"):
        DecodingTask(model, DecodingOptions(prompt="<|nospeech|>", fp16=False))
    assert english.decode(encode_prompt(english, "<|nospeech|>")) == " <|nospeech|>"


texts = st.text(max_size=60)


@settings(max_examples=200, deadline=None)
@given(
    text=texts,
    prompt=st.one_of(texts, st.lists(st.integers(0, 50000), max_size=500)),
    timestamps=st.booleans(),
    english_only=st.booleans(),
)
def test_for_any_input_lengths_agree_and_the_mask_covers_exactly_the_prompt(
    text, prompt, timestamps, english_only
):
    tokenizer = get_tokenizer(not english_only)
    tokens, targets = build_example(
        tokenizer, text, prompt, segments=[Segment(0, 2, text)], timestamps=timestamps
    )
    assert len(tokens) == len(targets) <= 448
    n_prompt = targets.count(IGNORE)
    assert targets[:n_prompt] == [IGNORE] * n_prompt
    assert n_prompt == min(223, len(encode_prompt(tokenizer, prompt)))
    assert (tokens[0] == tokenizer.sot_prev) == bool(n_prompt)
    assert targets[-1] == tokenizer.eot
    learned_text = tokenizer.decode([t for t in learned(targets) if t < tokenizer.eot])
    assert learned_text.strip() == text.strip()


@st.composite
def cut_segments(draw):
    """Segments in order, with texts, the last of several now and then cut by the window."""
    times = sorted(draw(st.lists(st.floats(0, 30), min_size=2, max_size=12)))
    spans = list(zip(times[::2], times[1::2], strict=False))
    segments = [Segment(start, end, draw(texts)) for start, end in spans]
    if len(segments) > 1 and draw(st.booleans()):
        segments[-1] = Segment(segments[-1].start, None, "")
    return segments


@settings(max_examples=200, deadline=None)
@given(segments=cut_segments(), prompt=texts, english_only=st.booleans())
def test_for_any_segments_times_never_decrease_and_the_text_comes_back(
    segments, prompt, english_only
):
    tokenizer = get_tokenizer(not english_only)
    text = " ".join(segment.text for segment in segments)
    tokens, targets = build_example(tokenizer, text, prompt, segments=segments, timestamps=True)
    learned_ids = learned(targets)
    if not text.strip():
        assert tokenizer.no_speech in learned_ids
        return
    times = [t - tokenizer.timestamp_begin for t in learned_ids if t >= tokenizer.timestamp_begin]
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= 1500
    n_cut = sum(segment.end is None for segment in segments)
    assert len(times) == 2 * len(segments) - n_cut
    text_of_tokens = tokenizer.decode([t for t in learned_ids if t < tokenizer.eot])
    assert "".join(text_of_tokens.split()) == "".join(text.split())
    assert len(tokens) == len(targets) <= 448


def test_decoded_tokens_are_read_back_as_segments(tokenizer):
    segments = [Segment(0.0, 1.2, "Call Quill."), Segment(1.5, 29.98, "Now.")]
    ids = encode_segments(tokenizer, [*segments, Segment(30.0, None, "")])
    assert decode_segments(tokenizer, ids) == segments  # a start without words says nothing
    assert decode_segments(tokenizer, ids[:-2]) == [segments[0], Segment(1.5, None, "Now.")]
    untimed = encode_text(tokenizer, "Now.")
    assert decode_segments(tokenizer, untimed) == [Segment(0.0, None, "Now.")]
    assert decode_segments(tokenizer, []) == []
