"""Lines of a manifest: what is read, and each mistake with its value and remedy."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisper_ft.data.row_parsing import READERS, parse_line

GOOD = {"audio": "a.wav", "text": "Call Reid."}


def problems_of(**fields):
    line = json.dumps({**GOOD, **fields}).encode()
    return parse_line(line).problems


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": 5}, "text: 5: expected a string"),
        ({"audio": ""}, "audio: missing: every row needs it"),
        ({"text": None}, "text: missing: every row needs it"),
        ({"audio": "a\0b"}, "NUL"),
        ({"text": "\ud800"}, r'text: ".ud800": holds half of a surrogate'),
        ({"keywords": "Reid"}, 'keywords: "Reid": expected a list'),
        ({"keywords": ["Reid", " "]}, "empty keyword"),
        ({"start": "1"}, 'start: "1": expected a number'),
        ({"start": -1}, "start: -1: expected seconds from 0"),
        ({"end": float("inf")}, "end: Infinity: expected seconds"),
        ({"duration": True}, "duration: true: expected a number"),
        ({"duration": 10**400}, "duration: "),
        ({"start": 3, "end": 2}, "end: 2.0: not after start 3.0"),
        ({"channel": 1.5}, "channel: 1.5: expected a channel"),
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


def test_an_empty_value_that_pandas_writes_is_an_absent_field():
    """As `frame.to_json(lines=True, orient="records")` and `json.dumps` of its records do."""
    empty = {name: None for name in READERS if name not in ("audio", "text")}
    parsed = parse_line(json.dumps(GOOD | empty).encode())
    assert parsed.fields == parse_line(json.dumps(GOOD).encode()).fields and not parsed.problems
    nan = {"prompt": float("nan"), "start": float("nan"), "speaker": "", "channel": 1.0}
    fields = parse_line(json.dumps(GOOD | nan).encode()).fields
    assert (fields.prompt, fields.start, fields.speaker, fields.channel) == ("", 0.0, "", 1)


def test_a_number_of_thousands_of_digits_is_a_problem_of_its_line():
    line = b'{"audio": "a.wav", "text": "x", "start": ' + b"1" * 5000 + b"}"
    problems = parse_line(line).problems
    assert problems and "not JSON" in problems[0]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_line_is_a_traceback(line):
    parsed = parse_line(line)
    assert parsed.fields is None and parsed.problems


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
    parsed = parse_line(json.dumps(fields).encode())
    assert (parsed.fields is None) == bool(parsed.problems)


def test_more_keywords_than_any_prompt_holds_are_refused():
    (problem,) = problems_of(keywords=["x"] * 1001)
    assert "holds 1001, more than 1000: keep those in the text" in problem


def test_a_line_break_or_a_tab_within_a_text_is_a_space():
    fields = {"audio": "a.wav", "text": "one\ntwo \r\n three\tfour", "prompt": "a\u2028b"}
    segment = {"start": 0, "end": 1, "text": "one\ntwo three four"}
    parsed = parse_line(json.dumps(fields | {"segments": [segment]}).encode())
    assert parsed.fields.text == "one two three four" and parsed.fields.prompt == "a b"
    assert parsed.fields.segments[0].text == "one two three four"
