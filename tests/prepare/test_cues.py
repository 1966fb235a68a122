"""Subtitles of every kind to cues: what is mended or left out is told with its line."""

import json

import pytest
from helpers.subtitles import SRT, read, spans, srt

from whisper_ft.prepare.cues import without_notes


def test_a_cue_is_its_times_and_words_without_styling(tmp_path):
    found, notes = read(tmp_path, SRT)
    assert spans(found) == [(0.5, 2.0, "Hello there."), (2.0, 4.25, "Two lines, one cue.")]
    assert [cue.place.rsplit(":", 1)[1] for cue in found.cues] == ["2", "6"]
    assert not notes and not found.holes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[music] Hello.", "Hello."),
        ("(DOOR SLAMS)\nWho is it?", "Who is it?"),
        ("(laughs)", ""),
        ("(I think) so.", "(I think) so."),
        ("♪ La la la ♪", "La la la"),
        ("# La la la #", "La la la"),
        ("We are #1.", "We are #1."),
        ("*sighs* Fine.", "Fine."),
        ("JOHN: Hello.", "Hello."),
        ("DR. O'NEIL: Hello.", "Hello."),
        ("Speaker 2: Hello.", "Hello."),
        ("- Who?\n- Me.", "Who? Me."),
        (">> And now.", "And now."),
        (">>> JOHN: And now.", "And now."),
        ("Note: it is late.", "Note: it is late."),
        ("At 10:30 we left.", "At 10:30 we left."),
        ("well-known - really", "well-known - really"),
        ("[inaudible]\n(SIGHS)", ""),
        ("[door\nslams] Hi", "Hi"),
        ("AND THEN HE SAID: GO HOME.", "AND THEN HE SAID: GO HOME."),
        ("THE SCORE IS 3: 2", "THE SCORE IS 3: 2"),
        ("Он сказал (я думаю) это.", "Он сказал (я думаю) это."),
        ("It was (1984) then.", "It was (1984) then."),
        ("He said yes\n(and I mean it)", "He said yes (and I mean it)"),
        ("2*3*4 is 24", "2*3*4 is 24"),
    ],
)
def test_speaker_labels_and_sound_notes_are_not_words(text, words):
    assert without_notes(text) == words


def test_notes_stay_when_asked(tmp_path):
    found, _ = read(tmp_path, srt((0, 1, "[music] JOHN: Hi.")), keep_notes=True)
    assert found.cues[0].text == "[music] JOHN: Hi."


def test_empty_cues_and_those_without_words_are_told_with_their_line(tmp_path):
    found, notes = read(tmp_path, srt((0, 1, ""), (1, 2, "[music]"), (2, 3, "Hi.")))
    assert spans(found) == [(2.0, 3.0, "Hi.")]
    assert notes == [("2", "empty"), ("6", "'[music]': no words")]


def test_unordered_cues_are_sorted(tmp_path):
    found, notes = read(tmp_path, srt((5, 6, "Second."), (1, 2, "First.")))
    assert [cue.text for cue in found.cues] == ["First.", "Second."]
    assert notes == [("6", "starts at 1.00 s, before the cue above it: sorted")]


def test_a_small_overlap_ends_the_earlier_cue_sooner(tmp_path):
    found, notes = read(tmp_path, srt((0, 2.2, "One."), (2, 4, "Two.")))
    assert spans(found) == [(0.0, 2.0, "One."), (2.0, 4.0, "Two.")]
    assert notes == [("6", "overlaps the cue before it by 0.20 s: that one ends sooner")]


def test_cues_spoken_at_once_become_one(tmp_path):
    found, notes = read(tmp_path, srt((0, 4, "One."), (1, 3, "Two."), (4, 5, "Three.")))
    assert spans(found) == [(0.0, 4.0, "One. Two."), (4.0, 5.0, "Three.")]
    assert notes == [("6", "overlaps the cue before it by 3.00 s: made one")]
    found, notes = read(tmp_path, srt((0, 25, "One."), (5, 33, "Two."), (34, 35, "Three.")))
    assert spans(found) == [(34.0, 35.0, "Three.")]  # one would be too long
    assert found.holes == [(0.0, 33.0)] and notes[0][1].endswith("both left out, with their speech")


@pytest.mark.parametrize("end", [3.0, 2.5])
def test_speech_whose_cue_has_no_length_is_a_hole(tmp_path, end):
    found, notes = read(tmp_path, srt((0, 2, "One."), (3, end, "x" * 30), (9, 10, "Two.")))
    assert [cue.text for cue in found.cues] == ["One.", "Two."]
    assert found.holes == [(3.0, 5.0)]  # 15 characters a second
    assert notes[0][0] == "6" and notes[0][1].endswith("left out, with its speech")


def test_a_cue_over_30_s_is_a_hole_and_one_over_other_cues_a_caption(tmp_path):
    found, notes = read(tmp_path, srt((0, 40, "A long, long speech."), (41, 42, "Two.")))
    assert found.holes == [(0.0, 40.0)] and [cue.text for cue in found.cues] == ["Two."]
    assert notes == [("2", "lasts 40.0 s, more than 30: left out, with its speech")]
    found, notes = read(tmp_path, srt((0, 40, "A talk by me"), (1, 15, "One."), (16, 38, "Two.")))
    assert not found.holes and [cue.text for cue in found.cues] == ["One.", "Two."]
    assert notes == [("2", "lasts 40.0 s over other cues: left out alone, as a caption")]
    found, _ = read(
        tmp_path, srt((0, 45, "A very long speech"), (44.5, 50, "Next."), (51, 52, "a"))
    )
    assert [cue.text for cue in found.cues] == ["a"]  # the next cue overlaps that speech
    assert found.holes == [(0.0, 45.0), (44.5, 50.0)]


def test_cues_beyond_the_recording_are_trimmed_or_left_out(tmp_path):
    found, notes = read(tmp_path, srt((0, 10.5, "One."), (13, 14, "Two.")), duration=10.0)
    assert spans(found) == [(0.0, 10.0, "One.")]
    assert [line for line, _ in notes] == ["2", "6"]
    found, _ = read(tmp_path, srt((9.5, 20, "A long sentence, most of it later.")), duration=10.0)
    assert not found.cues and found.holes == [(9.5, 10.0)]


def test_captions_that_roll_up_say_each_line_once(tmp_path):
    vtt = """WEBVTT

00:00:00.000 --> 00:00:02.000
 
hello<00:00:00.500><c> there</c>

00:00:02.000 --> 00:00:02.010
hello there
 

00:00:02.010 --> 00:00:04.000
hello there
this<00:00:02.500><c> is</c><00:00:03.000><c> me</c>

00:00:04.000 --> 00:00:04.010
this is me
 

00:00:04.010 --> 00:00:06.000
this is me
goodbye
"""
    found, notes = read(tmp_path, vtt, ".vtt")
    assert [cue.text for cue in found.cues] == ["hello there", "this is me", "goodbye"]
    assert [what for _, what in notes] == ["repeats the cue before it: left out"] * 2


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
def test_speech_that_only_a_note_tells_of_is_a_hole(tmp_path, text):
    found, notes = read(tmp_path, srt((0, 20, text), (25, 30, "Hi.")))
    assert found.holes == [(0.0, 20.0)] and [cue.text for cue in found.cues] == ["Hi."]
    assert notes[0][1].endswith("left out, with its speech")


def test_no_cue_touches_a_hole(tmp_path):
    found, notes = read(tmp_path, srt((0, 2, "a"), (5, 9, "b"), (7, 7, "z" * 20), (12, 13, "c")))
    assert [cue.text for cue in found.cues] == ["a", "c"]
    assert (5.0, 9.0) in found.holes
    assert ("6", "overlaps speech that was left out: left out with it") in notes


@pytest.mark.parametrize(
    "text",
    [
        "[SPEAKER_00]: Hello there.",
        "[SPEAKER_00] Hello there.",
        "[Speaker 1] Hello there.",
        "[John]: Hello there.",
        "SPEAKER_00: Hello there.",
        "Speaker 2: Hello there.",
        "(Speaker 1): Hello there.",
        "spk_1: Hello there.",
    ],
)
def test_who_speaks_is_not_said(tmp_path, text):
    found, notes = read(tmp_path, srt((0, 2, text)))
    assert spans(found) == [(0.0, 2.0, "Hello there.")] and not found.holes and not notes


@pytest.mark.parametrize(
    "text",
    [
        "It was (during the war) in London.",
        "(we spent the morning by the water)",
        "(bring it)",
        "Sit (by the window).",
        "An (Islamic) school.",
        "I said *no* way.",
    ],
)
def test_what_is_said_in_parentheses_or_stressed_stays(tmp_path, text):
    found, notes = read(tmp_path, srt((0, 2, text)))
    assert spans(found) == [(0.0, 2.0, text)] and not notes


def test_what_is_taken_for_a_sound_among_words_is_told(tmp_path):
    found, notes = read(tmp_path, srt((0, 2, "Well (door slams) so *laughs* yes.")))
    assert found.cues[0].text == "Well so yes."
    assert [what for _, what in notes] == [
        "'(door slams)': taken for a sound, not words",
        "'*laughs*': taken for a sound, not words",
    ]


def test_a_cue_that_says_again_for_a_while_what_was_said_is_a_hole(tmp_path):
    """Whether the speaker said it twice, or the caption stood longer, nobody can tell."""
    cues = [(5 * i, 5 * i + 5, "I know.") for i in range(3)]
    found, notes = read(tmp_path, srt(*cues, (15, 20, "So.")))
    assert [cue.text for cue in found.cues] == ["I know.", "So."]
    assert found.holes == [(5.0, 10.0), (10.0, 15.0)] and len(notes) == 2
    segments = [dict(zip(("start", "end", "text"), cue, strict=True)) for cue in cues]
    found, _ = read(tmp_path, json.dumps({"segments": segments}), ".json")
    assert len(found.cues) == 3 and not found.holes  # whisper's do not roll up


def test_a_cue_of_30_s_is_kept_whatever_floats_make_of_it(tmp_path):
    found, _ = read(tmp_path, srt((12.34, 42.34, "Long.")))
    assert len(found.cues) == 1


def test_a_short_cue_within_a_hole_is_part_of_it(tmp_path):
    cues = [(10, 20, "[inaudible]"), (12, 12.05, "Ah"), (21, 25, "One."), (26, 30, "Two.")]
    found, _ = read(tmp_path, srt(*cues))
    assert [cue.text for cue in found.cues] == ["One.", "Two."]
