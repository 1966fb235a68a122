"""Usable cues: what is changed or skipped is noted with its line."""

import pytest
from helpers.subtitles import SRT, read, spans, srt


def test_a_cue_is_its_times_and_words_without_styling(tmp_path):
    found, notes = read(tmp_path, SRT)
    assert spans(found) == [(0.5, 2.0, "Hello there."), (2.0, 4.25, "Two lines, one cue.")]
    assert [cue.place.rsplit(":", 1)[1] for cue in found.cues] == ["2", "6"]
    assert not notes and not found.gaps


def test_sound_notes_and_labels_stay_with_keep_notes(tmp_path):
    found, _ = read(tmp_path, srt((0, 1, "[music] JOHN: Hi.")), keep_notes=True)
    assert found.cues[0].text == "[music] JOHN: Hi."


def test_empty_cues_and_those_without_words_are_noted_with_their_line(tmp_path):
    found, notes = read(tmp_path, srt((0, 1, ""), (1, 2, "[music]"), (2, 3, "Hi.")))
    assert spans(found) == [(2.0, 3.0, "Hi.")]
    assert notes == [("2", "empty: skipped"), ("6", "'[music]': no words: skipped")]


def test_unordered_cues_are_sorted(tmp_path):
    found, notes = read(tmp_path, srt((5, 6, "Second."), (1, 2, "First.")))
    assert [cue.text for cue in found.cues] == ["First.", "Second."]
    assert notes == [("6", "starts at 1.00 s, before the cue above it: sorted by start time")]


def test_a_small_overlap_ends_the_earlier_cue_sooner(tmp_path):
    found, notes = read(tmp_path, srt((0, 2.2, "One."), (2, 4, "Two.")))
    assert spans(found) == [(0.0, 2.0, "One."), (2.0, 4.0, "Two.")]
    assert notes == [("6", "overlaps the cue before it by 0.20 s: the earlier cue now ends sooner")]


def test_cues_spoken_at_once_become_one(tmp_path):
    found, notes = read(tmp_path, srt((0, 4, "One."), (1, 3, "Two."), (4, 5, "Three.")))
    assert spans(found) == [(0.0, 4.0, "One. Two."), (4.0, 5.0, "Three.")]
    assert notes == [("6", "overlaps the cue before it by 3.00 s: merged")]
    found, notes = read(tmp_path, srt((0, 25, "One."), (5, 33, "Two."), (34, 35, "Three.")))
    assert spans(found) == [(34.0, 35.0, "Three.")]  # one would be too long
    assert found.gaps == [(0.0, 33.0)] and notes[0][1].endswith("both skipped with their audio")


@pytest.mark.parametrize("end", [3.0, 2.5])
def test_speech_whose_cue_has_no_length_is_a_gap(tmp_path, end):
    found, notes = read(tmp_path, srt((0, 2, "One."), (3, end, "x" * 30), (9, 10, "Two.")))
    assert [cue.text for cue in found.cues] == ["One.", "Two."]
    assert found.gaps == [(3.0, 5.0)]  # 15 characters a second
    assert notes[0][0] == "6" and notes[0][1].endswith("skipped with its audio")


def test_a_cue_over_30_s_is_a_gap_and_one_over_other_cues_a_caption(tmp_path):
    found, notes = read(tmp_path, srt((0, 40, "A long, long speech."), (41, 42, "Two.")))
    assert found.gaps == [(0.0, 40.0)] and [cue.text for cue in found.cues] == ["Two."]
    assert notes == [("2", "lasts 40.0 s, more than 30 s: skipped with its audio")]
    found, notes = read(tmp_path, srt((0, 40, "A talk by me"), (1, 15, "One."), (16, 38, "Two.")))
    assert not found.gaps and [cue.text for cue in found.cues] == ["One.", "Two."]
    assert notes == [("2", "lasts 40.0 s and covers other cues: skipped as a caption, audio kept")]
    found, _ = read(
        tmp_path, srt((0, 45, "A very long speech"), (44.5, 50, "Next."), (51, 52, "a"))
    )
    assert [cue.text for cue in found.cues] == ["a"]  # the next cue overlaps that speech
    assert found.gaps == [(0.0, 45.0), (44.5, 50.0)]


def test_cues_beyond_the_recording_are_trimmed_or_skipped(tmp_path):
    found, notes = read(tmp_path, srt((0, 10.5, "One."), (13, 14, "Two.")), duration=10.0)
    assert spans(found) == [(0.0, 10.0, "One.")]
    assert [line for line, _ in notes] == ["2", "6"]
    found, _ = read(tmp_path, srt((9.5, 20, "A long sentence, most of it later.")), duration=10.0)
    assert not found.cues and found.gaps == [(9.5, 10.0)]


@pytest.mark.parametrize(
    "text",
    [
        "[SPEAKING SPANISH]",
        "(speaking Spanish)",
        "[inaudible]",
        "[inaudible]: so.",
        "Well [inaudible] so.",
    ],
)
def test_speech_that_only_a_note_reports_is_a_gap(tmp_path, text):
    found, notes = read(tmp_path, srt((0, 20, text), (25, 30, "Hi.")))
    assert found.gaps == [(0.0, 20.0)] and [cue.text for cue in found.cues] == ["Hi."]
    assert notes[0][1].endswith("skipped with its audio")


def test_no_cue_overlaps_a_gap(tmp_path):
    found, notes = read(tmp_path, srt((0, 2, "a"), (5, 9, "b"), (7, 7, "z" * 20), (12, 13, "c")))
    assert [cue.text for cue in found.cues] == ["a", "c"]
    assert (5.0, 9.0) in found.gaps
    assert ("6", "overlaps speech that was skipped: skipped with its audio") in notes


def test_a_cue_of_30_s_is_kept_whatever_floats_make_of_it(tmp_path):
    found, _ = read(tmp_path, srt((12.34, 42.34, "Long.")))
    assert len(found.cues) == 1


def test_a_short_cue_within_a_gap_is_part_of_it(tmp_path):
    cues = [(10, 20, "[inaudible]"), (12, 12.05, "Ah"), (21, 25, "One."), (26, 30, "Two.")]
    found, _ = read(tmp_path, srt(*cues))
    assert [cue.text for cue in found.cues] == ["One.", "Two."]


def test_credits_are_no_speech(tmp_path):
    found, notes = read(
        tmp_path, srt((0, 3, "Hello."), (4, 6, "Subtitles by the Amara.org community"))
    )
    assert [cue.text for cue in found.cues] == ["Hello."] and found.gaps == [(4.0, 6.0)]
    assert "credits, not speech" in notes[0][1]


def test_times_are_counted_from_the_sound(tmp_path):
    cues = srt((0.2, 0.9, "Before."), (0.8, 3, "Over."), (4, 6, "After."))
    found, notes = read(tmp_path, cues, lead=1.0)
    assert spans(found) == [(0.0, 2.0, "Over."), (3.0, 5.0, "After.")] and not found.gaps
    assert notes == [("2", "ends before the sound begins: skipped")]
