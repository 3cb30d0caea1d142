"""Quantiles of residuals in like states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from foreseal.predict.grid import FloatArray, IntArray

# At most this many classes of the first number, and of the second within each; residuals that one needs.
CLASSES = (16, 4)
MIN_RESIDUALS = 150


@dataclass(frozen=True)
class States:
    """Residuals sorted into cells by two numbers that were known before them.

    ``outer`` are the edges of the first number's classes, ``inner`` (classes, edges) those of the second
    within each, ``quantiles`` (cells, levels).
    """

    outer: FloatArray
    inner: FloatArray
    quantiles: FloatArray

    @classmethod
    def of(cls, first: FloatArray, second: FloatArray, residuals: FloatArray, levels: FloatArray) -> Self:
        """From vectors of equal length; cells hold equally many residuals."""
        cells = max(1, len(residuals) // MIN_RESIDUALS)
        n = int(np.clip(cells // 2, 1, CLASSES[0]))
        m = int(np.clip(cells // n, 1, CLASSES[1]))
        outer = _edges(first, n)
        at = np.searchsorted(outer, first)
        inner = np.stack([_edges(second[at == k] if (at == k).any() else second, m) for k in range(n)])
        states = cls(outer, inner, np.empty((n * m, len(levels))))
        cell = states._cell(first, second)
        for k in range(n * m):
            here = residuals[cell == k]
            # Ties leave cells empty; what falls there later is like any other.
            states.quantiles[k] = np.quantile(here if len(here) else residuals, levels)
        return states

    def at(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """Quantiles (n, levels) for vectors of the two numbers."""
        return self.quantiles[self._cell(first, second)]

    def _cell(self, first: FloatArray, second: FloatArray) -> IntArray:
        outer = np.searchsorted(self.outer, first)
        # Edges ascend, so the class is the number of edges below.
        inner = (self.inner[outer] < second[:, None]).sum(axis=1)
        cell: IntArray = outer * (self.inner.shape[1] + 1) + inner
        return cell


def _edges(values: FloatArray, classes: int) -> FloatArray:
    edges: FloatArray = np.quantile(values, np.arange(1, classes) / classes)
    return edges
