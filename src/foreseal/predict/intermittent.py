"""Intermittent demand: distributions of counts that are mostly zero, learnt across many series.

Four ways to a distribution compete: the empirical one of recent steps, TSB (Teunter, Syntetos and Babai,
2011) and Croston with the Syntetos-Boylan correction (2005) with a negative binomial whose spread is shrunk
to the panel's, and a pooled one: what followed in all series where history looked alike, drawn to the
series' own recent demand. The one with the least mean pinball loss at the last past origins is used.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import Panel
from foreseal.predict import counts, empirical
from foreseal.predict.analogues import Analogues, features
from foreseal.predict.counts import SIZES, histogram, negative_binomial, pinball
from foreseal.predict.grid import FloatArray, Grid, IntArray
from foreseal.predict.smoothing import croston, tsb
from foreseal.records import Forecast

METHODS = ("pooled", "empirical", "tsb", "sba")
# Counts above this are counted in larger units.
TOP = 400
# Steps of history of the empirical distribution.
RECENT = 24
# Steps that the panel is worth to a series, in the pooled distribution and in the spread, and the age at
# which its own step counts half.
ALIKE = 40.0
SPREAD = 24.0
HALF_LIFE = 9.0
SBA_WEIGHT = 0.1
TSB_WEIGHTS = (0.05, 0.1, 0.2, 0.3)
# Past origins that decide on the method, those that the pooled one learns from, and steps ahead of them.
ORIGINS = 6
CASES_BACK = 12
STEPS = 4
# Values that a past origin needs, and series together with origins below which the default is used.
MIN_VALUES = 8
MIN_CASES = 24
LEVELS = np.array([0.5, 0.75, 0.9, 0.95, 0.99])


@dataclass
class Intermittent:
    """A distribution of demand for every series, the same for each step ahead.

    ``method`` is one of `METHODS`; None chooses by past loss for the whole panel. Whole numbers stay whole.
    Series with negative values get the empirical quantiles of their last `RECENT` values.
    """

    method: str | None = None
    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        if self.method is not None and self.method not in METHODS:
            raise ModelError(
                f"There is no method {self.method!r}.", hint=f"Choose one of {', '.join(METHODS)}."
            )
        self.grid_ = Grid.of(panel)
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        if self.grid_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid = self.grid_
        levels = np.asarray(quantiles, np.float64)
        low = np.where(np.isfinite(grid.y), grid.y, np.inf).min(axis=1)
        counted = np.flatnonzero(low >= 0.0)
        values = empirical.quantiles(grid.y[:, -RECENT:], levels)
        latest = np.isfinite(grid.y[:, -RECENT:]).any(axis=1)
        values[~latest] = empirical.quantiles(grid.y[~latest], levels)
        ran = {}
        if len(counted):
            demand = Demand.of(grid.y[counted])
            method = self.method or demand.best(h)
            chances = demand.chances(method, h)
            values[counted] = counts.quantiles(chances, levels) * demand.unit[:, None]
            ran["method"] = method
        if len(counted) < len(grid.ids):
            ran["empirical"] = str(len(grid.ids) - len(counted))
            _warn_of_negative([name for name, least in zip(grid.ids, low, strict=True) if least < 0.0])
        whole = np.repeat(values[:, None], grid.reach(h), axis=1)
        return Forecast(grid.to_frame(whole, h, quantiles), tuple(quantiles), ran)


@dataclass(frozen=True)
class Demand:
    """Counts (series, T) in ``unit``s, ``known`` 1.0 where there is a value, else 0.0; ``top`` is the largest
    count that is told apart."""

    counts: IntArray
    known: FloatArray
    unit: FloatArray
    top: int

    @classmethod
    def of(cls, y: FloatArray) -> Self:
        """From values from 0, NaN where missing. Numbers that are not whole, or too large to count, are
        counted in units of a tenth of the mean demand, or larger."""
        known = np.isfinite(y)
        value = np.where(known, y, 0.0)
        most = value.max(axis=1)
        whole = (value == np.floor(value)).all(axis=1) & (most <= TOP)
        size = value.sum(axis=1) / np.maximum((value > 0.0).sum(axis=1), 1)
        unit = np.where(whole, 1.0, np.maximum(size / 10.0, most / TOP))
        counts = np.rint(value / unit[:, None]).astype(np.int64)
        return cls(counts, known.astype(np.float64), unit, int(counts.max()) + 1)

    def before(self, column: int) -> Demand:
        return Demand(self.counts[:, :column], self.known[:, :column], self.unit, self.top)

    def best(self, h: int) -> str:
        """The method with the least mean loss at past origins, where there are enough of them."""
        length = self.counts.shape[1]
        backs = np.unique(np.linspace(1, max(ORIGINS, h), ORIGINS).astype(np.int64))
        backs = backs[length - backs >= MIN_VALUES]
        loss = dict.fromkeys(METHODS, 0.0)
        cases = 0
        for back in backs:
            earlier = self.before(length - int(back))
            usable = earlier.known.any(axis=1)
            said = {method: earlier.chances(method, h) for method in METHODS}
            for step in _steps(min(h, int(back))):
                column = length - int(back) + step
                here = usable & (self.known[:, column] > 0)
                cases += int(here.sum())
                for method in METHODS:
                    lost = pinball(said[method][here], self.counts[here, column], LEVELS)
                    loss[method] += float(lost.sum())
        return min(METHODS, key=loss.__getitem__) if cases >= MIN_CASES else METHODS[0]

    def chances(self, method: str, h: int) -> FloatArray:
        """Probabilities (series, top + 1) of each count in a step among the next ``h``."""
        if method == "pooled":
            return self._pooled(h)
        if method == "empirical":
            return histogram(self.counts[:, -RECENT:], self.known[:, -RECENT:], self.top)
        y = np.where(self.known > 0, self.counts, np.nan)
        if method == "sba":
            return self._spread(y, croston(y, SBA_WEIGHT))
        tried = [tsb(y, demand, occurrence) for demand in TSB_WEIGHTS for occurrence in TSB_WEIGHTS]
        # Squared errors of one step, all series together: one pair of weights for the panel.
        errors = [np.nansum((path[:, :-1] - y) ** 2) for path in tried]
        return self._spread(y, tried[int(np.argmin(errors))])

    def _spread(self, y: FloatArray, path: FloatArray) -> FloatArray:
        """Negative binomials about a path of means, as far apart as past errors were."""
        mean, past = np.nan_to_num(path[:, -1]), path[:, :-1]
        over = np.where(np.isfinite(y - past), (y - past) ** 2 - past, 0.0).sum(axis=1)
        square = np.where(np.isfinite(y - past), past**2, 0.0).sum(axis=1)
        panel = over.sum() / max(square.sum(), 1e-9)
        own = (over + SPREAD * panel * mean**2) / np.maximum(square + SPREAD * mean**2, 1e-9)
        return negative_binomial(mean, 1.0 / np.clip(own, 1.0 / SIZES[1], 1.0 / SIZES[0]), self.top)

    def _pooled(self, h: int) -> FloatArray:
        length = self.counts.shape[1]
        weight = self.known * 0.5 ** (np.arange(length)[::-1] / HALF_LIFE)
        own = histogram(self.counts, weight, self.top)
        x, outcome = [], []
        for back in range(1, CASES_BACK + 1):
            earlier = self.before(max(length - back, 0))
            for step in _steps(min(h, back)):
                column = length - back + step
                if length - back < MIN_VALUES:
                    continue
                here = earlier.known.any(axis=1) & (self.known[:, column] > 0)
                x.append(features(earlier.counts[here], earlier.known[here]))
                outcome.append(self.counts[here, column])
        if sum(map(len, x)) < MIN_CASES:
            return own
        alike = Analogues.of(np.concatenate(x), np.concatenate(outcome), self.top)
        seen = weight.sum(axis=1)[:, None]
        chances: FloatArray = (seen * own + ALIKE * alike.at(features(self.counts, self.known))) / (
            seen + ALIKE
        )
        return chances


def _steps(h: int) -> IntArray:
    """Some of the next ``h`` steps, from 0."""
    return np.unique(np.linspace(0, h - 1, STEPS).astype(np.int64))


def _warn_of_negative(names: Sequence[str]) -> None:
    warnings.warn(
        f"intermittent: {len(names)} series with negative values get the quantiles of their last {RECENT}: "
        f"{', '.join(names[:5])}{', …' if len(names) > 5 else ''}.",
        ModelWarning,
        stacklevel=3,
    )
