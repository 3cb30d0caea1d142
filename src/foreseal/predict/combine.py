"""Members of an ensemble, weighed on earlier windows and guarded on the next.

Quantiles are averaged level by level. Weights minimise the mean WIS on the simplex, in units of the
baseline's WIS so that series of any size count alike; those of all series together are shrunk to equal
weights, those of one series to those of all. The guard then compares the combined forecast with the
baseline on windows that the weights have not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from foreseal.predict.backtest import Past
from foreseal.predict.grid import FloatArray, IntArray
from foreseal.rules import wis

# How many windows of one series the prior is worth: of equal weights for all series together, of all series'
# weights for a single one, and of all series' skill when the guard judges a single one.
EQUAL_PRIOR = 1.0
POOLED_PRIOR = 12.0
GUARD_PRIOR = 12.0
DESCENT_STEPS = 100
DESCENT_RATE = 1.0


@dataclass(frozen=True)
class Mixture:
    """Weights of shape (series, members), rows summing to 1, for the series ``ids``; ``pooled`` (members)
    serves any other series. ``guarded`` are series that the guard gave to the baseline alone."""

    members: tuple[str, ...]
    ids: tuple[str, ...]
    weights: FloatArray
    pooled: FloatArray
    guarded: tuple[str, ...] = ()

    def combine(self, ids: Sequence[str], values: Mapping[str, FloatArray]) -> FloatArray:
        """The weighted mean of the members' quantiles; ``ids`` name the series of each row."""
        position = {name: i for i, name in enumerate(self.ids)}
        table = np.concatenate([self.weights, self.pooled[None]])
        rows = np.array([position.get(name, len(self.ids)) for name in ids], np.int64)
        stacked = np.stack([values[member] for member in self.members], axis=2)
        combined: FloatArray = (stacked * table[rows][:, None, :]).sum(axis=2)
        return combined


def weigh(past: Past, windows: IntArray, baseline: str) -> Mixture:
    """Weights learnt from some windows. Without any outcome there, the baseline alone."""
    members = tuple(past.values)
    count = len(past.ids)
    rows = np.flatnonzero(np.isin(past.window, windows))
    alone = np.array([float(member == baseline) for member in members])
    if not len(rows):
        return Mixture(members, past.ids, np.tile(alone, (count, 1)), alone)
    series, y = past.series[rows], past.y[rows]
    stacked = np.stack([past.values[member][rows] for member in members], axis=2)
    unit = mean_by(wis(y, past.values[baseline][rows], past.quantiles), series, count)
    # A baseline without any error makes every other loss infinite; it is then judged in units of the data.
    unit = np.where(unit > 0, unit, np.maximum(mean_by(np.abs(y), series, count), 1.0))
    scale = 1.0 / unit[series]
    mine = _descend(stacked, y, scale, series, count, past.quantiles)
    judged = np.bincount(series, minlength=count) > 0
    share = judged[series] / np.bincount(series, minlength=count)[series]
    every = _descend(stacked, y, scale * share, np.zeros_like(series), 1, past.quantiles)[0]
    seen = len({*zip(series.tolist(), past.window[rows].tolist(), strict=True)})
    pooled = (seen * every + EQUAL_PRIOR / len(members)) / (seen + EQUAL_PRIOR)
    n = windows_by(series, past.window[rows], count)[:, None]
    return Mixture(members, past.ids, (n * mine + POOLED_PRIOR * pooled) / (n + POOLED_PRIOR), pooled)


def guard(mixture: Mixture, past: Past, windows: IntArray, baseline: str) -> Mixture:
    """The mixture, with the baseline alone for each series on which it is no better there.

    The measure is the mean over windows of the logarithm of the ratio of WIS to the baseline's, so that a
    single bad day does not decide; that of a series is shrunk to the mean of all by its number of windows.
    """
    rows = np.flatnonzero(np.isin(past.window, windows))
    if not len(rows):
        return mixture
    count = len(past.ids)
    series, y = past.series[rows], past.y[rows]
    names = past.index["unique_id"].gather(rows).to_list()
    ours = mixture.combine(names, {member: past.values[member][rows] for member in mixture.members})
    cells, cell = np.unique(np.stack([series, past.window[rows]]), axis=1, return_inverse=True)
    theirs = mean_by(wis(y, past.values[baseline][rows], past.quantiles), cell, cells.shape[1])
    mean = mean_by(wis(y, ours, past.quantiles), cell, cells.shape[1])
    tiny = np.finfo(float).tiny
    log_ratio = mean_by(np.clip(np.log((mean + tiny) / (theirs + tiny)), -3.0, 3.0), cells[0], count)
    n = np.bincount(cells[0], minlength=count)
    pooled = log_ratio[n > 0].mean()
    shrunk = (n * log_ratio + GUARD_PRIOR * pooled) / (n + GUARD_PRIOR)
    alone = np.array([float(member == baseline) for member in mixture.members])
    worse = shrunk > 0.0
    weights = np.where(worse[:, None], alone, mixture.weights)
    guarded = tuple(name for name, is_worse in zip(past.ids, worse, strict=True) if is_worse)
    return Mixture(mixture.members, mixture.ids, weights, alone if pooled > 0.0 else mixture.pooled, guarded)


def mean_by(values: FloatArray, group: IntArray, count: int) -> FloatArray:
    """Mean of values per group 0..count-1; zero where a group is empty."""
    total = np.bincount(group, weights=values, minlength=count)
    return total / np.maximum(np.bincount(group, minlength=count), 1)


def windows_by(series: IntArray, window: IntArray, count: int) -> FloatArray:
    """Number of different windows of each series."""
    pairs = np.unique(np.stack([series, window]), axis=1)
    return np.bincount(pairs[0], minlength=count).astype(np.float64)


def _descend(
    stacked: FloatArray,
    y: FloatArray,
    scale: FloatArray,
    group: IntArray,
    count: int,
    quantiles: Sequence[float],
) -> FloatArray:
    """Weights (count, members) that minimise the summed, scaled WIS of each group: exponentiated gradient
    (Kivinen and Warmuth, 1997), averaged over the second half of the descent."""
    levels = np.asarray(quantiles)
    members = stacked.shape[2]
    weights = np.full((count, members), 1.0 / members)
    mean = np.zeros_like(weights)
    for turn in range(DESCENT_STEPS):
        mixed = (stacked * weights[group][:, None, :]).sum(axis=2)
        slope = np.where(y[:, None] > mixed, -levels, 1.0 - levels) * scale[:, None]
        by_row = (stacked * slope[:, :, None]).sum(axis=1)
        gradient = np.stack([np.bincount(group, by_row[:, m], count) for m in range(members)], axis=1)
        gradient -= gradient.min(axis=1, keepdims=True)
        size = np.maximum(gradient.max(axis=1, keepdims=True), np.finfo(float).tiny)
        weights = weights * np.exp(-DESCENT_RATE / np.sqrt(turn + 1.0) * gradient / size)
        weights /= weights.sum(axis=1, keepdims=True)
        if turn >= DESCENT_STEPS // 2:
            mean += weights
    result: FloatArray = mean / mean.sum(axis=1, keepdims=True)
    return result
