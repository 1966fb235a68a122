"""Manifests: what is read, and each mistake with its place, value and remedy."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.row import Problem, parse_row
from whisper_ft.text.tokens import Segment

GOOD = {"audio": "a.wav", "text": "Call Reid."}
DEFAULTS = {"language": "en", "task": "transcribe"}


def problems_of(**fields):
    line = json.dumps({**GOOD, **fields}).encode()
    return parse_row(line, Path("x"), "m:1", DEFAULTS)[1]


def test_a_row_has_every_field_typed(tmp_path):
    path = tmp_path / "m.jsonl"
    fields = {
        **GOOD,
        "prompt": "Reid.",
        "keywords": ["Reid", "two  words"],
        "segments": [{"start": 0, "end": 1.5, "text": "Call Reid."}],
        "start": 2,
        "end": 4.5,
        "channel": 1,
        "duration": 2.5,
        "language": "de",
        "task": "translate",
        "recording": "r1",
        "speaker": "s1",
    }
    path.write_text("\ufeff" + json.dumps(fields) + "\r\n\n", encoding="utf-8")
    manifest = read_manifest(path)
    (row,) = manifest.rows
    assert not manifest.problems and not manifest.warnings
    assert row.audio == tmp_path / "a.wav" and row.place == f"{path}:1"
    assert row.keywords == ("Reid", "two words")
    assert row.segments == (Segment(0.0, 1.5, "Call Reid."),)
    assert (row.start, row.end, row.channel, row.language, row.task) == (
        2,
        4.5,
        1,
        "de",
        "translate",
    )


def test_language_and_task_default_to_the_settings(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps(GOOD), encoding="utf-8")
    (row,) = read_manifest(path, language="fr", task="translate").rows
    assert (row.language, row.task) == ("fr", "translate")


def test_an_absolute_path_stays(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps({**GOOD, "audio": "/data/a.wav"}), encoding="utf-8")
    assert str(read_manifest(path).rows[0].audio) == "/data/a.wav"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": 5}, "text: 5: expected a string"),
        ({"audio": ""}, "audio: .*not empty"),
        ({"audio": "a\0b"}, "NUL"),
        ({"text": "\ud800"}, r'text: ".ud800": holds half of a surrogate'),
        ({"keywords": "Reid"}, 'keywords: "Reid": expected a list'),
        ({"keywords": ["Reid", " "]}, "empty keyword"),
        ({"start": "1"}, 'start: "1": expected a number'),
        ({"start": -1}, "start: -1: expected seconds from 0"),
        ({"end": float("nan")}, "end: NaN: expected seconds"),
        ({"duration": True}, "duration: true: expected a number"),
        ({"duration": 10**400}, "duration: "),
        ({"start": 3, "end": 2}, "end: 2.0: not after start 3.0"),
        ({"channel": 1.0}, "channel: 1.0: expected a channel"),
        ({"segments": [{"start": 0, "text": "x"}]}, "segments: .*expected a list of"),
        ({"segments": [{"start": 2, "end": 1, "text": "x"}]}, "out of order"),
        ({"promt": "x"}, "unknown field 'promt': did you mean 'prompt'"),
        ({"Text": "x"}, "did you mean 'text'"),
        ({"keyword": ["x"]}, "did you mean 'keywords'"),
    ],
)
def test_a_wrong_field_is_named_with_its_value_and_the_remedy(fields, words):
    found = problems_of(**fields)
    assert len(found) == 1
    assert re.search(words, found[0])


def test_a_number_of_thousands_of_digits_is_a_problem_of_its_line():
    line = b'{"audio": "a.wav", "text": "x", "start": ' + b"1" * 5000 + b"}"
    _, problems, _ = parse_row(line, Path("x"), "m:1", DEFAULTS)
    assert problems and "not JSON" in problems[0]


def test_all_problems_of_all_lines_come_at_once(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text(
        '{"text": 1, "start": "x"}\nnot json\n[1]\n' + json.dumps(GOOD), encoding="utf-8"
    )
    manifest = read_manifest(path)
    assert len(manifest.rows) == 1
    assert [str(p).split(": ")[0] for p in manifest.problems] == [
        f"{path}:{n}" for n in (1, 1, 1, 2, 3)
    ]
    assert "audio: missing" in str(manifest.problems[2])


def test_an_unknown_field_is_a_warning_once(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text((json.dumps({**GOOD, "snr": 3}) + "\n") * 3, encoding="utf-8")
    manifest = read_manifest(path)
    assert len(manifest.rows) == 3 and not manifest.problems
    assert [str(doubt) for doubt in manifest.warnings] == [
        f"{path}:1: unknown field 'snr' is not used"
    ]


def test_a_file_that_is_missing_empty_or_not_text_says_so(tmp_path):
    (tmp_path / "empty").write_text("\n \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    said = [
        str(p) for n in ("none", "empty", "binary") for p in read_manifest(tmp_path / n).problems
    ]
    assert "cannot be read (No such file" in said[0]
    assert "holds no rows" in said[1]
    assert "binary:1: not UTF-8" in said[2]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_line_is_a_traceback(line):
    row, problems, _ = parse_row(line, Path("x"), "m:1", DEFAULTS)
    assert row is None and problems


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
names = ["audio", "text", "prompt", "keywords", "segments", "start", "end", "channel", "duration"]


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(names), json_values))
def test_any_values_are_a_row_or_a_problem(fields):
    row, problems, _ = parse_row(json.dumps(fields).encode(), Path("x"), "m:1", DEFAULTS)
    assert (row is None) == bool(problems)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[\n{"audio": "a.wav", "text": ""},\n{"audio": "b.wav", "text": ""}\n]', "a JSON array"),
        ("audio,text\na.wav,Hi.\n", "no line is JSON: `prepare csv` makes a manifest"),
        (b"\xff\xfb\n\x90\xff\n".decode("latin-1"), "no line is JSON"),
    ],
)
def test_a_file_of_another_format_is_one_problem(tmp_path, content, words):
    path = tmp_path / "m.jsonl"
    path.write_bytes(content.encode("latin-1"))
    (problem,) = read_manifest(path).problems
    assert problem.what.startswith(words)


def test_what_is_told_of_a_row_is_one_line_and_moves_no_cursor():
    said = str(Problem("x.jsonl:1", "audio: a\x1b[2J\nx.jsonl:9: forged.wav: no such file"))
    assert "\x1b" not in said and "\n" not in said and "\\x1b[2J\\nx.jsonl:9" in said
    assert str(Problem("x.jsonl:1", "日本語\u3000é")) == "x.jsonl:1: 日本語\u3000é"


def test_more_keywords_than_any_prompt_holds_are_refused(tmp_path):
    row = {"audio": "a.wav", "text": "x", "keywords": ["x"] * 1001}
    (tmp_path / "m.jsonl").write_text(json.dumps(row) + "\n")
    (problem,) = read_manifest(tmp_path / "m.jsonl").problems
    assert "holds 1001: keep those that the text holds" in str(problem)


def test_what_is_no_plain_file_is_not_read():
    (problem, *_) = read_manifest("/dev/zero").problems
    assert "/dev/zero: cannot be read (no plain file)" in str(problem)
