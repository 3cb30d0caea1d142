"""Whole numbers: counts with seasons and trends, and demand that comes now and then."""

from __future__ import annotations

import numpy as np

from pretrain.generators import noise, profiles
from pretrain.generators.rows import Floats, Paths, Rows


def counts(rows: Rows) -> Paths:
    period = np.where(rows.chance(0.6), profiles.periods(rows, most_of_context=0.5), 0.0)
    cycles = rows.clock / np.maximum(period, 1) + rows.uniform()
    shape = profiles.read(profiles.tables(rows), cycles) * (period > 0) * rows.lognormal(0.5, 0.7)
    slow = np.where(
        rows.chance(0.5),
        noise.smooth(rows, rows.uniform(0.1, 0.7) * rows.n[:, None]),
        noise.walk(rows) / np.sqrt(rows.n[:, None]),
    )
    slow = slow * rows.lognormal(0.4, 0.8)
    rate = rows.lognormal(4.0, 1.5) * np.exp(np.clip(shape + slow, -5, 5))
    lumpy = rows.chance(0.4)
    shares = 1 / rows.lognormal(0.3, 0.8)
    spread = rows.rng.standard_gamma(np.broadcast_to(shares, rate.shape)) / shares
    values = rows.rng.poisson(np.minimum(np.where(lumpy, rate * spread, rate), 1e6)).astype(float)
    rare = np.flatnonzero(rows.rng.random(rows.count) < 0.45)
    if len(rare):
        values[rare] = _now_and_then(rows.take(rare), shape[rare] + slow[rare])
    return Paths.of(values, period, anchored=True)


def _now_and_then(rows: Rows, push: Floats) -> Floats:
    """Zeros, with demand of varying size at random times, more often when ``push`` is high."""
    share = rows.uniform(0.03, 0.6)
    odds = share / (1 - share) * np.exp(np.clip(0.7 * push, -4, 4))
    happens = rows.rng.random(push.shape) < odds / (1 + odds)
    size = np.exp(rows.uniform(0.0, 1.0) * rows.rng.standard_normal(push.shape))
    size = np.ceil(size * rows.lognormal(2.0, 1.2))
    size = np.where(rows.chance(0.3), 1.0, size)
    return np.where(happens, size, 0.0)
