"""All problems and warnings of a manifest at once, before training."""

import pytest
from helpers.validation import ENGLISH, write_and_check


def checked(folder, *rows, vocabulary=ENGLISH):
    rows = [{"audio": "a.wav", "text": "Call Reid.", **fields} for fields in rows]
    return write_and_check(folder, *rows, vocabulary=vocabulary)


def test_all_problems_of_all_rows_come_at_once_and_good_rows_stay(folder):
    found = checked(folder, {"audio": "gone.wav", "keywords": ["x"]}, {}, {"task": "sing"})
    assert [problem.place.rsplit(":", 1)[1] for problem in found.problems] == ["1", "1", "3"]
    assert len(found.rows) == 1 and found.seconds == 2.0


def test_a_checked_row_knows_its_duration_and_whether_it_follows_the_one_before(folder):
    found = checked(folder, {}, {"start": 0.5}, {"audio": "gone.wav"}, {}, {"text": 5}, {}, {})
    assert [row.duration for row in found.rows] == [2.0, 1.5, 2.0, 2.0, 2.0]
    assert [row.follows for row in found.rows] == [False, True, False, False, True]


def test_problems_come_in_the_order_of_their_lines(folder):
    rows = [{"audio": "gone.wav", "text": "Hi."}, {"audio": "0.wav", "text": 1}]
    found = write_and_check(folder, *rows, *rows, name="m.jsonl")
    assert [p.place.rpartition(":")[2] for p in found.problems] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["CALL ANN NOW"] * 20, "in upper case without punctuation"),
        (["call ann now"] * 20, "in lower case without punctuation"),
        (["call ann now"] * 19, ""),
        (["call ann now"] * 20 + ["Call Ann now"], ""),
        (["call ann now"] * 20 + ["call ann now."], ""),
        (["现在打电话"] * 20, ""),
        (["现在打电话"] * 20 + ["我的iphone"], ""),
        (["გამარჯობა ყველას"] * 20, ""),
    ],
)
def test_texts_without_case_and_punctuation_are_warned_of(folder, texts, said):
    found = checked(folder, *({"text": text, "language": "en"} for text in texts), vocabulary=None)
    plain = [warning.what for warning in found.warnings if "unlearns both" in warning.what]
    assert bool(plain) == bool(said) and all(said in what for what in plain)
