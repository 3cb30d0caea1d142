"""Change: levels, spreads and seasons that hold for a while and then are others."""

from __future__ import annotations

import numpy as np

from pretrain.generators import noise, profiles
from pretrain.generators.rows import Floats, Paths, Rows

STATES = 12


def turn(rows: Rows) -> Floats:
    """One lasting change within a few steps, more often down than up: a cure, a closure, a new road."""
    at = rows.uniform(0.3, 1.0) * rows.n[:, None]
    part = np.clip((rows.clock - at) / rows.lognormal(4.0, 0.8), 0, 1)
    return part * rows.lognormal(4.0, 0.5) * np.where(rows.chance(0.75), -1, 1)


def regime(rows: Rows) -> Paths:
    length = np.exp(rows.rng.uniform(np.log(6), np.log(rows.bucket), (rows.count, 1)))
    changes = rows.rng.random((rows.count, rows.columns)) < 1 / length
    number = np.cumsum(changes, axis=1)
    # Few states that come again, or a new one each time.
    states = np.where(rows.chance(0.5), rows.rng.integers(2, 4, (rows.count, 1)), STATES)
    order = rows.rng.integers(0, STATES, (rows.count, STATES * 8))
    state = np.take_along_axis(order, number % order.shape[1], 1) % states

    def of(table: Floats) -> Floats:
        return np.take_along_axis(table, state, 1)

    levels = of(rows.rng.standard_normal((rows.count, STATES)))
    spread = np.exp(of(rows.rng.standard_normal((rows.count, STATES))) * rows.uniform(0.0, 1.0))
    slopes = noise.start_at_zero(rows, np.cumsum(of(rows.rng.standard_normal((rows.count, STATES))), axis=1))
    period = np.where(rows.chance(0.5), profiles.periods(rows, most_of_context=0.5), 0.0)
    cycles = rows.clock / np.maximum(period, 1) + rows.uniform()
    shape = profiles.read(profiles.tables(rows), cycles) * (period > 0)
    size = np.exp(of(rows.rng.standard_normal((rows.count, STATES))) * rows.uniform(0.0, 0.8))
    fast = np.where(rows.chance(0.5), noise.white(rows), noise.memory(rows, rows.uniform(0.5, 10)))
    slow = np.where(
        rows.chance(0.7), levels * rows.lognormal(1.5, 0.7), slopes / length * rows.lognormal(2.0, 0.7)
    )
    values = slow + rows.lognormal(0.4, 0.7) * spread * fast + np.where(rows.chance(0.5), size, 1.0) * shape
    exponential = rows.chance(0.35)
    values = values + np.where(exponential, rows.chance(0.7) * turn(rows), 0.0)
    values = np.where(exponential, np.exp(np.clip(rows.uniform(0.3, 0.8) * values, -8, 8)), values)
    return Paths.of(values, period, anchored=exponential)
