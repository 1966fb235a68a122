"""Problems of a row, each with its value and a remedy."""

import re

import pytest
from helpers.media import noise, write_video
from helpers.validation import ENGLISH, MULTILINGUAL, write_and_check

from whisper_ft.models.loading import Vocabulary


def checked(folder, *rows, vocabulary=ENGLISH):
    rows = [{"audio": "a.wav", "text": "Call Reid.", **fields} for fields in rows]
    return write_and_check(folder, *rows, vocabulary=vocabulary)


def segment(start, end, text):
    return {"start": start, "end": end, "text": text}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"audio": "gone.wav"}, "audio: .*gone.wav: no such file"),
        ({"audio": "empty.wav"}, "audio: .*empty.wav: an empty file"),
        (
            {"audio": "bad.wav"},
            "audio: .*bad.wav: FFmpeg cannot read it .*: remove the row, or restore it",
        ),
        ({"audio": "long.wav"}, "audio: .*31.00 s: Whisper takes at most 30 s: split"),
        ({"start": 2.5}, "start: 2.5: .*ends at 2.000 s"),
        ({"end": 2.5}, "end: 2.5: .*ends at 2.000 s"),
        ({"channel": 1}, "channel: 1: .*has no such channel: give 0 to 0"),
        ({"start": 0.5, "end": 0.5001}, "audio: .* s: too short, less than 0.01 s"),
        (
            {"duration": 3.0},
            "duration: 3.0: the audio lasts 2.000 s: check that it is the right file",
        ),
        (
            {"segments": [segment(0, 3, "Call Reid.")]},
            "segments: the only one with text ends at 3.0 s",
        ),
        (
            {"segments": [segment(0, 1, "Call"), segment(1.5, 3, "Reid.")]},
            "segments: the last ends at 3.0 s, the audio ends at 2.000 s: remove its words",
        ),
        (
            {"segments": [segment(0, 1, "Call Reid."), segment(2.5, 3, "Now.")]},
            "segments: one starts at 2.5 s, .*: count seconds from the start of the row",
        ),
        (
            {"segments": [segment(0, 1, "Call Reid."), segment(1, 3, "Now."), segment(3, 4, "a")]},
            "segments: one starts at 3.0 s",
        ),
        ({"keywords": ["Reed"]}, "keywords: 'Reed': not in the text"),
        ({"text": "word " * 447}, "text: .*450 tokens.*448: split the row"),
        ({"text": "word " * 446}, "text: .*449 tokens"),  # fits without timestamps only
        ({"language": "de"}, "language: 'de': the model is English-only"),
        ({"language": "xx"}, "language: 'xx': whisper has no such language"),
        ({"task": "translate"}, "task: 'translate': the model is English-only"),
        ({"task": "sing"}, "task: 'sing': give transcribe or translate"),
    ],
)
def test_a_bad_row_is_named_with_value_and_remedy(folder, row, words):
    found = checked(folder, row)
    assert not found.rows
    (problem,) = found.problems
    assert str(problem).startswith(f"{folder / 'm.jsonl'}:1: ")
    assert re.match(words, problem.what)


def test_a_stretch_of_a_long_file_is_fine(folder):
    found = checked(folder, {"audio": "long.wav", "start": 1.0, "end": 31.0, "duration": 30.0})
    assert not found.problems


def test_a_row_may_end_within_its_last_segment_whose_words_its_text_leaves_out(folder):
    cut = [segment(0, 1, "Call Reid."), segment(1.5, 4, "And Mohr.")]
    found = checked(folder, {"segments": cut})
    assert not found.problems and not found.warnings


def test_languages_are_known_by_code_and_by_name_and_must_be_the_models(folder):
    rows = [{"language": "German"}, {"language": "JA"}, {"language": "yue"}]
    found = checked(folder, *rows, vocabulary=MULTILINGUAL)
    assert [row.language for row in found.rows] == ["de", "ja"]
    assert "the model lacks it: use large-v3 or turbo" in str(found.problems[0])
    assert not checked(folder, *rows, vocabulary=Vocabulary(True, 100, 448)).problems


def test_a_file_with_several_tracks_is_warned_of(folder):
    write_video(folder / "two.mkv", [noise(6.0), noise(6.0)])
    found = checked(folder, {"audio": "two.mkv", "text": "Call Reid now, he is at home."})
    assert [w.what for w in found.warnings if "2 tracks of audio: the default one" in w.what]
    assert found.rows and not found.problems
