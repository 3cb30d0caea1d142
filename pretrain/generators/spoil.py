"""What happens to data on the way: gaps, outliers, rounding, stuck sensors, shifts, units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pretrain.generators import noise
from pretrain.generators.rows import Floats, Paths, Rows


def spoil(rows: Rows, paths: Paths) -> Floats:
    """The values as an instrument would have reported them; NaN = missing. (rows, columns)"""
    anchored = paths.anchored[:, None]
    own = noise.unit(rows, paths.values)
    values = np.where(anchored, paths.values, _placed(rows, own))
    spread = np.where(anchored, _spread(rows, paths.values), 1.0)
    values = np.where(rows.chance(0.025) & ~anchored, -values, values)

    shifted = rows.chance(0.05) & ~anchored
    at = rows.uniform(0.2, 1.0) * rows.n[:, None]
    values += shifted * (rows.clock >= at) * rows.normal(0, 2) * spread
    values = _outliers(rows, values, spread)
    values = np.where(rows.chance(0.03), _stuck(rows, values), values)
    grain = spread / np.exp(rows.rng.uniform(np.log(1.5), np.log(60), (rows.count, 1)))
    values = np.where(rows.chance(0.18), np.round(values / grain) * grain, values)

    exponent = np.where(rows.chance(0.04), rows.uniform(-9, 9), rows.normal(1.0, 1.2))
    values = values * 10.0**exponent
    values[_missing(rows)] = np.nan
    return values


def _spread(rows: Rows, values: Floats) -> Floats:
    seen = np.where((rows.clock >= 0)[:, : rows.bucket], values[:, : rows.bucket], np.nan)
    return np.maximum(np.nanstd(seen, axis=1, keepdims=True), 1e-9)


def _placed(rows: Rows, own: Floats) -> Floats:
    """Standardised paths somewhere: around zero, just above it, or far from it."""
    seen = np.where(rows.clock >= 0, own, np.inf)[:, : rows.bucket]
    lowest = seen.min(axis=1, keepdims=True)
    kind = rows.rng.random((rows.count, 1))
    above = own - lowest + rows.uniform(0.0, 1.0) * rows.lognormal(1.0, 1.0)
    far = own + rows.lognormal(10.0, 1.5) * np.where(rows.chance(0.85), 1, -1)
    return np.select([kind < 0.3, kind < 0.7], [own, above], far)


def _outliers(rows: Rows, values: Floats, spread: Floats) -> Floats:
    share = np.where(
        rows.chance(0.08), np.exp(rows.rng.uniform(np.log(0.002), np.log(0.03), (rows.count, 1))), 0.0
    )
    hit = rows.rng.random(values.shape) < share
    at = np.nonzero(hit)
    size = rows.lognormal(4.0, 0.6)
    up = rows.rng.random(len(at[0])) < np.where(rows.chance(0.5), 1.0, 0.5)[at[0], 0]
    values = values.copy()
    values[at] += (size * spread)[at[0], 0] * rows.rng.exponential(1.0, len(at[0])) * np.where(up, 1, -1)
    return values


def _stuck(rows: Rows, values: Floats) -> Floats:
    """One stretch of each row repeats the value before it."""
    length = rows.lognormal(8.0, 0.8)
    start = rows.uniform(0.0, 1.0) * rows.n[:, None]
    inside = (rows.clock >= start) & (rows.clock < start + length)
    before = np.clip(np.floor(start).astype(np.int64) + (rows.bucket - rows.n)[:, None], 0, rows.bucket - 1)
    return np.where(inside, np.take_along_axis(values, before, 1), values)


def _missing(rows: Rows) -> NDArray[np.bool_]:
    """Points here and there (18 % of rows) and whole stretches of the context (9 %)."""
    few = np.exp(rows.rng.uniform(np.log(0.01), np.log(0.4), (rows.count, 1)))
    share = np.where(rows.chance(0.5), few, rows.uniform(0.05, 0.4)) * rows.chance(0.18)
    gone = rows.rng.random((rows.count, rows.columns)) < share
    length = rows.uniform(0.02, 0.35) * rows.n[:, None]
    start = rows.uniform(0.0, 1.0) * rows.n[:, None]
    block = (rows.clock >= start) & (rows.clock < start + length) & rows.chance(0.09)
    block[:, rows.bucket :] = False
    return gone | block
