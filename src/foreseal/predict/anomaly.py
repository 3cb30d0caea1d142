"""Anomalies of a station: what is left of today's departure from the season in the days to come.

The season is two harmonics of the year, fitted to all values. Each step ahead has one regression of its
departure from the season on the last one known and on the mean of the last five. Quantiles are those of past
errors within so many days of the same day of the year: the reference that forecasts of daily weather have to
beat beside climatology.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

import numpy as np

from foreseal.errors import ModelError
from foreseal.frame import Panel
from foreseal.predict import empirical
from foreseal.predict.climatology import YEAR, climate_quantiles, day_of_year, season_distance
from foreseal.predict.grid import FloatArray, Grid
from foreseal.records import Forecast

HARMONICS = 2
RECENT = 5
# A season is learnt from a year or more.
LEAST = 365


@dataclass
class Anomaly:
    """Daily values with a season; ``half_width`` is the days around the same day of the year that errors come
    from. A series of less than a year gets climatology, and ``ran`` says so."""

    half_width: int = 45
    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        if panel.freq.step != timedelta(days=1):
            raise ModelError(f"anomaly is for daily values, not steps of {panel.freq}.", hint="Use a preset.")
        self.grid_ = Grid.of(panel)
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        if self.grid_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid = self.grid_
        reach, length = grid.reach(h), grid.y.shape[1]
        days = np.broadcast_to(day_of_year(grid.local(-length, reach)), (len(grid.ids), length + reach))
        values = climate_quantiles(grid, reach, quantiles, self.half_width)
        short = []
        for row, y in enumerate(grid.y):
            if np.isfinite(y).sum() >= LEAST:
                values[row] = self._one(y, days[row], reach, quantiles)
            else:
                short.append(grid.ids[row])
        ran = {"climatology": f"{len(short)} series of less than a year"} if short else {}
        return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), ran)

    def _one(self, y: FloatArray, day: FloatArray, reach: int, quantiles: Sequence[float]) -> FloatArray:
        """Quantiles (columns, levels) of one series (T,), whose days of the year are (T + columns,)."""
        angle = 2.0 * np.pi * day[:, None] / YEAR * np.arange(1, HARMONICS + 1)
        x = np.concatenate([np.ones((len(day), 1)), np.cos(angle), np.sin(angle)], axis=1)
        known = np.isfinite(y)
        usual = x @ np.linalg.lstsq(x[: len(y)][known], y[known], rcond=None)[0]
        away = y - usual[: len(y)]
        last = int(np.flatnonzero(known)[-1])
        filled = np.where(known, away, 0.0)
        total = np.concatenate([[0.0], np.cumsum(filled)])
        count = np.concatenate([[0], np.cumsum(known)])
        end = np.arange(1, len(y) + 1)
        start = np.maximum(end - RECENT, 0)
        recent = (total[end] - total[start]) / np.maximum(count[end] - count[start], 1)
        traits = np.stack([filled, recent], axis=1)
        out = np.empty((reach, len(quantiles)))
        for k in range(reach):
            lag = len(y) + k - last
            good = known[:-lag] & known[lag:]
            a, t = traits[:-lag][good], away[lag:][good]
            beta = np.linalg.lstsq(a, t, rcond=None)[0]
            near = season_distance(day[lag : len(y)][good], day[len(y) + k]) <= self.half_width
            errors = (t - a @ beta)[near]
            spread = empirical.quantiles(errors[None], quantiles)[0]
            out[k] = usual[len(y) + k] + traits[last] @ beta + spread
        return out
