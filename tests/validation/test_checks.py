"""Everything wrong with manifests, before a second of training."""

import re
import sqlite3

import numpy as np
import pytest
import soundfile
from helpers.audio import tone
from helpers.manifests import write_manifest

from whisper_ft.data.manifest import read_manifest
from whisper_ft.models.loading import Vocabulary
from whisper_ft.validation import audio_headers
from whisper_ft.validation.audio_headers import probe_all
from whisper_ft.validation.checks import check_manifest

ENGLISH = Vocabulary(False, 99, 448)
MULTILINGUAL = Vocabulary(True, 99, 448)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    soundfile.write(tmp_path / "a.wav", tone(2.0), 16000)
    soundfile.write(tmp_path / "long.wav", np.zeros(31 * 8000), 8000)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "bad.wav").write_text("not audio")
    return tmp_path


def checked(folder, *rows, vocabulary=ENGLISH):
    rows = [{"audio": "a.wav", "text": "Call Reid.", **row} for row in rows]
    return check_manifest(read_manifest(write_manifest(folder / "m.jsonl", rows)), vocabulary)


def segment(start, end, text):
    return {"start": start, "end": end, "text": text}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"audio": "gone.wav"}, "audio: .*gone.wav: no such file"),
        ({"audio": "empty.wav"}, "audio: .*empty.wav: an empty file"),
        ({"audio": "bad.wav"}, "audio: .*bad.wav: libsndfile cannot read it .*ffmpeg"),
        ({"audio": "long.wav"}, "audio: .*31.00 s, and Whisper hears 30 at once: split"),
        ({"start": 2.5}, "start: 2.5: .*ends at 2.000 s"),
        ({"end": 2.5}, "end: 2.5: .*ends at 2.000 s"),
        ({"channel": 1}, "channel: 1: .*has no such one: give 0 to 0"),
        ({"start": 0.5, "end": 0.5001}, "audio: .*too short to hear"),
        ({"duration": 3.0}, "duration: 3.0: the audio lasts 2.000 s: correct"),
        (
            {"segments": [segment(0, 3, "Call Reid.")]},
            "segments: the only one with words runs to 3.0 s",
        ),
        (
            {"segments": [segment(0, 1, "Call"), segment(1.5, 3, "Reid.")]},
            "segments: the last runs to 3.0 s, the audio ends at 2.000 s: leave its words out",
        ),
        (
            {"segments": [segment(0, 1, "Call Reid."), segment(2.5, 3, "Now.")]},
            "segments: one starts at 2.5 s, .*: count from the row's start",
        ),
        (
            {"segments": [segment(0, 1, "Call Reid."), segment(1, 3, "Now."), segment(3, 4, "a")]},
            "segments: one starts at 3.0 s",
        ),
        ({"keywords": ["Reed"]}, "keywords: 'Reed': the text does not hold it"),
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


def test_all_problems_of_all_rows_come_at_once_and_good_rows_stay(folder):
    found = checked(folder, {"audio": "gone.wav", "keywords": ["x"]}, {}, {"task": "sing"})
    assert [problem.place.rsplit(":", 1)[1] for problem in found.problems] == ["1", "1", "3"]
    assert len(found.rows) == 1 and found.seconds == 2.0


def test_a_stretch_of_a_long_file_is_fine(folder):
    found = checked(folder, {"audio": "long.wav", "start": 1.0, "end": 31.0, "duration": 30.0})
    assert not found.problems


def test_a_row_may_end_within_its_last_segment_whose_words_its_text_leaves_out(folder):
    cut = [segment(0, 1, "Call Reid."), segment(1.5, 4, "And Mohr.")]
    found = checked(folder, {"segments": cut})
    assert not found.problems and not found.warnings


def test_a_late_first_timestamp_is_a_doubt(folder):
    found = checked(folder, {"segments": [segment(1.1, 2, "Call Reid.")]})
    assert "the first starts at 1.1 s, and stock decoding writes no" in str(found.warnings[0])
    assert not checked(folder, {"segments": [segment(1.0, 2, "Call Reid.")]}).warnings


def test_a_checked_row_knows_its_duration_and_whether_it_follows_the_one_before(folder):
    found = checked(folder, {}, {"start": 0.5}, {"audio": "gone.wav"}, {}, {"text": 5}, {}, {})
    assert [row.duration for row in found.rows] == [2.0, 1.5, 2.0, 2.0, 2.0]
    assert [row.follows for row in found.rows] == [False, True, False, False, True]


def test_languages_are_known_by_code_and_by_name_and_must_be_the_models(folder):
    rows = [{"language": "German"}, {"language": "JA"}, {"language": "yue"}]
    found = checked(folder, *rows, vocabulary=MULTILINGUAL)
    assert [row.language for row in found.rows] == ["de", "ja"]
    assert "the model lacks it: use large-v3 or turbo" in str(found.problems[0])
    assert not checked(folder, *rows, vocabulary=Vocabulary(True, 100, 448)).problems


def test_what_may_be_a_mistake_is_a_doubt_and_the_row_stays(folder):
    found = checked(
        folder,
        {"segments": [{"start": 0, "end": 1, "text": "Call"}]},
        {"prompt": "word " * 300},
        {"text": "word " * 230},
        {"keywords": ["reid"]},
    )
    assert not found.problems and len(found.rows) == 4
    said = [doubt.what.split(":")[0] for doubt in found.warnings]
    assert said == ["segments", "prompt", "text", "text", "keywords"]
    assert "the first 77 are cut" in found.warnings[1].what


def test_a_checked_header_is_remembered_until_the_file_changes(folder, monkeypatch):
    path = folder / "a.wav"
    first = probe_all([path])
    with monkeypatch.context() as patch:
        patch.setattr(audio_headers, "probe", lambda _: pytest.fail("read again"))
        assert probe_all([path]) == first
    soundfile.write(path, tone(1.0), 16000)
    assert probe_all([path])[path].duration == 1.0


def test_a_damaged_cache_costs_nothing_but_time(folder):
    probe_all([folder / "a.wav"])
    cache = folder / "cache" / "whisper_ft" / "probes.sqlite"
    with sqlite3.connect(cache) as connection:
        connection.execute("DROP TABLE probes")
        connection.execute("CREATE TABLE probes (path)")
    assert probe_all([folder / "a.wav"])[folder / "a.wav"].n_samples == 32000
    cache.write_bytes(b"not a database" * 100)
    assert probe_all([folder / "a.wav"])[folder / "a.wav"].n_samples == 32000


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(folder, monkeypatch):
    (folder / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "file"))
    assert probe_all([folder / "a.wav"])[folder / "a.wav"].n_samples == 32000
