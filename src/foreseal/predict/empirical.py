"""Empirical quantiles of many samples at once, missing values left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foreseal.predict.grid import FloatArray


def quantiles(values: FloatArray, levels: Sequence[float] | FloatArray) -> FloatArray:
    """Quantiles along the last axis, shape (…, levels), linear between order statistics, NaN where there is
    no value (Hyndman and Fan's type 7, as `numpy.nanquantile`, in one sort)."""
    wanted = np.asarray(levels, np.float64)
    ordered = np.sort(values, axis=-1)
    n = ordered.shape[-1]
    if n == 0:
        return np.full((*values.shape[:-1], len(wanted)), np.nan)
    last = np.maximum(n - 1 - np.isnan(ordered).sum(axis=-1), 0)[..., None]
    place = wanted * last
    lower = place.astype(np.int64)
    low = np.take_along_axis(ordered, lower, axis=-1)
    high = np.take_along_axis(ordered, np.minimum(lower + 1, last), axis=-1)
    between: FloatArray = low + (place - lower) * (high - low)
    return between


def weighted_quantiles(values: FloatArray, weight: FloatArray, levels: FloatArray) -> FloatArray:
    """Quantiles (rows, levels) of weighted values (rows, n), linear between the weights' midpoints; zero
    where nothing has weight. ``weight`` is not negative."""
    order = np.argsort(np.where(weight > 0.0, values, np.inf), axis=1, kind="stable")
    mass = np.take_along_axis(weight, order, axis=1)
    value = np.take_along_axis(values, order, axis=1)
    total = mass.cumsum(axis=1)
    count = (mass > 0.0).sum(axis=1)
    middle = total - mass / 2.0
    whole = np.maximum(total[:, -1:], np.finfo(float).tiny)
    row = np.arange(len(values))
    last = np.maximum(count - 1, 0)
    out = np.empty((len(values), len(levels)))
    for k, level in enumerate(levels):
        above = np.minimum((middle < level * whole).sum(axis=1), last)
        below = np.maximum(above - 1, 0)
        start, end = middle[row, below], middle[row, above]
        share = np.clip((level * whole[:, 0] - start) / np.where(end > start, end - start, 1.0), 0.0, 1.0)
        out[:, k] = value[row, below] + share * (value[row, above] - value[row, below])
    result: FloatArray = np.where((count > 0)[:, None], out, 0.0)
    return result
