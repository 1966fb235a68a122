"""Cues that show again what the one before them shows."""

import json

import pytest
from helpers.subtitles import read, spans, srt
from whisper.utils import get_writer


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


def test_a_cue_that_repeats_the_one_before_it_for_long_is_a_gap(tmp_path):
    """The speaker may have said it twice, or the caption may have been shown longer."""
    cues = [(5 * i, 5 * i + 5, "I know.") for i in range(3)]
    found, notes = read(tmp_path, srt(*cues, (15, 20, "So.")))
    assert [cue.text for cue in found.cues] == ["I know.", "So."]
    assert found.gaps == [(5.0, 10.0), (10.0, 15.0)] and len(notes) == 2
    segments = [dict(zip(("start", "end", "text"), cue, strict=True)) for cue in cues]
    found, _ = read(tmp_path, json.dumps({"segments": segments}), ".json")
    assert len(found.cues) == 3 and not found.gaps  # whisper's do not roll up


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
