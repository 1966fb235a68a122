"""How sure a rate is: 95 % bootstrap intervals over rows, or over whole recordings."""

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
    """The percentile interval of each column's pooled rate; `table` has a line of counts a row.

    `groups` names each row's group (its recording), to be drawn whole; empty draws single rows.
    None where nothing was counted, or where there is one row or group alone.
    """
    return [_middle(rates) for rates in _resampled(table, groups, n_samples, seed).T]


def paired_interval(
    before: Sequence[Count],
    after: Sequence[Count],
    groups: Sequence[str] = (),
    *,
    n_samples: int = 2000,
    seed: int = 0,
) -> Interval | None:
    """The same of how much the pooled rate rises from `before` to `after`.

    Both are counts of the same rows: what is hard about a row drops out of the difference.
    """
    pairs = list(zip(before, after, strict=True))
    if not pairs:
        return None
    rates = _resampled(pairs, groups, n_samples, seed)
    return _middle(rates[:, 1] - rates[:, 0])


def _resampled(
    table: Sequence[Sequence[Count]], groups: Sequence[str], n_samples: int, seed: int
) -> np.ndarray:
    """Pooled rates [n_samples, columns] of rows, or groups of them, drawn again and again."""
    if not table:
        return np.full((n_samples, 1), np.nan)
    counts = np.array(table, dtype=np.float64)  # [rows, columns, 2]
    if groups:
        number_of = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        rows, counts = counts, np.zeros((len(number_of), *counts.shape[1:]))
        np.add.at(counts, [number_of[group] for group in groups], rows)
    n = len(counts)
    if n < 2:  # which tells nothing of others
        return np.full((n_samples, counts.shape[1]), np.nan)
    rng = np.random.default_rng(seed)
    flat = counts.reshape(n, -1)
    times = (np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(n_samples))
    totals = np.stack([drawn @ flat for drawn in times]).reshape(n_samples, -1, 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(totals[..., 1] > 0, totals[..., 0] / totals[..., 1], np.nan)


def _middle(values: np.ndarray) -> Interval | None:
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)
