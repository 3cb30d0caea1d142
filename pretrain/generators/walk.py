"""Prices and returns: exact random walks, GARCH and stochastic volatility."""

from __future__ import annotations

import numpy as np

from pretrain.generators import noise
from pretrain.generators.rows import Floats, Paths, Rows


def walk(rows: Rows) -> Paths:
    errors = noise.white(rows)
    kind = rows.rng.random((rows.count, 1))
    volatile = np.flatnonzero(kind[:, 0] >= 0.4)
    if len(volatile):
        some = rows.take(volatile)
        clustered = _garch(some, errors[volatile])
        stochastic = errors[volatile] * np.exp(
            some.uniform(0.2, 0.7) * noise.autoregressive(some, some.uniform(0.9, 0.995))
        )
        errors[volatile] = np.where(kind[volatile] < 0.8, clustered, stochastic)
    drift = np.where(rows.chance(0.6), 0.0, rows.normal(0, 0.06))
    price = noise.start_at_zero(rows, np.cumsum(errors + drift, axis=1))
    step = np.minimum(
        rows.lognormal(0.012, 0.8), 3.0 / np.maximum(np.abs(price).max(axis=1, keepdims=True), 1.0)
    )
    logarithmic = rows.chance(0.6)
    price = np.where(logarithmic, np.exp(step * price), price)
    returns = rows.chance(0.12)
    return Paths.of(np.where(returns, errors, price), anchored=logarithmic | returns)


def _garch(rows: Rows, errors: Floats) -> Floats:
    """GARCH(1, 1) returns of long-run variance 1, some with more effect of falls than of rises."""
    alpha = rows.uniform(0.03, 0.2)[:, 0]
    beta = rows.uniform(0.6, 0.98)[:, 0] * (1 - alpha)
    lean = np.where(rows.chance(0.3), 0.5, 0.0)[:, 0]
    variance = np.ones(rows.count)
    out = np.empty((errors.shape[1], rows.count))
    shocks = np.ascontiguousarray(errors.T)
    rest = 1 - alpha - beta
    for t in range(len(shocks)):
        out[t] = shocks[t] * np.sqrt(variance)
        # A return beyond ten standard deviations is taken as ten, so that no path explodes.
        size = np.clip(out[t], -10, 10)
        variance = rest + alpha * (size**2) * (1 - lean * np.sign(size)) + beta * variance
    return out.T
