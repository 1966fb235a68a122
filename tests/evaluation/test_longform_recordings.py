"""Rows joined to whole recordings, and a few minutes of them."""

import pytest
from helpers.manifests import row

from whisper_ft.evaluation.longform_recordings import (
    describe_recordings,
    draw_recordings,
    longform_recordings,
)


def talk(n, seconds=20.0, **fields):
    return [
        row(f"Part {i}.", audio=f"{i}.wav", duration=seconds, place=f"m:{i}", **fields)
        for i in range(n)
    ]


def test_rows_that_follow_each_other_are_one_recording_however_long():
    rows = talk(3, recording="r")
    alone = row("", audio="0.wav", duration=20.0)
    one, silence = longform_recordings([*rows, alone])
    assert one.text == "Part 0. Part 1. Part 2." and one.duration == 60.0
    assert [segment.start for segment in one.segments] == [0.0, 20.0, 40.0]
    assert silence == alone


def test_rows_of_a_speaker_are_joined_up_to_minutes_only_where_no_row_has_a_recording():
    rows = [r for i in range(14) for r in (talk(14, speaker="a")[i], talk(14, speaker="b")[i])]
    joined = longform_recordings([*rows, *talk(2), row("", speaker="a", duration=9.0)])
    assert [recording.duration for recording in joined] == [240.0, 40.0, 240.0, 40.0, 20.0, 20.0, 9]
    assert {part.speaker for part in joined[0].parts} == {"a"}
    assert len(longform_recordings([*rows, row(recording="r", duration=1.0)])) == len(rows) + 1


def test_a_speakers_languages_are_apart():
    rows = [*talk(1, speaker="a"), *talk(1, speaker="a", language="de"), *talk(1, speaker="a")]
    assert [len(r.parts) for r in longform_recordings(rows)] == [2, 0]


def test_a_recording_longer_than_wanted_is_several():
    joined = longform_recordings(talk(7, recording="r"), max_seconds=60.0)
    assert [r.duration for r in joined] == [60.0, 60.0, 20.0]
    (long,) = longform_recordings(talk(1, 90.0), max_seconds=60.0)
    assert long.duration == 90.0


def test_how_rows_became_recordings_is_told():
    rows = talk(3, recording="r")
    told = describe_recordings(rows, longform_recordings(rows))
    assert told == "3 rows -> 1 recording, 1 longer than one window of 30 s"
    rows = talk(3)
    told = describe_recordings(rows, longform_recordings(rows))
    assert told.startswith("3 rows -> 3 recordings (no row has a `recording`: those of one")
    assert "none longer than one window of 30 s, so that nothing shows previous text: give" in told


def test_minutes_are_drawn_by_the_seed_from_long_recordings_first():
    recordings = [
        *(row("a", duration=25.0) for _ in range(9)),
        *(row("a", duration=100.0) for _ in range(9)),
        row("", duration=100.0),
    ]
    drawn = {seed: draw_recordings(recordings, 330.0, seed) for seed in range(9)}
    assert drawn[1] == draw_recordings(recordings, 330.0, 1)
    assert len({tuple(some) for some in drawn.values()}) > 3
    for some in drawn.values():
        assert [recordings[i].duration for i in some] == [25.0, 100.0, 100.0, 100.0]


@pytest.mark.parametrize("text", ["a", ""])
def test_one_recording_with_speech_is_drawn_though_it_is_too_long(text):
    assert draw_recordings([row(text, duration=100.0)], 60.0, 0) == [0] * bool(text)
