"""The closed-form stage as a model of its own: no weights, nothing learnt beyond the series at hand.

Its median is the stage's candidates averaged by their backtest errors, the extreme ones left out; its spread
are the average's own backtest errors, pooled over origins and steps, scaled to the step ahead and, in a
season, to the phase. It is the fallback of the pretrained network, and what that has to beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from foreseal.clock import Frequency
from foreseal.errors import ModelError
from foreseal.frame import Panel
from foreseal.predict.contexts import BLOCK, CONTEXTS, LONG_CYCLES, Said, contexts, rolled, said, within
from foreseal.predict.decomposition import Flags
from foreseal.predict.grid import FloatArray, Grid, IntArray
from foreseal.predict.periods import choose
from foreseal.predict.stage import STAGE_VERSION, Stage, stage
from foreseal.records import Forecast

__all__ = ["BLOCK", "CONTEXTS", "LONG_CYCLES", "ClosedForm", "contexts", "forecast", "within"]

# Errors of a mixture chosen by the same errors are too small, above all where there are few.
WIDENING = 1.2
FEW = 8.0
# Weight of the logistic distribution, in errors, against the empirical one.
SHAPE_ERRORS = 60.0
# Growth of the spread with the step, where the backtest is silent, and how many errors speak against it.
GROWTH = 0.3
GROWTH_ERRORS = 24.0
# Share of the mixture's weight that is left out at either end.
TRIM = 0.4
# How far the spread follows its phase's.
PHASE = 0.5
# Steps of a season that is taken at its word: a year of seconds, thirty times over.
LONGEST_SEASON = 1_000_000_000


@dataclass
class ClosedForm:
    """Candidates in closed form, averaged by their backtest.

    ``seasons`` in steps, shortest first, replace those of the calendar (the day, the week, the year as far
    as the frequency has them); without either they are detected.
    """

    seasons: tuple[int, ...] | None = None
    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        refuse_seasons(self.seasons)
        self.grid_ = Grid.of(panel)
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        if self.grid_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid = self.grid_
        made = self._of(grid, grid.y, grid.reach(h), quantiles)
        made.warn(self, grid)
        ran = {"stage": str(STAGE_VERSION)} | made.told()
        return Forecast(grid.to_frame(made.values, h, quantiles), tuple(quantiles), ran)

    def roll(
        self, panel: Panel, backs: Sequence[int], columns: int, quantiles: Sequence[float]
    ) -> tuple[FloatArray, dict[str, str]]:
        """See `foreseal.predict.model.Rolling`."""
        refuse_seasons(self.seasons)
        grid = Grid.of(panel)
        out, now = rolled(grid, backs, columns, quantiles, self._of)
        now.warn(self, grid)
        return out, {"stage": str(STAGE_VERSION)} | now.told()

    def _of(self, grid: Grid, y: FloatArray, reach: int, quantiles: Sequence[float]) -> Said:
        """The next ``reach`` steps of histories that may end before the grid's do."""
        levels = np.asarray(quantiles, np.float64)

        def decode(part: FloatArray, steps: IntArray) -> tuple[FloatArray, Flags]:
            known = stage(part, steps, periods_of(part, self.seasons, grid.freq))
            return forecast(known, steps, levels), known.constant

        return said(grid, y, reach, levels, season_lengths(self.seasons, grid.freq), decode)


def forecast(known: Stage, steps: IntArray, levels: FloatArray) -> FloatArray:
    """Quantiles (B, S, levels) in the series' own units, from what the stage knows of them."""
    middle = _trimmed(known)
    spread = _spread(known, steps, levels)
    # Beyond all numbers is where `within` draws the line.
    with np.errstate(over="ignore"):
        out = known.centre[:, None, None] + known.scale[:, None, None] * (middle[:, :, None] + spread)
    return np.sort(np.where(known.constant[:, None, None], known.centre[:, None, None], out), axis=2)


def season_lengths(seasons: tuple[int, ...] | None, freq: Frequency) -> tuple[int, ...]:
    """The seasons given, else those of the calendar: of days also the year."""
    if seasons is not None:
        return tuple(seasons)
    year = (365,) if str(freq) == "1d" else ()
    return (*freq.seasons, *year)


def periods_of(y: FloatArray, seasons: tuple[int, ...] | None, freq: Frequency) -> IntArray:
    """Up to three seasons of each row (rows, 3): those told, as told; the calendar's unless data deny it."""
    lengths = season_lengths(seasons, freq)
    if seasons is None:
        return choose(y, lengths)
    told = np.zeros((len(y), 3), np.int64)
    told[:, : len(lengths)] = lengths
    return told


def refuse_seasons(seasons: tuple[int, ...] | None) -> None:
    """Raise `ModelError` for seasons that the stage cannot take."""
    if seasons is None:
        return
    if len(seasons) > 3 or any(not isinstance(s, int) or not 2 <= s <= LONGEST_SEASON for s in seasons):
        raise ModelError(
            f"seasons={seasons!r} are not up to three whole numbers from 2 to {LONGEST_SEASON}.",
            hint="Give steps, shortest first, such as seasons=(24, 168); () for none.",
        )
    if list(seasons) != sorted(set(seasons)):
        raise ModelError(f"seasons={seasons!r} do not increase.", hint="Give the shortest first.")


def _trimmed(known: Stage) -> FloatArray:
    """The weighted mean (B, S) of the candidates between the weights' quartiles."""
    weights = known.weights[:, None, :]
    order = np.argsort(known.candidates, axis=2)
    values = np.take_along_axis(known.candidates, order, axis=2)
    upper = np.take_along_axis(np.broadcast_to(weights, values.shape), order, axis=2).cumsum(axis=2)
    kept = np.diff(np.clip(upper, TRIM, 1.0 - TRIM), axis=2, prepend=TRIM)
    middle: FloatArray = (values * kept).sum(axis=2) / kept.sum(axis=2)
    return middle


def _spread(known: Stage, steps: IntArray, levels: FloatArray) -> FloatArray:
    """Quantiles (B, S, levels) about the median, z units."""
    batch, origins, width = known.residuals.shape
    error = known.residuals.astype(np.float64)
    count = np.isfinite(error).sum(axis=(1, 2))
    growth = _growth(error)
    ahead = np.arange(1, width + 1, dtype=np.float64)
    unit = error / ahead ** growth[:, None, None]
    flat = unit.reshape(batch, origins * width)
    size = np.nan_to_num(np.abs(flat), nan=0.0).sum(axis=1) / np.maximum(count, 1)
    size = np.where(count > 0, size, known.unit) + 0.01 * known.unit
    # The logistic distribution whose mean absolute deviation is `size`.
    logistic = size[:, None] * np.log(levels / (1.0 - levels)) / (2.0 * np.log(2.0))
    # Past bias is no guide to the next: the median stays where the candidates put it.
    empirical = _quantiles(flat, count, levels) - _quantiles(flat, count, np.array([0.5]))
    share = (count / (count + SHAPE_ERRORS))[:, None]
    shape = share * empirical + (1.0 - share) * logistic
    wider = WIDENING * (1.0 + FEW / (count + FEW))
    phase = known.noise.astype(np.float64) ** PHASE
    reach = steps[None, :] ** growth[:, None] * phase * wider[:, None]
    out: FloatArray = reach[:, :, None] * shape[:, None, :]
    return out


def _growth(error: FloatArray) -> FloatArray:
    """The power (B,) of the step by which errors grow: least squares of log size on log step, drawn to
    `GROWTH` and kept between 0 and 1."""
    ahead = np.log(np.arange(1, error.shape[2] + 1))
    size = np.abs(error)
    floor = 0.05 * np.nan_to_num(size, nan=0.0).mean(axis=(1, 2)) + 1e-9
    logs = np.log(size + floor[:, None, None])
    known = np.isfinite(logs)
    count = known.sum(axis=(1, 2))
    value = np.where(known, logs, 0.0)
    x = np.where(known, ahead, 0.0)
    n = np.maximum(count, 1)
    mean_x, mean = x.sum(axis=(1, 2)) / n, value.sum(axis=(1, 2)) / n
    variance = (x * x).sum(axis=(1, 2)) - n * mean_x**2
    covariance = (x * value).sum(axis=(1, 2)) - n * mean_x * mean
    power: FloatArray = (covariance + GROWTH * GROWTH_ERRORS) / (variance + GROWTH_ERRORS)
    return np.minimum(np.maximum(power, 0.0), 1.0)


def _quantiles(values: FloatArray, count: IntArray, levels: FloatArray) -> FloatArray:
    """Empirical quantiles (B, levels) of rows that may hold NaN; 0 where there is nothing."""
    ordered = np.nan_to_num(np.sort(values, axis=1), nan=0.0)
    place = np.clip(levels * count[:, None] - 0.5, 0.0, np.maximum(count - 1, 0)[:, None])
    low = place.astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0)[:, None])
    share = place - low
    below, above = (np.take_along_axis(ordered, at, axis=1) for at in (low, high))
    return np.where(count[:, None] > 0, below * (1.0 - share) + above * share, 0.0)
