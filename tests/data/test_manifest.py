"""Rows are made when they are asked for, so that a million of them fit."""

import pickle
import tracemalloc

import pytest
from helpers.manifests import write_manifest

from whisper_ft.data.manifest import JoinedRows, places, read_manifest
from whisper_ft.data.sampler import Sampler, batches_of
from whisper_ft.validation.checks import check_manifest


@pytest.fixture
def rows(tmp_path):
    lines = [{"audio": f"{i}.wav", "text": f"Row {i}."} for i in range(100)]
    return read_manifest(write_manifest(tmp_path / "many.jsonl", lines)).rows


def test_they_are_a_sequence(rows):
    assert len(rows) == 100 and rows[-1] == rows[99]
    assert [row.text for row in rows] == [f"Row {i}." for i in range(100)]
    assert [row.text for row in rows[2:5]] == ["Row 2.", "Row 3.", "Row 4."]
    with pytest.raises(IndexError):
        rows[100]
    assert [row.place for row in rows] == list(places(rows))
    assert [row.follows for row in rows[:3]] == [False, True, True]


def test_another_process_gets_the_same(rows):
    assert list(pickle.loads(pickle.dumps(rows))) == list(rows)


def test_manifests_are_joined_without_making_rows(rows):
    joined = JoinedRows([rows, rows[:3], rows])
    assert len(joined) == 203
    assert list(joined) == [*rows, *rows[:3], *rows]
    assert list(places(joined)) == [row.place for row in joined]
    assert len(JoinedRows([])) == 0 and list(JoinedRows([])) == []


def test_empty_lines_and_bad_ones_keep_their_numbers(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text('\n{"audio": "a.wav", "text": "A"}\n\nno\n{"audio": "b.wav", "text": "B"}')
    manifest = read_manifest(path)
    assert [row.place for row in manifest.rows] == [f"{path}:2", f"{path}:5"]
    assert [problem.place for problem in manifest.problems] == [f"{path}:4"]
    assert [row.follows for row in manifest.rows] == [False, False]


def test_a_row_costs_its_line_and_tens_of_bytes(corpus, tmp_path):
    line = corpus[0].read_bytes().splitlines()[0]
    path = corpus[0].parent / "many.jsonl"
    path.write_bytes((line + b"\n") * 5000)
    tracemalloc.start()
    checked = check_manifest(read_manifest(path), None)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(checked.rows) == 5000 and checked.rows[4999].duration == 1.0
    assert held < path.stat().st_size + 5000 * 100


def test_an_epoch_entered_in_its_middle_is_the_one_that_was_left():
    order = Sampler((range(50_000),), (1.0,), seed=3)
    whole = list(batches_of(order, 0, 100_000, 8, 8))
    assert whole[9_000:] == list(batches_of(order, 72_000, 100_000, 8, 8))
    assert sorted(visit.row for batch in whole[:6250] for visit in batch) == list(range(50_000))
