"""One season, with a level, a changing shape and noise, in all the ways they combine."""

from __future__ import annotations

import numpy as np

from pretrain.generators import noise, profiles
from pretrain.generators.rows import Floats, Paths, Rows


def season(rows: Rows) -> Paths:
    period = profiles.periods(rows, most_of_context=0.75)
    cycles = rows.clock / period + rows.uniform()
    shape = changing(rows, cycles, period)
    return combined(rows, shape, period, level(rows), rows.lognormal(0.35, 0.9), (period,))


def changing(rows: Rows, cycles: Floats, period: Floats) -> Floats:
    """A cycle that is fixed, drifts to another, or whose size varies slowly or from cycle to cycle."""
    table = profiles.tables(rows)
    shape = profiles.read(table, cycles)
    drifting = rows.chance(0.25)
    later = profiles.near(rows, table, rows.uniform(0.2, 1.0))
    part = np.clip(rows.clock / (rows.n[:, None] + 64.0), 0, 1)
    shape = np.where(drifting, (1 - part) * shape + part * profiles.read(later, cycles), shape)
    slow = noise.smooth(rows, rows.uniform(0.5, 4.0) * period)
    shape *= np.exp(np.where(rows.chance(0.35), rows.uniform(0.05, 0.5), 0.0) * slow)
    by_cycle = each_cycle(rows, np.floor(cycles))
    return shape * np.exp(np.where(rows.chance(0.35), rows.uniform(0.05, 0.5), 0.0) * by_cycle)


def each_cycle(rows: Rows, index: Floats) -> Floats:
    """One standard normal number for each cycle, with some memory from cycle to cycle."""
    number = (index - index.min(axis=1, keepdims=True)).astype(np.int64)
    values = rows.rng.standard_normal((rows.count, int(number.max()) + 1))
    phi = np.where(rows.chance(0.5), 0.0, rows.uniform(0.3, 0.9))
    values = noise.filtered(values * np.sqrt(1 - phi**2), phi)
    return np.take_along_axis(values, number, axis=1)


def level(rows: Rows) -> Floats:
    """A slow path in units of the season: constant, wandering, smooth or straight, with steps in a few."""
    kind = rows.rng.random((rows.count, 1))
    straight = rows.clock / rows.n[:, None]
    # What wanders rises more often than it falls, as sales, loads and cities do.
    lean = rows.normal(0.35, 0.6) + 0.35 * (rows.n[:, None] < 300)
    wandering = noise.walk(rows) / np.sqrt(rows.n[:, None]) + lean * straight
    curved = noise.smooth(rows, rows.uniform(0.1, 0.6) * rows.n[:, None])
    # Short series are of months and quarters, which grow; hours hardly do.
    bounds = np.where(rows.n[:, None] < 300, (0.12, 0.37, 0.6), (0.2, 0.5, 0.75))
    kinds = [kind < bounds[:, k : k + 1] for k in range(3)]
    path = np.select(kinds, [0.0 * straight, wandering, curved], straight)
    return path * rows.lognormal(0.8, 1.0)


def combined(
    rows: Rows, shape: Floats, period: Floats, slow: Floats, size: Floats, known: tuple[Floats, ...]
) -> Paths:
    """Season, level and noise of this size put together by sum, product or exponential."""
    fast = np.where(
        rows.chance(0.45),
        noise.white(rows),
        noise.memory(rows, np.exp(rows.uniform() * np.log(2 + period)) - 0.9),
    )
    kind = rows.rng.random((rows.count, 1))
    height = rows.lognormal(0.35, 0.6)
    plain = shape + slow + size * fast
    # Noise that grows with the value, as that of loads and counts does.
    floor = shape - shape.min(axis=1, keepdims=True) + 0.2
    growing = shape + slow + size * fast * floor / floor.mean(axis=1, keepdims=True)
    exponential = np.exp(np.clip(height * plain, -8, 8))
    base = np.exp(np.clip(height * slow, -6, 6))
    product = base * np.maximum(1 + height * shape, 0.02) * (1 + 0.3 * np.tanh(size * fast))
    values = np.select([kind < 0.5, kind < 0.65, kind < 0.83], [plain, growing, exponential], product)
    return Paths.of(values, *known, anchored=kind >= 0.65)
