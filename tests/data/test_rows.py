"""Rows are unpacked when they are accessed, so that a million of them fit."""

import gc
import json
import pickle
import random
import sys
from array import array
from dataclasses import fields as fields_of
from dataclasses import replace

import pytest
from helpers.manifests import NAMES, write_manifest
from hypothesis import given
from hypothesis import strategies as st
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.keyword_prompts import keyword_prompt
from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.prompts import PromptPolicy, example_rng
from whisper_ft.data.row import Row
from whisper_ft.data.row_parsing import parse_line
from whisper_ft.data.rows import (
    JoinedRows,
    Rows,
    SegmentedRows,
    audio_stamps,
    row_keywords,
    row_places,
    row_writing,
    total_seconds,
)
from whisper_ft.text.tokens import Segment
from whisper_ft.validation.checks import check_manifest


@pytest.fixture
def rows(tmp_path):
    lines = [{"audio": f"{i}.wav", "text": f"Row {i}."} for i in range(100)]
    return read_manifest(write_manifest(tmp_path / "many.jsonl", lines)).rows


def test_rows_are_a_sequence(rows):
    assert len(rows) == 100 and rows[-1] == rows[99]
    assert [row.text for row in rows] == [f"Row {i}." for i in range(100)]
    assert [row.text for row in rows[2:5]] == ["Row 2.", "Row 3.", "Row 4."]
    with pytest.raises(IndexError):
        rows[100]
    assert [row.place for row in rows] == list(row_places(rows))
    assert [row.follows for row in rows[:3]] == [False, True, True]


def test_pickled_rows_are_the_same(rows):
    assert list(pickle.loads(pickle.dumps(rows))) == list(rows)


def test_manifests_are_joined_without_making_rows(rows):
    joined = JoinedRows([rows, rows[:3], rows])
    assert len(joined) == 203
    assert list(joined) == [*rows, *rows[:3], *rows]
    assert list(row_places(joined)) == [row.place for row in joined]
    assert len(JoinedRows([])) == 0 and list(JoinedRows([])) == []


def directly_parsed(path):
    """Return the rows of a manifest, built from their lines without packing."""
    rows, follows = [], False
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        parsed = parse_line(line).fields if line.strip() else None
        if parsed:
            given = {**parsed._asdict(), "audio": path.parent / parsed.audio}
            rows.append(Row(**given, place=f"{path}:{number}", follows=follows))
        follows = parsed is not None if line.strip() else follows
    return rows


def assert_identical(one, other):
    """Compare two rows with the types of their values and the signs of zeros."""
    for field in fields_of(Row):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert repr(a) == repr(b) and type(a) is type(b), field.name


seconds = st.floats(0, 1e6) | st.just(-0.0) | st.integers(0, 10**20)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = texts.filter(lambda name: name and "\0" not in name)
lines = st.fixed_dictionaries(
    {"audio": names, "text": texts},
    optional={
        "prompt": texts,
        "keywords": st.lists(texts.filter(str.strip), max_size=4),
        "segments": st.lists(
            st.fixed_dictionaries({"start": st.just(0), "end": st.just(0.0), "text": texts}),
            max_size=3,
        ),
        "start": st.sampled_from([0, 0.0, -0.0, 1.5]),
        "end": st.floats(2, 1e9),
        "channel": st.integers(0, 10**30),
        "duration": seconds,
        "language": names,
        "task": names,
        "recording": texts,
        "speaker": texts,
        "snr": st.floats(),
    },
)
BROKEN = [{"text": "no audio"}, {"audio": "a", "text": "\ud800"}, [1]]


@given(st.lists(lines | st.sampled_from(BROKEN), max_size=8), st.booleans())
def test_unpacked_rows_are_the_parsed_ones_in_every_field(tmp_path_factory, several, escaped):
    path = tmp_path_factory.mktemp("rows") / "m.jsonl"
    dumped = (json.dumps(line, ensure_ascii=escaped or line in BROKEN) for line in several)
    path.write_text("\n".join(dumped), encoding="utf-8")
    rows, parsed = read_manifest(path).rows, directly_parsed(path)
    assert len(rows) == len(parsed)
    for index, (one, other) in enumerate(zip(rows, parsed, strict=True)):
        assert_identical(one, other)
        assert row_writing(rows, index) == other.writing == row_writing(parsed, index)
        assert row_keywords(rows, index) == other.keywords == row_keywords(parsed, index)


def test_a_check_changes_duration_and_stamp_alone(corpus, tmp_path):
    path = write_manifest(
        tmp_path / "m.jsonl",
        [{"audio": "0.wav", "text": "Hallo.", "language": "German"}, {"audio": "gone", "text": ""},
         {"audio": "1.wav", "text": "Hi.", "duration": 1.05, "language": "de"}],
    )  # fmt: skip
    manifest = read_manifest(path)
    rows = check_manifest(manifest, None).rows
    assert [(row.duration, row.language, row.follows) for row in rows] == [
        (1.0, "de", False), (1.0, "de", False)
    ]  # fmt: skip
    assert all(row.stamp is not None for row in rows)
    assert [row.language for row in manifest.rows] == ["de", "en", "de"]
    assert [row.writing for row in rows] == [row_writing(rows, 0), row_writing(rows, 1)]


@pytest.fixture
def varied(tmp_path):
    """Rows of two styles and languages, a third of them without keywords, some with prompts."""
    rng = random.Random(1)
    written = []
    for i, name in enumerate(NAMES):
        text = f"Call {name} now." if i % 2 else f"call {name.lower()} now"
        line = {"audio": f"{i}.wav", "text": text, "recording": str(i // 10)}
        if i % 3:
            line["keywords"] = [text.split()[1], *(["now"] if i % 4 else [])]
        if not i % 5:
            line["prompt"] = f"{rng.choice(NAMES)}, Vandel."
        if not i % 7:
            line |= {"language": "de", "task": "translate" if i % 2 else "transcribe"}
        written.append(line)
    return read_manifest(write_manifest(tmp_path / "varied.jsonl", written)).rows


@pytest.mark.slow
def test_prompts_drawn_from_packed_rows_are_those_drawn_from_plain_rows(varied):
    tokenizer = get_tokenizer(True)
    plain = list(varied)
    joined = JoinedRows([varied, plain[:7]]), [*plain, *plain[:7]]
    policies = [PromptPolicy(**{kind: 1.0}) for kind in ("keywords", "style", "wrong")]
    policies.append(PromptPolicy(0.2, 0.2, 0.2, 0.2, 0.1, 0.1))
    for packed, expected in ((varied, plain), joined):
        for policy in policies:
            for index in range(len(packed)):
                draws = [
                    (policy(rows, index, rng, timestamps=bool(index % 2), tokenizer=tokenizer),
                     rng.getstate())
                    for rows in (packed, expected)
                    for rng in [example_rng(0, 3, index)]
                ]  # fmt: skip
                assert draws[0] == draws[1]


def test_a_keyword_prompt_unpacks_no_row_but_its_own(varied, monkeypatch):
    unpacked = []
    make = Rows._unpacked
    monkeypatch.setattr(
        Rows, "_unpacked", lambda rows, index: unpacked.append(index) or make(rows, index)
    )
    rng, tokenizer = random.Random(0), get_tokenizer(True)
    assert keyword_prompt(varied, 1, rng, (tokenizer,), n_distractors=10)
    assert unpacked == [1]


def buffers_of(rows):
    """Return every object that a table and its rows hold, except the recent rows."""
    return [v for owner in (rows, rows.table) for v in vars(owner).values() if v != rows._recent]


def test_rows_hold_no_python_object_per_row_so_forked_workers_share_them(corpus):
    line = corpus[0].read_bytes().splitlines()[0]
    path = corpus[0].parent / "many.jsonl"
    n_rows = 5000
    path.write_bytes((line + b"\n") * n_rows)
    gc.collect()
    before = len(gc.get_objects())
    manifest = read_manifest(path)
    checked = check_manifest(manifest, None).rows
    gc.collect()
    assert len(checked) == n_rows and checked[4999].duration == 1.0
    assert len(gc.get_objects()) - before < 500
    held = [*buffers_of(manifest.rows), *buffers_of(checked)]
    assert all(
        isinstance(value, array | bytearray) or not hasattr(value, "__len__") or len(value) < 50
        for value in held
        if value is not path
    )
    unique = {id(value): sys.getsizeof(value) for value in held}
    assert sum(unique.values()) < path.stat().st_size * 1.2 + n_rows * 70


def test_rows_with_segments_that_were_found_are_the_same_rows_otherwise(corpus):
    rows = check_manifest(read_manifest(corpus[0]), None).rows
    segments = (Segment(0.0, 0.5, "Call"), Segment(0.5, None, ""))
    found = SegmentedRows(rows, {1: segments})
    assert found[1] == replace(rows[1], segments=segments)
    assert found[0] == rows[0] and len(found) == len(rows)
    assert list(row_places(found)) == list(row_places(rows))
    assert row_keywords(found, 1) == rows[1].keywords and row_writing(found, 1) == rows[1].writing
    assert total_seconds(JoinedRows([found])) == total_seconds(rows)
    assert list(audio_stamps([found])) == list(audio_stamps([rows]))
