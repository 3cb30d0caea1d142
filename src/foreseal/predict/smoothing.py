"""Exponential smoothing of intermittent demand, many series at once.

Every function takes values (series, T), NaN where missing, and returns the forecast that each step would have
had from the steps before, (series, T + 1): the last column is that of the step to come. Steps before the
first value, or the first demand, have NaN; smoothing starts from the first.
"""

from __future__ import annotations

import numpy as np

from foreseal.predict.grid import FloatArray


def tsb(y: FloatArray, demand: float, occurrence: float) -> FloatArray:
    """Teunter, Syntetos and Babai (2011): smoothed size times smoothed probability of demand."""
    known = np.isfinite(y)
    size = _smoothed(np.where(y > 0.0, y, np.nan), demand)
    chance = _smoothed(np.where(known, (y > 0.0).astype(np.float64), np.nan), occurrence)
    # As long as there was no demand, none is expected.
    return np.where(np.isnan(size), 0.0, size) * chance


def croston(y: FloatArray, weight: float, correction: bool = True) -> FloatArray:
    """Croston (1972): smoothed size over smoothed interval between demands, with the correction of Syntetos
    and Boylan (2005) if asked for."""
    known, due = np.isfinite(y), y > 0.0
    interval = np.full(y.shape, np.nan)
    since = np.zeros(len(y))
    for t in range(y.shape[1]):
        since += known[:, t]
        interval[due[:, t], t] = since[due[:, t]]
        since[due[:, t]] = 0.0
    size, wait = _smoothed(np.where(due, y, np.nan), weight), _smoothed(interval, weight)
    rate = size / wait * (1.0 - weight / 2.0 if correction else 1.0)
    begun = np.concatenate([np.zeros((len(y), 1), bool), known.cumsum(axis=1) > 0], axis=1)
    return np.where(np.isnan(rate) & begun, 0.0, rate)


def _smoothed(values: FloatArray, weight: float) -> FloatArray:
    out = np.full((len(values), values.shape[1] + 1), np.nan)
    for t in range(values.shape[1]):
        level, value = out[:, t], values[:, t]
        moved = np.where(np.isnan(level), value, level + weight * (value - level))
        out[:, t + 1] = np.where(np.isnan(value), level, moved)
    return out
