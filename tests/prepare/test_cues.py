"""Usable cues: what is changed or skipped is noted with its line."""

import json

import pytest
from helpers.subtitles import SRT, read, spans, srt
from whisper.utils import get_writer


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
    assert [cue.end for cue in found.cues] == [2.01, 4.01, 6.0]
    assert [what for _, what in notes] == [
        "shown again by 1 cue after it: joined with them",  # in another styling
        "repeats the cue before it, which lasts longer now",
    ]


def test_a_caption_that_is_shown_again_for_a_moment_lasts_longer(tmp_path):
    cues = [(0, 2, "One."), (2, 2.3, "One."), (2.3, 4, "One.\nTwo.")]
    found, notes = read(tmp_path, srt(*cues))
    assert spans(found) == [(0.0, 2.3, "One."), (2.3, 4.0, "Two.")]
    assert [what for _, what in notes] == ["repeats the cue before it, which lasts longer now"]


def highlighted(words, start, seconds, underline="<u>{}</u>"):
    """Return cues that show a text once for each of its words, which is underlined."""
    return [
        (
            start + i * seconds,
            start + (i + 1) * seconds,
            " ".join(underline.format(w) if i == j else w for j, w in enumerate(words)),
        )
        for i in range(len(words))
    ]


@pytest.mark.parametrize("underline", ["<u>{}</u>", "<c.yellow>{}</c>", r"{{\\k20}}{}{{\\r}}"])
def test_a_text_whose_words_are_highlighted_one_by_one_is_one_cue(tmp_path, underline):
    words = ["the", "quick", "brown", "fox", "jumps", "over", "the", "fence"]
    first = highlighted(words, 1, 0.36, underline)
    second = highlighted(["and", "runs"], 4, 0.5, underline)
    found, notes = read(tmp_path, srt(*first, *second))
    assert spans(found) == [
        (1.0, pytest.approx(3.88), " ".join(words)),
        (4.0, 5.0, "and runs"),
    ]
    assert notes == [
        ("2", "shown again by 7 cues after it: joined with them"),
        ("34", "shown again by 1 cue after it: joined with them"),
    ]


def test_what_whisper_writes_with_highlighted_words_is_its_segments(tmp_path):
    words = [
        {"word": f" {word}", "start": 0.4 * i, "end": 0.4 * i + 0.3, "probability": 1.0}
        for i, word in enumerate(["one", "two", "three"])
    ]
    segment = {"start": 0.0, "end": 1.1, "text": " one two three", "words": words}
    for suffix in ("srt", "vtt"):
        get_writer(suffix, str(tmp_path))(
            {"segments": [segment], "language": "en"}, "talk", {"highlight_words": True}
        )
        content = (tmp_path / f"talk.{suffix}").read_text()
        assert content.count("-->") == 5
        found, _ = read(tmp_path, content, f".{suffix}")
        assert spans(found) == [(0.0, 1.1, "one two three")] and not found.gaps


def test_a_text_whose_words_appear_one_by_one_is_one_cue(tmp_path):
    words = ["the", "quick", "brown", "fox"]
    cues = [(i, i + 1, " ".join(words[: i + 1])) for i in range(4)]
    found, _ = read(tmp_path, srt(*cues, (4, 5, "and runs")))
    assert spans(found) == [(0.0, 4.0, "the quick brown fox"), (4.0, 5.0, "and runs")]
    # two cues may be said one after the other
    found, _ = read(tmp_path, srt((0, 1, "Yes"), (1, 2, "Yes I do"), (2, 3, "So.")))
    assert [cue.text for cue in found.cues] == ["Yes", "Yes I do", "So."]


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


def test_a_cue_that_repeats_the_one_before_it_for_long_is_a_gap(tmp_path):
    """The speaker may have said it twice, or the caption may have been shown longer."""
    cues = [(5 * i, 5 * i + 5, "I know.") for i in range(3)]
    found, notes = read(tmp_path, srt(*cues, (15, 20, "So.")))
    assert [cue.text for cue in found.cues] == ["I know.", "So."]
    assert found.gaps == [(5.0, 10.0), (10.0, 15.0)] and len(notes) == 2
    segments = [dict(zip(("start", "end", "text"), cue, strict=True)) for cue in cues]
    found, _ = read(tmp_path, json.dumps({"segments": segments}), ".json")
    assert len(found.cues) == 3 and not found.gaps  # whisper's do not roll up


def test_a_cue_of_30_s_is_kept_whatever_floats_make_of_it(tmp_path):
    found, _ = read(tmp_path, srt((12.34, 42.34, "Long.")))
    assert len(found.cues) == 1


def test_a_short_cue_within_a_gap_is_part_of_it(tmp_path):
    cues = [(10, 20, "[inaudible]"), (12, 12.05, "Ah"), (21, 25, "One."), (26, 30, "Two.")]
    found, _ = read(tmp_path, srt(*cues))
    assert [cue.text for cue in found.cues] == ["One.", "Two."]


def test_a_line_that_is_said_twice_is_not_redrawn(tmp_path):
    cues = srt((0, 2, "One."), (3.5, 5, "Thank you."), (5.8, 7.5, "Thank you."))
    found, _ = read(tmp_path, cues)
    assert [cue.text for cue in found.cues] == ["One.", "Thank you.", "Thank you."]
    twice = [*highlighted(["Thank", "you."], 1, 0.5), *highlighted(["Thank", "you."], 2, 0.5)]
    found, _ = read(tmp_path, srt(*twice))
    assert spans(found)[0] == (1.0, 2.0, "Thank you.")
    assert len(found.cues) + len(found.gaps) == 2
    found, _ = read(tmp_path, srt((9, 10, "<i>No.</i>"), (11.5, 12, "No.")))
    assert [cue.text for cue in found.cues] == ["No.", "No."]


def test_credits_are_no_speech(tmp_path):
    found, notes = read(
        tmp_path, srt((0, 3, "Hello."), (4, 6, "Subtitles by the Amara.org community"))
    )
    assert [cue.text for cue in found.cues] == ["Hello."] and found.gaps == [(4.0, 6.0)]
    assert "credits, not speech" in notes[0][1]


ROLLED = (
    "so today we",
    "so today we are going to",
    "are going to look at",
    "look at this thing",
    "this thing right here",
    "right here on the",
    "on the table",
)


def test_roll_up_captions_of_one_line_say_each_word_once(tmp_path):
    cues = [(1 + 2 * i, 3 + 2 * i, text) for i, text in enumerate(ROLLED)]
    found, notes = read(tmp_path, srt(*cues))
    texts = [
        "so today we",
        "are going to",
        "look at",
        "this thing",
        "right here",
        "on the",
        "table",
    ]
    assert [cue.text for cue in found.cues] == texts
    assert [note for _, note in notes][1] == (
        "'are going to': removed: the end of the cue before it, shown again"
    )


def test_words_that_are_said_twice_here_and_there_stay(tmp_path):
    texts = ("we have to", "have to go", "now or never", "never say never", "again and again")
    cues = [(1 + 2 * i, 3 + 2 * i, text) for i, text in enumerate(texts)]
    found, notes = read(tmp_path, srt(*cues))
    assert [cue.text for cue in found.cues] == list(texts) and not notes


def test_a_line_that_rolls_up_after_a_pause_is_known_by_the_times_of_words(tmp_path):
    vtt = """WEBVTT

00:00:00.000 --> 00:00:02.000
one<00:00:00.500><c> two</c><00:00:01.000><c> three</c>

00:00:02.400 --> 00:00:04.000
one two three
four<00:00:03.000><c> five</c>

00:00:09.000 --> 00:00:10.000
one two three
"""
    found, _ = read(tmp_path, vtt, ".vtt")
    assert [cue.text for cue in found.cues] == ["one two three", "four five", "one two three"]


def test_a_drill_says_its_words_again(tmp_path):
    texts = ("one two", "one two three", "two three four", "three four five")
    cues = [(1 + 2 * i, 3 + 2 * i, text) for i, text in enumerate(texts)]
    found, notes = read(tmp_path, srt(*cues))
    assert [cue.text for cue in found.cues] == list(texts) and not notes


def test_times_are_counted_from_the_sound(tmp_path):
    cues = srt((0.2, 0.9, "Before."), (0.8, 3, "Over."), (4, 6, "After."))
    found, notes = read(tmp_path, cues, lead=1.0)
    assert spans(found) == [(0.0, 2.0, "Over."), (3.0, 5.0, "After.")] and not found.gaps
    assert notes == [("2", "ends before the sound begins: skipped")]
