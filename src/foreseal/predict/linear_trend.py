"""A straight line through all values, with the spread of what lies beside it: the reference of planners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Self

import numpy as np

from foreseal.errors import ModelError
from foreseal.frame import Panel
from foreseal.predict.grid import Grid
from foreseal.records import Forecast


@dataclass
class LinearTrend:
    """Least squares on time, each series by itself. Quantiles are normal around the line, as wide as
    residuals and the line's own uncertainty make them; two values or less have no spread."""

    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        self.grid_ = Grid.of(panel)
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        if self.grid_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid = self.grid_
        reach, length = grid.reach(h), grid.y.shape[1]
        known = np.isfinite(grid.y)
        n = known.sum(axis=1)
        time = np.arange(-length, 0, dtype=np.float64)
        y = np.where(known, grid.y, 0.0)
        middle = (known * time).sum(axis=1) / np.maximum(n, 1)
        level = y.sum(axis=1) / np.maximum(n, 1)
        away = np.where(known, time - middle[:, None], 0.0)
        square = (away**2).sum(axis=1)
        slope = (away * (y - level[:, None])).sum(axis=1) / np.maximum(square, 1e-12)
        rest = np.where(known, grid.y - level[:, None] - slope[:, None] * away, 0.0)
        sd = np.sqrt((rest**2).sum(axis=1) / np.maximum(n - 2, 1))
        ahead = np.arange(reach) - middle[:, None]
        point = level[:, None] + slope[:, None] * ahead
        leverage = 1.0 + 1.0 / np.maximum(n, 1)[:, None] + ahead**2 / np.maximum(square, 1e-12)[:, None]
        width = sd[:, None] * np.sqrt(leverage)
        normal = np.array([NormalDist().inv_cdf(level) for level in quantiles])
        values = point[:, :, None] + width[:, :, None] * normal
        return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), {})
