"""Cases of a disease: waves that grow and fade by factors, with the year or without, until they stay away."""

from __future__ import annotations

import numpy as np

from pretrain.generators import noise, profiles
from pretrain.generators.rows import Floats, Paths, Rows


def epidemic(rows: Rows) -> Paths:
    n = rows.n[:, None]
    year = np.where((n > 90) & rows.chance(0.7), 52.0, np.where((n > 30) & rows.chance(0.7), 12.0, 0.0))
    # Yearly numbers of an infection that needs two to four years to find enough susceptibles again.
    period = np.where((n <= 90) & rows.chance(0.35), np.floor(rows.uniform(2, 5)), year)
    period = np.where((n <= 90) & rows.chance(0.4), 0.0, period)
    cycles = rows.clock / np.maximum(period, 1) + rows.uniform()
    wave = profiles.read(profiles.tables(rows), cycles) * (period > 0)
    growth = noise.smooth(rows, rows.uniform(2, 12)) + noise.memory(rows, rows.uniform(1, 60))
    height = rows.lognormal(0.6, 0.6)
    path = height * (wave + rows.uniform(0.2, 1.0) * growth) + _lasting(rows)
    size = rows.lognormal(300.0, 2.0)
    rate = size * np.exp(np.clip(path, -12, 8)) * np.exp(rows.lognormal(0.12, 0.8) * noise.white(rows))
    counted = rows.rng.poisson(np.minimum(rate, 1e8)).astype(float)
    return Paths.of(np.where(rows.chance(0.7), counted, rate), period, anchored=True)


def _lasting(rows: Rows) -> Floats:
    """What takes cases away for good and, rarely, brings them: better water, a vaccine, a new strain."""
    n = rows.n[:, None]
    slow = rows.normal(-0.6, 1.0) * rows.clock / n
    at = rows.uniform(0.35, 1.05) * n
    # A cure works within some years, and then on: what is rare becomes rarer.
    since = np.maximum(rows.clock - at, 0.0) / (rows.lognormal(2.5, 0.7) * np.maximum(n / 40, 1.0))
    fall = rows.lognormal(2.5, 0.6) * (1 - np.exp(-since)) + rows.lognormal(0.05, 1.0) * since
    fall *= np.where(rows.chance(0.85), -1, 1)
    return np.where(rows.chance(0.5), slow, 0.0) + np.where(rows.chance(0.55), fall, 0.0)
