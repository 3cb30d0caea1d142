"""Two seasons: days of several types within weeks, or weeks within years."""

from __future__ import annotations

import numpy as np

from pretrain.generators import noise, profiles
from pretrain.generators.rows import Floats, Paths, Rows
from pretrain.generators.season import combined, each_cycle, level

# (short season, cycles of it in the long one) with weights.
PAIRS = {
    (24, 7): 0.42, (48, 7): 0.18, (96, 7): 0.06, (144, 7): 0.05, (288, 7): 0.08,
    (7, 52.18): 0.12, (12, 7): 0.03, (24, 5): 0.02, (4, 13): 0.02, (12, 12): 0.02,
}  # fmt: skip
DAY_TYPES = np.array(
    [[0, 0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 1, 2], [0, 0, 0, 0, 0, 0, 1], [0, 1, 0, 1, 0, 2, 2]]
)


def double(rows: Rows) -> Paths:
    short, ratio = _pairs(rows)
    cycles = rows.clock / short + rows.uniform(0, 7) * np.where(ratio == 7, 1.0, 7.5)
    shape = _days(rows, cycles, short, ratio)
    size = rows.lognormal(0.25, 0.8)
    paths = combined(rows, shape, short, 0.7 * level(rows), size, (short, short * ratio))
    # The long season is told only where it is one: not when the context holds less than nine tenths of it.
    long = paths.periods[:, 1] > rows.n / 0.9
    paths.periods[long, 1] = 0.0
    return paths


def _pairs(rows: Rows) -> tuple[Floats, Floats]:
    pairs = np.array(list(PAIRS))
    fits = pairs[:, 0] * np.where(pairs[:, 0] == 7, 20, 3.5) <= rows.n[:, None]
    odds = np.array(list(PAIRS.values())) * fits
    odds[:, 0] = np.maximum(odds[:, 0], 1e-9)
    edges = np.cumsum(odds, axis=1)
    chosen = pairs[(rows.uniform() * edges[:, -1:] > edges).sum(axis=1)]
    return chosen[:, :1], chosen[:, 1:]


def _days(rows: Rows, cycles: Floats, short: Floats, ratio: Floats) -> Floats:
    """Daily shapes by type of day, levels by day of the week, a few odd days, and days that vary."""
    day = np.floor(cycles)
    weekly = ratio == 7
    place = np.floor(np.mod(day, ratio)).astype(np.int64)
    types = DAY_TYPES[rows.rng.choice(len(DAY_TYPES), rows.count, p=[0.4, 0.3, 0.15, 0.15])]
    types = np.take_along_axis(
        types, (np.arange(7)[None, :] + rows.rng.integers(0, 7, (rows.count, 1))) % 7, 1
    )
    kind = np.where(weekly, np.take_along_axis(types, place % 7, 1), 0)
    odd = (each_cycle(rows, day) > 2.1) & rows.chance(0.4)
    kind = np.where(odd & weekly, 1, kind)

    table = profiles.tables(rows)
    apart = rows.uniform(0.0, 1.0)
    first = profiles.read(table, cycles)
    second = profiles.read(profiles.near(rows, table, apart), cycles) * rows.uniform(0.4, 1.1)
    third = profiles.read(profiles.near(rows, table, apart), cycles) * rows.uniform(0.4, 1.1)
    shape = np.choose(kind, [first, second, third])

    by_type = np.choose(
        kind,
        [
            np.zeros_like(apart),
            -rows.rng.gamma(1.5, 0.4, apart.shape),
            -rows.rng.gamma(1.5, 0.5, apart.shape),
        ],
    )
    by_type *= np.where(rows.chance(0.2), -1, 1)
    weights = rows.rng.standard_normal((rows.count, 7)) * np.where(
        rows.chance(0.5), rows.lognormal(0.2, 0.7), 0.0
    )
    by_day = np.take_along_axis(weights, place % 7, 1)
    within = profiles.read(profiles.tables(rows), cycles / ratio) * rows.lognormal(0.4, 0.8)
    long = np.where(weekly, by_type + by_day, within)

    vary = np.where(rows.chance(0.5), rows.uniform(0.03, 0.35), 0.0)
    shape *= np.exp(vary * each_cycle(rows, day))
    shift = np.where(rows.chance(0.5), rows.lognormal(0.2, 0.7), 0.0) * each_cycle(rows, day)
    # A day's own level comes and goes with the cycle, so that it does not jump at midnight.
    shift *= np.sin(np.pi * (cycles - day)) ** 0.5
    slow = noise.smooth(rows, rows.uniform(5, 60) * 24)
    shape *= np.exp(np.where(rows.chance(0.3), rows.uniform(0.05, 0.4), 0.0) * slow)
    # Spells of weather, which loads and rides follow for days.
    spells = noise.memory(rows, short * rows.lognormal(2.5, 0.6))
    spells *= np.where(rows.chance(0.5), rows.lognormal(0.3, 0.7), 0.0)
    return shape + long + shift + spells
