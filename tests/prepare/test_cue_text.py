"""The words of a cue, without sound notes, speaker labels and dashes."""

import pytest
from helpers.subtitles import read, spans, srt

from whisper_ft.prepare.cue_text import split_cue_text


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
    assert split_cue_text(text).words == words


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
    assert spans(found) == [(0.0, 2.0, "Hello there.")] and not found.gaps and not notes


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


def test_what_is_removed_as_a_sound_among_words_is_noted(tmp_path):
    found, notes = read(tmp_path, srt((0, 2, "Well (door slams) so *laughs* yes.")))
    assert found.cues[0].text == "Well so yes."
    assert [what for _, what in notes] == [
        "'(door slams)': removed as a sound, not words",
        "'*laughs*': removed as a sound, not words",
    ]
