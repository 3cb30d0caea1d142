"""Climatology: what was observed at this time of the year, and at this hour, in the years before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

import numpy as np

from foreseal.errors import ModelError
from foreseal.frame import Panel
from foreseal.predict import empirical
from foreseal.predict.grid import FloatArray, Grid
from foreseal.records import Forecast

YEAR = 365.25
HALF_WIDTH = 45
# Values below which the window is opened to the whole year.
LEAST = 20


@dataclass
class Climatology:
    """Empirical quantiles of the values within ``half_width`` days of the same day of the year, all years
    alike; of steps shorter than a day, those of the same time of day. The reference forecast of meteorology.
    """

    half_width: int = HALF_WIDTH
    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        if self.half_width < 0:
            raise ModelError(f"A half width of {self.half_width} days is impossible.")
        self.grid_ = Grid.of(panel)
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        if self.grid_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid = self.grid_
        values = climate_quantiles(grid, grid.reach(h), quantiles, self.half_width)
        return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), {})


def climate_quantiles(
    grid: Grid, columns: int, quantiles: Sequence[float], half_width: int = HALF_WIDTH
) -> FloatArray:
    """Quantiles (series, columns, levels); those of the whole year where the season holds too few values."""
    if grid.freq.step is None or grid.freq.step > timedelta(days=1):
        raise ModelError(
            f"climatology is for steps of a day or less, not of {grid.freq}.", hint="Use seasonal_naive."
        )
    length = grid.y.shape[1]
    times = grid.local(-length, columns)
    day = day_of_year(times)
    clock = (times - times.astype("datetime64[D]")).astype(np.int64)
    out = np.empty((len(grid.ids), columns, len(quantiles)))
    for k in range(length, length + columns):
        same = clock[:, :length] == clock[:, k : k + 1]
        near = season_distance(day[:, :length], day[:, k : k + 1]) <= half_width
        season = np.where(same & near, grid.y, np.nan)
        few = np.isfinite(season).sum(axis=1) < LEAST
        season[few] = np.where(same, grid.y, np.nan)[few]
        out[:, k - length] = empirical.quantiles(season, quantiles)
    return out


def day_of_year(times: np.ndarray) -> FloatArray:
    """Days since the first of January, from 0."""
    days: FloatArray = (times - times.astype("datetime64[Y]")) / np.timedelta64(1, "D")
    return days


def season_distance(a: FloatArray, b: FloatArray) -> FloatArray:
    """Days between two days of the year, the shorter way round."""
    half = YEAR / 2
    distance: FloatArray = np.abs((a - b + half) % YEAR - half)
    return distance
