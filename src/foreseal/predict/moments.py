"""Ridge regressions of many series at once that share most of what they learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from foreseal.predict.grid import FloatArray

# Penalties: of what all series share per row, and of what sets one apart in rows.
SHARED = 1e-3
OWN = 600.0


@dataclass(frozen=True)
class Moments:
    """Second moments (series, p + 1, p + 1) of rows, theirs with outcomes (series, p + 1, steps)."""

    second: FloatArray
    first: FloatArray

    @classmethod
    def of(cls, x: FloatArray, y: FloatArray, row: NDArray[np.bool_]) -> Self:
        weighted = (x * row[:, :, None]).transpose(0, 2, 1)
        return cls(weighted @ x, weighted @ y)

    def plus(self, other: Self) -> Self:
        return type(self)(self.second + other.second, self.first + other.first)

    def less(self, other: Self) -> Self:
        return type(self)(self.second - other.second, self.first - other.first)

    def slope(self) -> FloatArray:
        """Coefficients (series, p + 1, steps): what all share, and what sets each series apart."""
        second, first = self.second.sum(axis=0), self.first.sum(axis=0)
        size = len(second)
        penalty = np.full(size, SHARED * max(second[-1, -1], 1.0))
        penalty[-1] = 1e-9 * penalty[0]  # the constant is free
        shared = np.linalg.solve(second + np.diag(penalty), first)
        own = np.linalg.solve(self.second + OWN * np.eye(size), self.first - self.second @ shared)
        slope: FloatArray = shared + own
        return slope
