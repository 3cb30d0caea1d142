"""What every family is given: how many rows, how long, and the one source of randomness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS = 64
"""Steps after the origin that every synthetic series carries."""


@dataclass(frozen=True)
class Rows:
    """``len(n)`` series of ``bucket + STEPS`` columns; row i is seen from column ``bucket - n[i]`` on."""

    rng: np.random.Generator
    n: NDArray[np.int64]
    bucket: int

    @property
    def count(self) -> int:
        return len(self.n)

    @property
    def columns(self) -> int:
        return self.bucket + STEPS

    @property
    def clock(self) -> Floats:
        """Steps since the first seen one; negative before. (rows, columns)"""
        return np.arange(self.columns) - (self.bucket - self.n)[:, None].astype(float)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Floats:
        return self.rng.uniform(low, high, (self.count, 1))

    def normal(self, mean: float = 0.0, sd: float = 1.0) -> Floats:
        return self.rng.normal(mean, sd, (self.count, 1))

    def lognormal(self, median: float, sd: float) -> Floats:
        """Log-normal numbers with this median and this standard deviation of the logarithm."""
        return median * np.exp(self.rng.normal(0.0, sd, (self.count, 1)))

    def chance(self, share: float) -> NDArray[np.bool_]:
        return self.rng.random((self.count, 1)) < share

    def pick(self, weights: dict[str, float]) -> NDArray[np.str_]:
        """One name for each row, (rows,)."""
        names, odds = list(weights), np.array(list(weights.values()))
        return np.array(names)[self.rng.choice(len(names), self.count, p=odds / odds.sum())]

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Rows:
        return Rows(self.rng, self.n[index], self.bucket)


@dataclass(frozen=True)
class Paths:
    """Series of one family: values (rows, columns), true periods (rows, 3; 0 = none), anchored or not.

    An anchored row has a meaningful zero (counts, growth, a clip): it is neither moved nor flipped.
    """

    values: Floats
    periods: Floats
    anchored: NDArray[np.bool_]

    @classmethod
    def of(cls, values: Floats, *periods: Floats, anchored: NDArray[np.bool_] | bool = False) -> Paths:
        rows = len(values)
        known = np.zeros((rows, 3))
        for k, period in enumerate(periods):
            known[:, k] = np.reshape(period, rows)
        return cls(values, known, np.broadcast_to(np.reshape(anchored, -1), rows).copy())
