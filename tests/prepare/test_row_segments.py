"""Segments of many rows, remembered."""

from dataclasses import replace

import pytest
from helpers.audio import write_tone

from whisper_ft.data.row import Row
from whisper_ft.data.segment_cache import SegmentCache
from whisper_ft.prepare.row_segments import find_row_segments
from whisper_ft.text.tokens import Segment


@pytest.fixture
def rows(tmp_path):
    for name in ("a", "b"):
        write_tone(tmp_path / f"{name}.wav", 2.0)
    row = Row(tmp_path / "a.wav", "Hello there.", place="m.jsonl:1")
    return [
        row,
        replace(row, text=""),
        replace(row, segments=(Segment(0.0, 2.0, "Hello there."),)),
        replace(row, audio=tmp_path / "b.wav", text="Good bye."),
        replace(row, audio=tmp_path / "missing.wav", place="m.jsonl:5"),
        replace(row, text="a " * 300, place="m.jsonl:6"),
    ]


def test_rows_without_segments_get_them_and_others_are_named(tmp_path, model, rows):
    found = find_row_segments(model, rows, SegmentCache(tmp_path / "cache.jsonl"))
    assert sorted(found.segments) == [0, 3]
    for index, segments in found.segments.items():
        assert " ".join(segment.text for segment in segments) == rows[index].text
        assert segments[-1].end <= 2.0
    assert [problem.place for problem in found.unreadable] == ["m.jsonl:5"]
    (problem,) = found.problems
    assert problem.place == "m.jsonl:6" and "300 tokens" in problem.what


def test_they_are_found_once_for_a_model_and_a_text(tmp_path, model, rows, monkeypatch):
    path = tmp_path / "cache.jsonl"
    first = find_row_segments(model, rows, SegmentCache(path))
    calls = []
    monkeypatch.setattr(
        "whisper_ft.prepare.row_segments.find_segments",
        lambda model, texts, features: [
            calls.append(t.tokenizer.decode(t.ids).strip()) or () for t in texts
        ],
    )
    assert find_row_segments(model, rows[:5], SegmentCache(path)).segments == first.segments
    assert calls == []
    find_row_segments(model, [replace(rows[0], text="Hello.")], SegmentCache(path))
    assert calls == ["Hello."]
    model.decoder.ln.bias.data[1] += 1
    find_row_segments(model, rows[:1], SegmentCache(path))
    assert calls == ["Hello.", "Hello there."]
