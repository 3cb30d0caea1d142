"""Forecasts that a clever one has to beat: the last season again, and a straight line.

Both are distributions. Their quantiles are the point forecast plus the empirical quantiles of the very same
forecast's past errors, at the same distance.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import Panel
from foreseal.predict import empirical
from foreseal.predict.grid import FloatArray, Grid, IntArray
from foreseal.records import Forecast

# With fewer errors than this their mirror images count too: so few say how large an error is, not which way.
MIRRORED_ERRORS = 8
# Errors per phase of the day below which one distribution serves all phases.
MIN_PHASE_ERRORS = 24


@dataclass
class SeasonalNaive:
    """The value of one season before, with the empirical distribution of its own past errors.

    Without ``season`` (in steps) each series takes the longest usual season of the frequency that its
    history holds twice. The distribution is that of errors at the same lag; where the history is long
    enough, of errors at the same phase of the shortest usual season (the same hour of the day).
    """

    season: int | None = None
    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        if self.season is not None and self.season < 1:
            raise ModelError(
                f"A season of {self.season} steps is impossible.", hint="Give a whole number from 1."
            )
        self.grid_ = Grid.of(panel)
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        grid = _fitted(self.grid_)
        values, ran = self.ahead(grid, grid.y, grid.reach(h), quantiles)
        _warn_if_certain(self, grid, values)
        return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), ran)

    def roll(
        self, panel: Panel, backs: Sequence[int], columns: int, quantiles: Sequence[float]
    ) -> tuple[FloatArray, dict[str, str]]:
        grid = _fitted(self.fit(panel).grid_)
        length = grid.y.shape[1]
        made = [self.ahead(grid, grid.y[:, : length - back], columns, quantiles) for back in backs]
        _warn_if_certain(self, grid, made[backs.index(0)][0])
        return np.stack([values for values, _ in made]), made[backs.index(0)][1]

    def ahead(
        self, grid: Grid, y: FloatArray, columns: int, quantiles: Sequence[float]
    ) -> tuple[FloatArray, dict[str, str]]:
        """Quantiles (series, columns, levels) from values that may end before the grid's do."""
        values = np.empty((len(y), columns, len(quantiles)))
        seasons = self._seasons(grid, y)
        for season in np.unique(seasons):
            rows = np.flatnonzero(seasons == season)
            day = min((s for s in grid.freq.seasons if int(season) % s == 0), default=1)
            values[rows] = seasonal_quantiles(y[rows], int(season), day, columns, quantiles)
        return values, {"season": ", ".join(str(s) for s in np.unique(seasons))}

    def _seasons(self, grid: Grid, y: FloatArray) -> IntArray:
        if self.season is not None:
            return np.full(len(y), self.season)
        seen = np.isfinite(y)
        span: IntArray = np.where(seen.any(axis=1), y.shape[1] - seen.argmax(axis=1), 0)
        seasons: IntArray = np.ones(len(y), np.int64)
        for season in grid.freq.seasons:
            seasons[span >= 2 * season] = season
        return seasons


def seasonal_point(y: FloatArray, season: int, columns: int) -> FloatArray:
    """The latest known value of the same phase, for ``columns`` steps from the end; (series, columns)."""
    padded = -y.shape[1] % season
    phases = np.pad(y, ((0, 0), (padded, 0)), constant_values=np.nan).reshape(len(y), -1, season)
    last = _last_known(phases)
    # A phase never seen borrows the latest value of any phase.
    overall = _last_known(y[:, :, None])
    last = np.where(np.isnan(last), overall, last)
    return last[:, np.arange(columns) % season]


def seasonal_quantiles(
    y: FloatArray, season: int, day: int, columns: int, quantiles: Sequence[float]
) -> FloatArray:
    """Quantiles of a seasonal naive forecast, shape (series, columns, levels).

    Step k looks back ``season * ceil((k + 1) / season)`` steps, and so do the errors it is judged by, taken
    at the same phase of ``day`` if there are enough of them.
    """
    point = seasonal_point(y, season, columns)
    spread = np.zeros((len(y), columns, len(quantiles)))
    length = y.shape[1]
    for block in range(-(-columns // season)):
        lag = season * (block + 1)
        steps = np.arange(block * season, min(columns, lag))
        errors = y[:, lag:] - y[:, :-lag] if lag < length else np.empty((len(y), 0))
        enough = np.zeros(len(y), bool)
        if day > 1 and errors.shape[1]:
            whole = errors[:, errors.shape[1] % day :].reshape(len(y), -1, day)
            enough = np.isfinite(whole).sum(axis=1).min(axis=1) >= MIN_PHASE_ERRORS
            if enough.any():
                by_phase = _quantiles(np.ascontiguousarray(whole[enough].transpose(0, 2, 1)), quantiles)
                spread[np.ix_(enough, steps)] = by_phase[:, steps % day]
        few = ~enough
        if few.any():
            pooled = _quantiles(errors[few], quantiles)
            # Nothing at this distance: the next shorter one, where there is one, is the best that is known.
            known = np.isfinite(pooled).all(axis=1, keepdims=True)
            shorter = spread[few, max(steps[0] - 1, 0)]
            spread[np.ix_(few, steps)] = np.where(known, pooled, shorter)[:, None]
    return point[:, :, None] + spread


@dataclass
class Naive:
    """The last value, with the distribution of what changed over as many steps before: a random walk."""

    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        self.grid_ = Grid.of(panel)
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        grid = _fitted(self.grid_)
        reach = grid.reach(h)
        values = seasonal_quantiles(grid.y, 1, 1, reach, quantiles)
        _warn_if_certain(self, grid, values)
        return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), {})


@dataclass
class Drift:
    """A straight line from the first value through the last, with the distribution of its past errors."""

    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        self.grid_ = Grid.of(panel)
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        grid = _fitted(self.grid_)
        reach = grid.reach(h)
        y = grid.y
        length = y.shape[1]
        seen = np.isfinite(y)
        row = np.arange(len(y))
        first, last = seen.argmax(axis=1), length - 1 - seen[:, ::-1].argmax(axis=1)
        slope = (y[row, last] - y[row, first]) / np.maximum(last - first, 1)
        filled = _forward_fill(y)
        values = np.empty((len(y), reach, len(quantiles)))
        spread = np.zeros((len(y), len(quantiles)))
        for k in range(reach):
            ahead = k + 1
            if ahead < length:
                errors = y[:, ahead:] - filled[:, :-ahead] - ahead * slope[:, None]
                known = _quantiles(errors, quantiles)
                spread = np.where(np.isfinite(known), known, spread)
            point = y[row, last] + slope * (ahead + length - 1 - last)
            values[:, k] = point[:, None] + spread
        _warn_if_certain(self, grid, values)
        return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), {})


def _last_known(columns: FloatArray) -> FloatArray:
    """The last finite value along axis 1, NaN if none; shape (series, …)."""
    seen = np.isfinite(columns)
    last = columns.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)
    return np.take_along_axis(columns, last[:, None], axis=1)[:, 0]


def _forward_fill(y: FloatArray) -> FloatArray:
    seen = np.isfinite(y)
    latest = np.maximum.accumulate(np.where(seen, np.arange(y.shape[1]), 0), axis=1)
    return np.take_along_axis(y, latest, axis=1)


def _quantiles(errors: FloatArray, quantiles: Sequence[float]) -> FloatArray:
    """Empirical quantiles along the last axis, NaN ignored, NaN if there is no value; levels come last."""
    out = np.full((*errors.shape[:-1], len(quantiles)), np.nan)
    count = np.isfinite(errors).sum(axis=-1, keepdims=True)
    if (count < MIRRORED_ERRORS).any():
        errors = np.concatenate([errors, np.where(count < MIRRORED_ERRORS, -errors, np.nan)], axis=-1)
    some = count[..., 0] > 0
    if some.any():
        out[some] = empirical.quantiles(errors[some], quantiles)
    return out


def _warn_if_certain(model: object, grid: Grid, values: FloatArray) -> None:
    """Say so where a history is too short to have made a single error to learn a spread from."""
    short = [name for name, n in zip(grid.ids, np.isfinite(grid.y).sum(axis=1), strict=True) if n < 2]
    if short and values.shape[2] > 1:
        warnings.warn(
            f"{model!r}: series {', '.join(map(repr, short[:5]))} has fewer than two values, too few "
            "to learn a spread from; its quantiles coincide.",
            ModelWarning,
            stacklevel=3,
        )


def _fitted(grid: Grid | None) -> Grid:
    if grid is None:
        raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
    return grid
