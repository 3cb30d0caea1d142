"""Autocorrelation without or over weak seasons: Gaussian processes and weather."""

from __future__ import annotations

import numpy as np

from pretrain.generators import noise, profiles
from pretrain.generators.rows import Paths, Rows


def spectral(rows: Rows) -> Paths:
    kind = rows.rng.random(rows.count)
    values, known = np.empty((rows.count, rows.columns)), np.zeros((rows.count, 3))
    anchored = np.zeros(rows.count, bool)
    for low, high, draw in ((0.0, 0.4, _mixture), (0.4, 1.01, _weather)):
        chosen = np.flatnonzero((kind >= low) & (kind < high))
        if len(chosen):
            paths = draw(rows.take(chosen))
            values[chosen], known[chosen], anchored[chosen] = paths.values, paths.periods, paths.anchored
    return Paths(values, known, anchored)


def _mixture(rows: Rows) -> Paths:
    """Two stationary processes of different spectra, in a few passed through a curve."""
    values = noise.any_stationary(rows) + rows.lognormal(0.5, 0.8) * noise.any_stationary(rows)
    values = values + np.where(rows.chance(0.5), rows.lognormal(0.15, 0.8), 0.0) * noise.white(rows)
    kind = rows.rng.random((rows.count, 1))
    return Paths.of(np.select([kind < 0.7, kind < 0.88], [values, np.exp(0.6 * values)], np.tanh(values)))


def _weather(rows: Rows) -> Paths:
    """Days whose daily cycle depends on slow weather; hours, or days within a year."""
    n = rows.n[:, None]
    hourly = rows.chance(0.65) & (n >= 72)
    day = np.where(hourly, np.where(rows.chance(0.8) | (n < 200), 24.0, 48.0), 1.0)
    year = 365.25 * day
    season = np.cos(2 * np.pi * (rows.clock / year + rows.uniform())) * rows.lognormal(1.5, 0.6)
    cycles = rows.clock / np.maximum(day, 2) + rows.uniform()
    table = np.where(rows.chance(0.6), np.cos(2 * np.pi * np.arange(profiles.POINTS) / profiles.POINTS), 0.0)
    table = table + rows.uniform(0, 0.6) * profiles.tables(rows)
    fronts = noise.memory(rows, day * rows.lognormal(2.5, 0.6))
    spell = noise.memory(rows, day * rows.lognormal(8.0, 0.6))
    clouds = 1 / (1 + np.exp(-rows.uniform(0.3, 2.0) * (fronts + 0.3 * spell) - rows.normal(0.3, 0.5)))
    daily = np.where(hourly, rows.lognormal(0.7, 0.9) * profiles.read(table, cycles) * clouds, 0.0)
    gusts = noise.memory(rows, np.where(hourly, rows.lognormal(3.0, 0.7), rows.lognormal(0.4, 0.5)))
    values = season + daily + fronts + rows.lognormal(0.5, 0.6) * spell + rows.lognormal(0.25, 0.6) * gusts
    values = values + np.where(rows.chance(0.5), rows.lognormal(0.1, 0.7), 0.0) * noise.white(rows)
    # Pollution and wind are positive and lean to high values.
    leaning = rows.chance(0.35)
    values = np.where(leaning, np.exp(np.clip(rows.uniform(0.3, 0.9) * values, -8, 8)), values)
    told = np.where(hourly, day, np.where(n > 0.7 * 365.25, 365.25, 0.0))
    return Paths.of(values, told, anchored=leaning)
