"""Windows of long recordings, by the rule of the Whisper paper."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.row import CUT_SLACK, Row
from whisper_ft.prepare.cue import Cue, Gap
from whisper_ft.prepare.cues import UsableCues
from whisper_ft.prepare.windows import cut_windows
from whisper_ft.text.tokens import MAX_FIRST_TIMESTAMP, MAX_NEW_TOKENS, encode_segments


def cut(spans, duration=100.0, gaps=(), seed=0):
    cues = [Cue(start, end, f"w{i}", f"s:{i}") for i, (start, end) in enumerate(spans)]
    usable = UsableCues(cues, [Gap(*gap) for gap in gaps])
    return list(cut_windows(usable, duration, random.Random(seed), get_tokenizer(True)))


def times(window):
    return [(segment.start, segment.end) for segment in window.segments]


def test_the_window_after_a_cut_segment_begins_where_that_segment_does():
    first, second = cut([(0, 10), (10, 28), (28, 35), (35, 50)], duration=50)
    assert (first.start, first.end) == (0, 30) and (second.start, second.end) == (28, 50)
    assert times(first) == [(0, 10), (10, 28), (28, 35)] and first.text == "w0 w1"
    assert times(second) == [(0, 7), (7, 22)]


def test_a_window_that_cuts_nothing_is_followed_from_its_end():
    first, second = cut([(0, 29.5), (30.6, 40)], duration=45)
    assert (first.start, first.end, second.start, second.end) == (0, 30, 30, 45)
    assert times(second) == [(pytest.approx(0.6), pytest.approx(10))]


def test_a_segment_that_ends_a_hair_after_the_window_is_whole():
    first, second = cut([(0, 30.05), (31, 40)], duration=40)
    assert first.text == "w0" and second.text == "w1" and second.start >= 30.05


def test_silence_before_speech_stays_outside_but_for_at_most_a_second():
    firsts = []
    for seed in range(50):
        speech = [window for window in cut([(20, 25), (80, 90)], seed=seed) if window.segments]
        assert [window.text for window in speech] == ["w0", "w1"]
        firsts += [window.segments[0].start for window in speech]
    assert (
        0 <= min(firsts) < 0.2 and 0.8 < max(firsts) <= MAX_FIRST_TIMESTAMP
    )  # not always the same


def test_a_tenth_of_silent_windows_is_kept_away_from_speech():
    kept = []
    for seed in range(400):
        kept += [w for w in cut([(0, 10), (95, 99)], duration=99, seed=seed) if not w.segments]
    assert all(w.start >= 10.5 and w.end <= 94.5 and w.end - w.start <= 30 for w in kept)
    assert all(w.text == "" for w in kept)
    # the first window hears 30 s; 64.5 s of silence after it make three windows
    assert 80 < len(kept) < 165


def test_a_cue_of_30_s_needs_the_whole_window():
    (window,) = [w for w in cut([(10.7, 40.7)], duration=50) if w.segments]
    assert (window.start, window.end) == (10.7, 40.7) and times(window) == [(0, 30)]


def test_no_window_touches_speech_that_was_left_out():
    found = cut([(0, 5), (20, 24), (26, 29)], gaps=[(6, 18), (24.5, 26)], duration=40)
    speech = [window for window in found if window.segments]
    assert [(w.text, w.section) for w in speech] == [("w0", 0), ("w1", 1), ("w2", 2)]
    assert speech[0].end == 6 and speech[1].start >= 18 and speech[1].end == 24.5
    assert speech[2].start == 26


def test_a_recording_without_speech_is_silence():
    assert all(window.segments == () for window in cut([], duration=200))


@st.composite
def recordings(draw):
    """(cue spans, none overlapping and none over 30 s; duration)."""
    gaps = draw(st.lists(st.floats(0, 45), min_size=1, max_size=25))
    lengths = draw(st.lists(st.floats(0.05, 30), min_size=len(gaps), max_size=len(gaps)))
    spans, now = [], 0.0
    for gap, length in zip(gaps, lengths, strict=True):
        start = round(now + gap, 2)
        now = round(start + length, 2)
        spans.append((start, now))
    return spans, now + draw(st.floats(0.01, 60))


@settings(max_examples=300, deadline=None)
@given(recording=recordings(), seed=st.integers(0, 5))
def test_for_any_recording_every_cue_is_whole_in_one_window_and_cut_in_the_one_before_at_most(
    recording, seed
):
    spans, duration = recording
    found = cut(spans, duration, seed=seed)
    whole = []
    for window in found:
        seconds = window.end - window.start
        assert 0 <= window.start < window.end <= duration + 0.001 and seconds <= 30.001
        if not window.segments:
            assert not any(start < window.end and end > window.start for start, end in spans)
            continue
        row = Row(None, window.text, segments=window.segments)
        resolved = row.resolved_segments(seconds)
        assert resolved[0].start <= MAX_FIRST_TIMESTAMP + 0.001
        assert resolved[0].end is not None and all(s.end is not None for s in resolved[:-1])
        whole += [s.text for s in resolved if s.end is not None]
        assert " ".join(s.text for s in resolved if s.end is not None) == window.text
        for segment, resolved_segment in zip(window.segments, resolved, strict=True):
            start, end = spans[int(segment.text[1:])]
            assert abs(window.start + segment.start - start) < 0.01
            assert (resolved_segment.end is None) == (end > window.end + CUT_SLACK + 0.001) or abs(
                end - window.end - CUT_SLACK
            ) < 0.01
    assert whole == [f"w{i}" for i in range(len(spans))]


def test_a_cue_that_ends_right_at_the_slack_is_said_once():
    """30.1 s is within the slack of 30 s, whichever floats its times come as."""
    for tenths in range(1, 200):
        start = tenths / 10
        found = cut(
            [(start, start + 20.0), (start + 20.0, start + 30.1), (start + 31.0, start + 40)]
        )
        said = [text for window in found for text in window.text.split()]
        assert len(said) == len(set(said)) == 3, start


def test_a_window_holds_no_more_than_decoding_writes():
    """Tamil is written in about seven ids a word: 30 s of it are more than 224."""
    tamil = get_tokenizer(True, language="ta")
    word = "வணக்கம் "
    cues = [Cue(5.0 * i, 5.0 * i + 5, word * 8, f"s:{i}") for i in range(12)]
    cues.append(Cue(60.0, 65.0, word * 60, "s:12"))  # alone it is too long: for check to tell
    found = list(cut_windows(UsableCues(cues), 70.0, random.Random(0), tamil))
    *fitting, last = [window for window in found if window.segments]
    for window in fitting:
        segments = Row(None, "", segments=window.segments).resolved_segments(
            window.end - window.start
        )
        assert len(encode_segments(tamil, segments)) <= MAX_NEW_TOKENS
        assert len(window.segments) >= 2 and window.end - window.start < 30
    assert len(last.segments) == 1
    said = [segment.text for window in found for segment in window.segments]
    assert said == [cue.text for cue in cues]
