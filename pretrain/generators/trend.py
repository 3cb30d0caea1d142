"""Growth: exponential smoothing state space, ARIMA and curves, in levels and in logarithms."""

from __future__ import annotations

import numpy as np

from pretrain.generators import noise, profiles
from pretrain.generators.rows import Floats, Paths, Rows


def trend(rows: Rows) -> Paths:
    kind = rows.pick({"smoothing": 0.45, "arima": 0.25, "curve": 0.3})
    values = np.empty((rows.count, rows.columns))
    for name, draw in (("smoothing", _smoothing), ("arima", _arima), ("curve", _curve)):
        chosen = np.flatnonzero(kind == name)
        if len(chosen):
            values[chosen] = draw(rows.take(chosen))
    step = rows.lognormal(0.05, 0.9)
    season, period = _season(rows)
    values = values + season
    logarithmic = rows.chance(0.55)
    # In logarithms a unit step is a relative change of ``step``; no path may leave e^+-7 of its start.
    reach = np.abs(values - values[:, rows.bucket - 1 :][:, :1]).max(axis=1, keepdims=True)
    step = np.minimum(step, 3.0 / np.maximum(reach, 1e-9))
    grown = np.exp(np.where(logarithmic, step * values, 0.0))
    return Paths.of(np.where(logarithmic, grown, values), period, anchored=logarithmic & rows.chance(0.9))


def _drift(rows: Rows) -> Floats:
    """Growth for each step in units of the error, more often up than down, weaker in long series."""
    size = rows.normal(0.85, 0.65) * rows.lognormal(1.0, 0.5)
    size *= np.sqrt(30 / np.maximum(rows.n[:, None], 30))
    return np.where(rows.chance(0.2), 0.0, size)


def _smoothing(rows: Rows) -> Floats:
    """The innovations form of local level, local trend and damped trend models."""
    errors = noise.white(rows)
    alpha = np.where(rows.chance(0.15), 1.0, rows.rng.beta(1.3, 1.3, (rows.count, 1)))
    beta = np.where(rows.chance(0.5), alpha * rows.rng.beta(1.0, 9.0, (rows.count, 1)), 0.0)
    damping = np.where(rows.chance(0.75), 1.0, rows.uniform(0.8, 0.99))
    slope = noise.start_at_zero(rows, noise.filtered(beta * errors, damping)) + _drift(rows)
    fading = np.exp(np.log(damping) * np.maximum(rows.clock, 0.0))
    slope *= np.where(rows.chance(0.12), fading, 1.0)
    level = np.cumsum(damping * slope + alpha * errors, axis=1)
    before = np.concatenate([level[:, :1], level[:, :-1]], axis=1)
    return noise.start_at_zero(rows, before) + errors


def _arima(rows: Rows) -> Floats:
    """ARMA paths summed zero, one or two times, with drift and sometimes an error of measurement."""
    base = noise.arma(rows)
    once = np.cumsum(base, axis=1)
    twice = noise.start_at_zero(rows, np.cumsum(noise.start_at_zero(rows, once), axis=1))
    order = rows.rng.random((rows.count, 1))
    values = np.select(
        [order < 0.3, order < 0.85],
        [base, once],
        once + twice * rows.lognormal(0.5, 0.7) / rows.n[:, None] ** 0.75,
    )
    values = values + np.where(rows.chance(0.3), rows.lognormal(0.7, 0.6), 0.0) * noise.white(rows)
    return noise.start_at_zero(rows, values) + _drift(rows) * rows.clock


def _curve(rows: Rows) -> Floats:
    """Straight, bent, accelerating and saturating curves with autocorrelated errors around them."""
    n = rows.n[:, None].astype(float)
    part = rows.clock / n
    power = np.sign(part) * np.abs(part) ** rows.lognormal(1.0, 0.5)
    middle, width = rows.uniform(-0.2, 1.5), rows.lognormal(0.15, 0.7)
    logistic = 1 / (1 + np.exp(-np.clip((part - middle) / width, -30, 30)))
    bent = part.copy()
    for _ in range(3):
        knot = rows.uniform(0.0, 1.3)
        bent += np.where(rows.chance(0.6), rows.normal(0, 1.5), 0.0) * np.maximum(part - knot, 0)
    arch = part - part**2 * rows.uniform(0.2, 0.9)
    kind = rows.rng.random((rows.count, 1))
    kinds = [kind < 0.35, kind < 0.58, kind < 0.73, kind < 0.93]
    curve = np.select(kinds, [part, power, logistic, bent], arch)
    curve *= rows.normal(1.15, 0.9) * rows.lognormal(8.0, 0.9) * (n / 40) ** 0.3
    errors = np.where(
        rows.chance(0.5), noise.white(rows), noise.autoregressive(rows, rows.uniform(0.2, 0.97))
    )
    return curve + errors


def _season(rows: Rows) -> tuple[Floats, Floats]:
    """Quarterly, monthly and other seasons for some rows, in units of the error, slowly changing."""
    period = profiles.periods(rows, most_of_context=0.45)
    common = np.where(rows.chance(0.5), 12.0, 4.0)
    period = np.where(
        rows.chance(0.7) & (common <= 0.45 * rows.n[:, None]) & (rows.n[:, None] < 300), common, period
    )
    period = np.where(rows.chance(0.42) & (rows.n[:, None] >= 8), period, 0.0)
    cycles = rows.clock / np.maximum(period, 1.0) + rows.uniform()
    table = profiles.tables(rows)
    size = rows.lognormal(1.8, 0.8)
    shape = profiles.read(table, cycles)
    later = profiles.near(rows, table, rows.uniform(0.1, 0.8))
    part = np.clip(rows.clock / (rows.n[:, None] + 64), 0, 1) * rows.chance(0.3)
    shape = (1 - part) * shape + part * profiles.read(later, cycles)
    return np.where(period > 0, size * shape, 0.0), period
