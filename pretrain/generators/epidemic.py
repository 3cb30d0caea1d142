"""Cases of a disease: waves that grow and fade by factors, with the year or without, until they stay away."""

from __future__ import annotations

import numpy as np

from pretrain.generators import noise, profiles
from pretrain.generators.regime import turn
from pretrain.generators.rows import Paths, Rows


def epidemic(rows: Rows) -> Paths:
    n = rows.n[:, None]
    year = np.where((n > 90) & rows.chance(0.7), 52.0, np.where((n > 30) & rows.chance(0.7), 12.0, 0.0))
    # Yearly numbers of an infection that needs two to four years to find enough susceptibles again.
    period = np.where((n <= 90) & rows.chance(0.35), np.floor(rows.uniform(2, 5)), year)
    cycles = rows.clock / np.maximum(period, 1) + rows.uniform()
    wave = profiles.read(profiles.tables(rows), cycles) * (period > 0)
    growth = noise.smooth(rows, rows.uniform(2, 12)) + noise.memory(rows, rows.uniform(1, 60))
    height = rows.lognormal(0.6, 0.6)
    lasting = np.where(rows.chance(0.6), 1.5 * turn(rows), 0.0)
    # A vaccine takes the waves away with the level.
    path = height * (wave + rows.uniform(0.2, 1.0) * growth) + rows.uniform(0.2, 1.0) * lasting
    size = rows.lognormal(300.0, 2.0)
    rate = size * np.exp(np.clip(path, -12, 8)) * np.exp(rows.lognormal(0.12, 0.8) * noise.white(rows))
    counted = rows.rng.poisson(np.minimum(rate, 1e8)).astype(float)
    return Paths.of(np.where(rows.chance(0.7), counted, rate), period, anchored=True)
