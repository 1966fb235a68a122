"""Dev rows in two halves: one chooses the share, the other scores it."""

import pytest
from helpers.manifests import row

from whisper_ft.training.halves import halve


def test_halves_share_no_recording_and_are_of_about_the_same_size():
    rows = [row(recording=f"r{i % 5}") for i in range(40)]
    first, second, halved_by = halve(rows, 0)
    assert halved_by == "recording" and {len(first), len(second)} == {16, 24}
    names = [{rows[i].recording for i in half} for half in (first, second)]
    assert not names[0] & names[1] and sorted(first + second) == list(range(40))
    assert len({halve(rows, seed)[0] for seed in range(5)}) > 1
    assert halve(rows, 0) == halve(rows, 0)


@pytest.mark.parametrize("names", [["a"] * 10, ["a"] * 8 + ["b"] * 2, [""] * 10])
def test_where_recordings_give_no_halves_rows_do(names):
    first, second, halved_by = halve([row(recording=name) for name in names], 0)
    assert halved_by == "row" and len(first) == len(second) == 5
