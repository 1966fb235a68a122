"""Segments that were found once are found again."""

import os
from dataclasses import replace

import pytest
from helpers.audio import write_tone

from whisper_ft.data.row import Row
from whisper_ft.data.segment_cache import SegmentCache, segment_key
from whisper_ft.text.tokens import Segment

SEGMENTS = (Segment(0.0, 1.5, "Schön."), Segment(1.5, None, ""))


def test_segments_are_read_back_as_they_were_added(tmp_path):
    path = tmp_path / "new" / "cache.jsonl"
    SegmentCache(path).add({"a": SEGMENTS, "silence": ()})
    SegmentCache(path).add({"b": SEGMENTS[:1]})
    cache = SegmentCache(path)
    assert (cache.get("a"), cache.get("silence"), cache.get("b")) == (SEGMENTS, (), SEGMENTS[:1])
    assert cache.get("c") is None and len(cache) == 3


def test_where_the_disk_fails_segments_stay_in_memory_and_that_is_said_once(tmp_path, logged):
    (tmp_path / "file").write_text("")
    cache = SegmentCache(tmp_path / "file" / "cache.jsonl")
    for key in ("a", "b"):
        cache.add({key: SEGMENTS})
    assert cache.get("a") == cache.get("b") == SEGMENTS
    assert logged().count("are not remembered, and the next run finds them again") == 1


@pytest.mark.parametrize("n_lost", [1, 5, 30])
def test_after_an_interrupted_write_the_whole_lines_count_and_new_ones_are_added(tmp_path, n_lost):
    path = tmp_path / "cache.jsonl"
    SegmentCache(path).add({"a": SEGMENTS, "b": SEGMENTS})
    path.write_bytes(path.read_bytes()[:-n_lost])
    cache = SegmentCache(path)
    assert cache.get("a") == SEGMENTS and (cache.get("b") is None) == (n_lost > 1)
    cache.add({"c": SEGMENTS})
    assert SegmentCache(path).get("c") == SEGMENTS


@pytest.mark.parametrize(
    "line", ["7", "{}", '{"key": "a", "segments": [[0, "x", "a"]]}', '{"key": "a", "segments": 1}']
)
def test_a_line_of_another_kind_is_no_segment(tmp_path, line):
    (tmp_path / "cache.jsonl").write_text(line + "\n")
    assert len(SegmentCache(tmp_path / "cache.jsonl")) == 0


def test_a_key_is_that_of_one_stretch_of_one_version_of_one_file(tmp_path):
    for name in ("a", "b"):
        write_tone(tmp_path / f"{name}.wav")
        os.utime(tmp_path / f"{name}.wav", (1, 1))
    row = Row(tmp_path / "a.wav", "Text.")
    rows = [
        row,
        replace(row, audio=tmp_path / "b.wav"),
        replace(row, start=0.5),
        replace(row, end=0.5),
        replace(row, channel=1),
        replace(row, language="de"),
        replace(row, parts=(row, row)),
    ]
    keys = {segment_key(r, "model") for r in rows} | {segment_key(row, "model", "text")}
    assert len(keys) == len(rows) + 1
    assert segment_key(row, "model") == segment_key(replace(row, text="Other."), "model")
    before = segment_key(row, "model")
    write_tone(tmp_path / "a.wav", 2.0)
    assert segment_key(row, "model") != before
