"""Short rows joined into windows."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from helpers.audio import tone
from helpers.manifests import row, write_manifest
from hypothesis import given
from hypothesis import strategies as st
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.dataset import RowError, read_row_audio
from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.packing import format_packing, pack_rows
from whisper_ft.data.prompt_kinds import previous_ids
from whisper_ft.data.prompts import example_rng
from whisper_ft.data.row import Row
from whisper_ft.evaluation.longform_recordings import longform_recordings
from whisper_ft.models.loading import Vocabulary
from whisper_ft.text.tokens import Segment, build_example
from whisper_ft.validation.checks import check_manifest

TOKENIZER_OF = Vocabulary(True, 99, 448).tokenizer


def sentences(n, seconds=4.0, **fields):
    return [
        row(f"Sentence {i}.", audio=f"{i}.wav", duration=seconds, place=f"m:{i + 1}", **fields)
        for i in range(n)
    ]


def packed(rows, by="recording", seed=0):
    return pack_rows(rows, by, TOKENIZER_OF, seed)


def test_rows_of_a_recording_become_windows_of_at_most_30_s_in_order():
    first, second = packed(sentences(10, recording="r"))
    assert (first.duration, second.duration) == (30.0, 12.0)
    assert first.text == " ".join(f"Sentence {i}." for i in range(7))
    assert first.segments == (
        *(Segment(4.0 * i, 4.0 * i + 4.0, f"Sentence {i}.") for i in range(7)),
        Segment(28.0, None, ""),
    )
    assert [len(window.parts) for window in (first, second)] == [8, 3]
    assert first.place == "m:1 and 6 more"


def test_a_window_is_filled_with_the_start_of_the_next_row_which_starts_the_next_window(tmp_path):
    for i in range(3):
        soundfile.write(tmp_path / f"{i}.wav", tone(12.0, hertz=200 + 90 * i), 16000)
    rows = [replace(r, audio=tmp_path / str(r.audio)) for r in sentences(3, 12.0, recording="r")]
    first, second = packed(rows)
    timed, segments = read_row_audio(first, timestamps=True)
    plain, _ = read_row_audio(first, timestamps=False)
    assert len(timed) == 30 * 16000 and len(plain) == 24 * 16000
    assert segments[-1] == Segment(24.0, None, "") and first.text == "Sentence 0. Sentence 1."
    assert second == rows[2]
    start, _ = read_row_audio(second, timestamps=True)
    assert np.array_equal(timed[24 * 16000 :], start[: 6 * 16000])


def test_a_full_window_or_one_without_a_next_row_is_not_filled():
    for rows in (
        [*sentences(1, 29.9, recording="r"), *sentences(1, recording="r")],  # no room
        [*sentences(1, 20.0, recording="r"), *sentences(1, 20.0, recording="s")],
        [*sentences(1, 20.0, recording="r"), row("", audio="x", duration=20.0, recording="r")],
    ):
        assert [window.parts for window in packed(rows)] == [(), ()]


def test_a_next_row_whose_first_segment_would_be_whole_does_not_fill_a_window():
    long = [replace(r, text="word " * 120) for r in sentences(2, recording="r")]
    assert [window.parts for window in packed(long)] == [(), ()]  # tokens end it, not seconds
    two = (Segment(0.5, 4.0, "a"), Segment(4.0, 20.0, "b"))
    after = row("a b", audio="b", duration=20.0, recording="r", segments=two)
    for seconds, n_parts in ((20.0, 0), (28.0, 2), (29.4, 0)):
        (first, _) = packed([*sentences(1, seconds, recording="r"), after])
        assert len(first.parts) == n_parts
    (first, _) = packed([*sentences(1, 28.0, recording="r"), after])
    assert first.segments[-1] == Segment(28.5, None, "") and first.duration == 30.0


def test_previous_text_of_a_window_is_that_of_the_window_before(english):
    rows = [replace(r, speaker="s") for r in sentences(10, recording="r")]
    windows = packed(rows)
    ids = previous_ids(windows, 1, example_rng(0, 0, 1), timestamps=False, tokenizer=english)
    assert english.decode(ids).strip() == windows[0].text


def test_windows_do_not_cross_recordings_or_rows_left_out_and_lone_rows_stay():
    rows = [*sentences(2, recording="a"), *sentences(2, recording="b"), *sentences(2)]
    assert [len(window.parts or (window,)) for window in packed(rows)] == [2, 2, 1, 1]
    gap = sentences(4, recording="a")
    gap[2] = replace(gap[2], follows=False)
    assert [len(window.parts) for window in packed(gap)] == [2, 2]


def test_the_samples_are_the_parts_one_after_the_other_with_short_pauses_between(tmp_path):
    sound = np.concatenate([tone(2.0, hertz=h) for h in (200, 300, 400, 500)])
    soundfile.write(tmp_path / "a.wav", sound, 16000, subtype="FLOAT")
    spans = [(0.0, 1.0), (1.5, 2.5), (6.0, 7.0)]
    rows = [
        Row(tmp_path / "a.wav", f"{start}", start=start, end=end, duration=1.0, recording="r")
        for start, end in spans
    ]
    (window,) = packed(rows)
    samples, segments = read_row_audio(window, timestamps=True)
    assert np.array_equal(samples, np.concatenate([sound[:40000], sound[96000:112000]]))
    assert segments == (
        Segment(0.0, 1.0, "0.0"),
        Segment(1.5, 2.5, "1.5"),
        Segment(2.5, 3.5, "6.0"),  # a pause of 3.5 s is left out
    )
    assert len(samples) / 16000 == window.duration


def test_segments_of_rows_move_to_their_place_and_a_cut_one_ends_the_window():
    spoken = (Segment(0.5, 1.5, "a"), Segment(2.0, 3.5, "b"))
    cut = (Segment(0.0, 2.0, "c"), Segment(3.0, 9.0, "d"))
    rows = [
        row("a b", audio="1", duration=4.0, recording="r", segments=spoken),
        row("c", audio="3", duration=4.0, recording="r", segments=cut),
        row("e", audio="4", duration=4.0, recording="r"),
    ]
    first, second = packed(rows)
    assert first.segments == (
        *spoken,
        Segment(4.0, 6.0, "c"),
        Segment(7.0, None, ""),
    )
    assert first.text == "a b c" and second.text == "e"
    build_example(get_tokenizer(False), first.text, segments=first.segments, timestamps=True)


def test_a_window_fits_the_decoders_224_tokens_and_its_prompts_223():
    long = sentences(4, recording="r")
    for i in range(4):
        long[i] = replace(long[i], text="word " * 100)
    assert [len(window.parts) for window in packed(long)] == [2, 2]
    prompted = [replace(r, prompt=f"{i} " + "term " * 100) for i, r in enumerate(long)]
    assert [len(window.parts) for window in packed(prompted)] == [2, 2]
    assert packed(prompted)[0].prompt == f"{prompted[0].prompt} {prompted[1].prompt}"
    same = [replace(r, prompt="Quill.", text="Hi.", keywords=("Hi",)) for r in long]
    assert [(window.prompt, window.keywords) for window in packed(same)] == [("Quill.", ("Hi",))]


def test_languages_written_without_spaces_are_joined_without():
    rows = sentences(2, recording="r", language="zh")
    assert packed(rows)[0].text == "Sentence 0.Sentence 1."


def test_the_seed_decides_which_rows_of_a_speaker_are_packed():
    rows = [r for name in "ab" for r in sentences(20, speaker=name, recording=f"{name} 1")]
    windows = packed(rows, "speaker")
    assert sorted(len(window.parts) for window in windows) == [6, 6, 7, 7, 7, 7]
    for window in windows:
        assert len({part.speaker for part in window.parts}) == 1
        assert not window.recording  # nothing was said before it
    assert windows == packed(rows, "speaker")
    assert windows != packed(rows, "speaker", seed=1)
    texts = [part.text for window in windows for part in window.parts]
    assert sorted(texts) == sorted(r.text for r in rows)


def test_a_speakers_rows_join_only_in_one_style_and_strangers_and_silence_stay():
    rows = [
        *sentences(2, speaker="a"),
        replace(row("lower case"), speaker="a", duration=4.0),
        replace(row(""), speaker="a", duration=4.0),
        *sentences(2),
    ]
    windows = packed(rows, "speaker")
    for window in windows:
        assert len({part.style for part in window.parts}) <= 1
    assert sum(not window.parts for window in windows) >= 3  # strangers and silence


def test_the_summary_gives_the_effect_of_packing():
    rows = sentences(10, recording="r")
    assert format_packing(rows, packed(rows)) == (
        "packed 10 rows into 2 windows: 5.0 rows and 21.0 s per window, "
        "80% fewer encoder passes per epoch"
    )


@pytest.mark.parametrize("by", ["recording", "speaker"])
def test_a_missing_part_is_named(tmp_path, by):
    rows = sentences(3, recording="r", speaker="s")
    (window,) = packed([replace(r, audio=tmp_path / str(r.audio)) for r in rows], by)
    with pytest.raises(RowError, match=rf"{window.parts[0].place}: .*{window.parts[0].audio.name}"):
        read_row_audio(window, timestamps=True)


def test_times_are_the_files_where_a_manifest_claims_a_little_more(tmp_path):
    lines = []
    for i in range(5):
        soundfile.write(tmp_path / f"{i}.wav", tone(3.93, hertz=200 + i), 16000)
        lines.append(
            {
                "audio": f"{i}.wav",
                "text": f"sentence {i}",
                "end": 4.0,
                "recording": "r",
                "segments": [{"start": 0, "end": 4.0, "text": f"sentence {i}"}],
            }
        )
    manifest = read_manifest(write_manifest(tmp_path / "m.jsonl", lines))
    rows = check_manifest(manifest, Vocabulary(True, 99, 448)).rows
    (window,) = packed(rows)
    samples, segments = read_row_audio(window, timestamps=True)
    assert window.duration == pytest.approx(5 * 3.93) == len(samples) / 16000
    assert segments[-1].end == pytest.approx(5 * 3.93) and segments[-1].text == "sentence 4"
    for before, after in pairwise(segments):
        assert before.end <= after.start


def test_a_prompt_that_is_the_windows_own_text_is_dropped():
    said = [f"This is the sentence of number {i}." for i in range(3)]
    rows = [
        replace(r, text=said[i], prompt=said[i - 1] if i else "Names: Quill.")
        for i, r in enumerate(sentences(3, recording="r"))
    ]
    assert packed(rows)[0].prompt == "Names: Quill."


def test_a_speakers_pause_contains_no_other_speaker(tmp_path):
    rows = [
        row("A one.", audio="x", start=0.0, duration=3.0, speaker="a", recording="r"),
        row("B.", audio="x", start=3.1, duration=0.8, speaker="b", recording="r"),
        row("A two.", audio="x", start=4.0, duration=2.0, speaker="a", recording="r"),
    ]
    for seed in range(4):
        window = next(w for w in packed(rows, "speaker", seed) if w.parts)
        assert sorted((part.start, part.duration) for part in window.parts) == [
            (0.0, 3.0),
            (4.0, 2.0),
        ]


def test_a_window_without_free_tokens_is_not_filled():
    full = [replace(r, text="word " * 222) for r in sentences(1, 20.0, recording="r")]
    after = sentences(1, 20.0, recording="r")
    first, second = packed([*full, *after])
    assert first == full[0] and second == after[0]


def test_joined_windows_of_subtitles_contain_no_audio_twice(tmp_path):
    cut = (Segment(0.0, 23.0, "a"), Segment(24.0, 33.0, "b"))
    windows = [
        row("a", audio="x", start=0.0, end=30.0, duration=30.0, recording="r", segments=cut),
        row("b", audio="x", start=24.0, end=54.0, duration=30.0, recording="r"),
    ]
    (whole,) = longform_recordings(windows)
    assert whole.duration == 54.0 and whole.text == "a b"
    assert whole.segments == (Segment(0.0, 23.0, "a"), Segment(24.0, 54.0, "b"))
    assert [(part.start, part.end) for part in whole.parts] == [(0.0, 24.0), (24.0, 54.0)]


def touching(*spans):
    """Rows of one file and recording, each (start, end) in its seconds."""
    return [
        replace(one, audio="r.wav", recording="r", start=start, end=end, duration=end - start)
        for one, (start, end) in zip(sentences(len(spans)), spans, strict=True)
    ]


@pytest.mark.parametrize(
    "spans",
    [
        [(1.48, 7.38), (7.38, 15.05)],  # 7.38 - (1.48 + 5.9) is a hair below 0
        [(0.0, 10.0), (9.95, 20.0)],  # an overlap within the slack of times
    ],
)
def test_rows_that_touch_or_overlap_slightly_join_in_spite_of_rounding(spans, english):
    (window,) = packed(touching(*spans))
    first, second = window.segments
    assert first.end == second.start == pytest.approx(spans[1][0] - spans[0][0])
    build_example(english, window.text, segments=window.segments, timestamps=True)


@given(st.lists(st.integers(50, 800), min_size=2, max_size=12), st.integers(0, 5000))
def test_touching_rows_of_any_length_join(lengths, start):
    """Times to a hundredth of a second, as corpora have them."""
    times = [(start + sum(lengths[:i])) / 100 for i in range(len(lengths) + 1)]
    english = get_tokenizer(False)
    for window in packed(touching(*pairwise(times))):
        segments = window.resolved_segments(window.duration)
        build_example(english, window.text, segments=segments, timestamps=True)


def test_a_segment_that_starts_in_the_slack_after_its_audio_stays_within(english):
    odd = (Segment(0.0, 9.0, "Yes."), Segment(10.02, 10.08, "No."))
    rows = sentences(2, 10.0, speaker="ann")
    rows = [replace(one, text="Yes. No.", segments=odd) for one in rows]
    (window,) = packed(rows, by="speaker")
    assert window.segments[1] == Segment(10.0, 10.0, "No.")
    build_example(english, window.text, segments=window.segments, timestamps=True)


def test_silence_is_joined_to_nothing():
    rows = sentences(5, recording="r")
    rows[0] = replace(rows[0], text="")
    rows[3] = replace(rows[3], text="")
    assert [window.text for window in packed(rows)] == [
        "",
        "Sentence 1. Sentence 2.",
        "",
        "Sentence 4.",
    ]


def test_prompts_join_by_words_without_words_of_the_windows_text():
    rows = sentences(3, recording="r")
    prompts = ("Smithson", "Smith", "tence 0. Sentence 1.")
    (window,) = packed([replace(r, prompt=p) for r, p in zip(rows, prompts, strict=True)])
    assert window.prompt == "Smithson Smith"


def test_joined_windows_in_separate_files_contain_no_audio_twice(tmp_path):
    """A cut segment occurs again, whole, at the start of the next window's file."""
    sound = tone(50.0)
    spans = [(0.0, 30.0, ((0.0, 24.0), (24.0, 36.0))), (24.0, 50.0, ((0.0, 12.0), (12.0, 26.0)))]
    rows = []
    for i, (start, end, segments) in enumerate(spans):
        soundfile.write(tmp_path / f"{i}.wav", sound[int(start * 16000) : int(end * 16000)], 16000)
        said = tuple(Segment(a, b, f"w{i}{j}") for j, (a, b) in enumerate(segments))
        text = " ".join(s.text for s in said if s.end <= end - start)
        path = tmp_path / f"{i}.wav"
        rows.append(row(text, audio=path, segments=said, duration=end - start, recording="r"))
    (whole,) = longform_recordings(rows)
    samples, segments = read_row_audio(whole, timestamps=True)
    assert len(samples) == 50 * 16000 and np.abs(samples - sound).max() < 1e-3
    assert [(s.start, s.end) for s in segments] == [(0.0, 24.0), (24.0, 36.0), (36.0, 50.0)]
