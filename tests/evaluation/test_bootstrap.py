"""Bootstrap intervals: they hold the rate, know of recordings and of pairs."""

import numpy as np
import pytest

from whisper_ft.evaluation.bootstrap import intervals, paired_interval
from whisper_ft.evaluation.metrics import Count


def interval(counts, groups=()):
    return intervals([[count] for count in counts], groups)[0]


def test_an_interval_holds_the_pooled_rate_and_is_the_same_every_time():
    counts = [Count(i % 3, 10) for i in range(50)]
    low, high = interval(counts)
    assert low < sum(c.part for c in counts) / 500 < high
    assert (low, high) == interval(counts)
    assert interval([Count(0, 0)]) is None


def test_resampling_whole_recordings_is_wider_when_rows_of_one_are_alike():
    counts = [Count(5 * (i < 25), 10) for i in range(50)]
    groups = [f"recording {i // 25}" for i in range(50)]
    rows, recordings = interval(counts), interval(counts, groups)
    assert recordings[1] - recordings[0] > 1.5 * (rows[1] - rows[0])


def test_a_paired_interval_is_of_the_change_and_knows_that_rows_are_the_same():
    before = [Count(i % 5, 10) for i in range(60)]
    better = [Count(count.part + 1, 10) for count in before]
    assert paired_interval(before, better) == pytest.approx((0.1, 0.1))
    low, high = paired_interval(before, before[::-1])
    assert low < 0 < high
    grouped = paired_interval(before, before[::-1], [str(i // 30) for i in range(60)])
    assert grouped is not None and grouped != (low, high)
    assert paired_interval([Count(0, 0)], [Count(0, 0)]) is None


def test_columns_are_resampled_together_and_one_without_counts_has_no_interval():
    table = [[Count(i % 3, 10), Count(), Count(i % 2, 1)] for i in range(40)]
    first, none, third = intervals(table)
    assert none is None
    assert first == interval([line[0] for line in table])
    assert third == interval([line[2] for line in table])
    assert intervals(table[:1]) == [None] * 3  # one row tells nothing of others


def test_an_interval_is_the_percentiles_of_plain_resampling():
    counts = [Count(i % 4, 5 + i % 3) for i in range(30)]
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(2000):
        drawn = [counts[i] for i in rng.integers(30, size=30)]
        rates.append(sum(c.part for c in drawn) / sum(c.total for c in drawn))
    assert interval(counts) == pytest.approx(tuple(np.percentile(rates, [2.5, 97.5])))


def test_of_nothing_there_is_no_interval():
    assert paired_interval([], []) is None
    assert intervals([]) == [None]
