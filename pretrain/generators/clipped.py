"""Series that sit at a bound: solar power, machines that run or rest, saturated roads."""

from __future__ import annotations

import numpy as np

from pretrain.generators import noise, profiles
from pretrain.generators.rows import Floats, Paths, Rows
from pretrain.generators.season import each_cycle, level


def clipped(rows: Rows) -> Paths:
    period = profiles.periods(rows, most_of_context=0.4)
    cycles = rows.clock / period + rows.uniform()
    shape = profiles.read(profiles.tables(rows), cycles)
    busy = shape + rows.lognormal(0.4, 0.7) * noise.memory(rows, rows.uniform(0.3, 8.0))
    kind = rows.pick({"sun": 0.3, "switch": 0.25, "cap": 0.2, "road": 0.25})[:, None]

    height = np.cos(2 * np.pi * cycles) + rows.uniform(-0.5, 0.5)
    clear = 1 / (
        1 + np.exp(-rows.uniform(0.5, 2.5) * each_cycle(rows, np.floor(cycles)) - rows.normal(0.5, 0.7))
    )
    passing = np.exp(-rows.lognormal(0.15, 0.8) * np.abs(noise.memory(rows, rows.uniform(0.5, 6.0))))
    sun = np.maximum(height, 0) * clear * passing

    switch = (busy > rows.normal(0.3, 0.6)) * np.exp(
        rows.uniform(0, 0.3) * noise.memory(rows, rows.uniform(1, 20))
    )
    switch = switch + np.where(rows.chance(0.4), 0.03, 0.0) * noise.white(rows)

    bound = rows.uniform(-0.3, 1.2)
    plain = busy + 0.5 * level(rows)
    cap = np.where(rows.chance(0.5), np.minimum(plain, bound), np.maximum(plain, -bound))

    # Free flow with dips where the load is high: speeds, service levels.
    dip = np.maximum(busy - rows.uniform(0.2, 1.2), 0) * rows.lognormal(1.0, 0.5)
    road = 4.0 - np.minimum(dip, 3.5) + rows.lognormal(0.12, 0.5) * noise.memory(rows, rows.uniform(0.2, 3.0))

    values: Floats = np.select([kind == "sun", kind == "switch", kind == "cap"], [sun, switch, cap], road)
    return Paths.of(values, period, anchored=kind != "cap")
