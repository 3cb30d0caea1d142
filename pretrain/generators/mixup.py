"""Series made of two others: weighted sums, and one that goes over into another."""

from __future__ import annotations

import numpy as np

from pretrain.generators import noise
from pretrain.generators.rows import Paths, Rows


def mixup(rows: Rows, others: Paths) -> Paths:
    """Sums of two or three paths of ``others`` (standardised) and, rarely, a passage from one to another."""
    rng, count = rows.rng, rows.count
    pool = len(others.values)
    values = np.zeros((count, rows.columns))
    weights = rng.dirichlet([1.2, 1.2, 0.5], count)
    weights[:, 2] *= rng.random(count) < 0.4
    chosen = np.stack([rng.integers(0, pool, count) for _ in range(3)], axis=1)
    parts = [np.clip(noise.unit(rows, others.values[chosen[:, k]]), -20, 20) for k in range(3)]
    for k in range(3):
        values += weights[:, k : k + 1] * parts[k]
    middle = rows.uniform(0.2, 1.0) * rows.n[:, None]
    over = 1 / (1 + np.exp(-np.clip((rows.clock - middle) / rows.lognormal(3.0, 1.0), -40, 40)))
    passing = rows.chance(0.15)
    values = np.where(passing, (1 - over) * parts[0] + over * parts[1], values)
    # The seasons of the heavier part are told first.
    heavier = np.where(weights[:, 0] >= weights[:, 1], chosen[:, 0], chosen[:, 1])
    lighter = np.where(weights[:, 0] >= weights[:, 1], chosen[:, 1], chosen[:, 0])
    first, second = others.periods[heavier], others.periods[lighter]
    periods = first.copy()
    alone = periods[:, 0] == 0
    periods[alone] = second[alone]
    joined = ~alone & (periods[:, 1] == 0) & (second[:, 0] != first[:, 0])
    periods[joined, 1] = second[joined, 0]
    return Paths(values, periods, np.zeros(count, bool))
