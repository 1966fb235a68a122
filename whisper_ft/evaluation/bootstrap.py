"""95 % bootstrap intervals of rates, over rows or over whole recordings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whisper_ft.evaluation.metrics import Count

Interval = tuple[float, float]


def intervals(
    table: Sequence[Sequence[Count]],
    groups: Sequence[str] = (),
    *,
    n_samples: int = 2000,
    seed: int = 0,
) -> list[Interval | None]:
    """Return the percentile interval of each column's pooled rate; `table` is [rows][columns].

    `groups` names each row's group (its recording), which is drawn whole; if empty, single rows are
    drawn. An interval is None when nothing was counted or there is only one row or group.
    """
    return [_percentiles(rates) for rates in _resampled(table, groups, n_samples, seed).T]


def paired_interval(
    before: Sequence[Count],
    after: Sequence[Count],
    groups: Sequence[str] = (),
    *,
    n_samples: int = 2000,
    seed: int = 0,
) -> Interval | None:
    """Return the interval of the rise of the pooled rate from `before` to `after`.

    Both are counts of the same rows, drawn together, so that differences between rows cancel.
    """
    pairs = list(zip(before, after, strict=True))
    if not pairs:
        return None
    rates = _resampled(pairs, groups, n_samples, seed)
    return _percentiles(rates[:, 1] - rates[:, 0])


def _resampled(
    table: Sequence[Sequence[Count]], groups: Sequence[str], n_samples: int, seed: int
) -> np.ndarray:
    """Return pooled rates [n_samples, columns] of rows, or groups, drawn with replacement."""
    if not table:
        return np.full((n_samples, 1), np.nan)
    counts = np.array(table, dtype=np.float64)  # [rows, columns, 2]
    if groups:
        number_of = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        rows, counts = counts, np.zeros((len(number_of), *counts.shape[1:]))
        np.add.at(counts, [number_of[group] for group in groups], rows)
    n = len(counts)
    if n < 2:  # one unit says nothing about the spread
        return np.full((n_samples, counts.shape[1]), np.nan)
    rng = np.random.default_rng(seed)
    flat = counts.reshape(n, -1)
    n_drawn = (np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(n_samples))
    totals = np.stack([weights @ flat for weights in n_drawn]).reshape(n_samples, -1, 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(totals[..., 1] > 0, totals[..., 0] / totals[..., 1], np.nan)


def _percentiles(values: np.ndarray) -> Interval | None:
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)
