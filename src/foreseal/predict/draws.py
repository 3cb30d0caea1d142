"""Draws of many series at once: each with the quantiles of its own forecast, together as errors go together.

A draw is made from ranks: whatever joint order is chosen, the values of a series are its own quantile
function at evenly spaced levels, so that no dependence changes what was forecast of it alone.
"""

from __future__ import annotations

import numpy as np

from foreseal.predict.grid import FloatArray, IntArray


def quantile_function(values: FloatArray, levels: FloatArray, draws: int) -> FloatArray:
    """Ascending values (…, draws) of quantile functions given at ``levels``: linear on the logistic scale,
    and beyond the outermost levels, too, which makes exponential tails."""
    at = (np.arange(draws) + 0.5) / draws
    if len(levels) == 1:
        return np.repeat(values, draws, axis=-1)
    place, knots = np.log(at / (1.0 - at)), np.log(levels / (1.0 - levels))
    upper = np.clip(np.searchsorted(knots, place), 1, len(knots) - 1)
    share = (place - knots[upper - 1]) / (knots[upper] - knots[upper - 1])
    out: FloatArray = values[..., upper - 1] * (1.0 - share) + values[..., upper] * share
    return out


def ranks(values: FloatArray) -> IntArray:
    """Ranks along the last axis from 0; equal values in their order."""
    order = values.argsort(axis=-1, kind="stable")
    out = np.empty_like(order)
    np.put_along_axis(out, order, np.broadcast_to(np.arange(values.shape[-1]), values.shape), axis=-1)
    return out


def like_past(errors: FloatArray, draws: int, chance: np.random.Generator) -> IntArray:
    """Ranks (series, draws) of the empirical copula of past errors (rows, series).

    Every draw follows one past row, all rows alike often; draws of the same row are apart by chance, within
    the share of the distribution that the row stands for.
    """
    rows = len(errors)
    cell = ranks(errors.T).astype(np.float64)
    which = chance.permutation(np.arange(draws) % rows)
    return ranks(cell[:, which] + chance.random((errors.shape[1], draws)))


def alike(series: int, draws: int, correlation: float, chance: np.random.Generator) -> IntArray:
    """Ranks (series, draws) with one correlation of normal scores between all: 0 independent, 1 the same."""
    common = chance.standard_normal(draws)
    own = chance.standard_normal((series, draws))
    return ranks(np.sqrt(correlation) * common + np.sqrt(1.0 - correlation) * own)


def implied_correlation(parts: FloatArray, leaf_variances: FloatArray, sum_variances: FloatArray) -> float:
    """The one correlation between leaves at which sums vary as they are forecast to.

    ``parts`` (sums, leaves) is 1 where a leaf is part of a sum; variances are (series, steps). All sums and
    steps are taken together, relative to the variance of the sum; the result lies in [0, 1].
    """
    alone = parts @ leaf_variances
    most = (parts @ np.sqrt(leaf_variances)) ** 2
    scale = np.maximum(most, np.finfo(float).tiny)
    gap = float(((most - alone) / scale).sum())
    return float(np.clip(((sum_variances - alone) / scale).sum() / gap, 0.0, 1.0)) if gap > 0.0 else 0.0
