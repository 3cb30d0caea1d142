"""Seasonal ridge: one small regression per series and step ahead, many at once.

Each step ahead of each series has its own coefficients on the features of `foreseal.predict.design`; where
origins lie a day apart, that is one regression per hour of the day. The penalty minimises generalised
cross-validation (Golub, Heath and Wahba, 1979), summed over the steps of a series. Large errors weigh less
(Huber, 1964), and so do old ones. Quantiles are those of leave-one-out errors, which a ridge gives in
closed form, scaled by the day of the week.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import Panel
from foreseal.predict.design import Design, Step
from foreseal.predict.empirical import weighted_quantiles
from foreseal.predict.grid import FloatArray, Grid, IntArray
from foreseal.predict.holidays import indicators
from foreseal.predict.naive import seasonal_quantiles
from foreseal.records import Forecast

PENALTIES = np.logspace(-3, 2, 16)
QUICK_PENALTY = 0.03
MIN_ERRORS = 12
PRIOR_ERRORS = 5.0
HUBER = 1.345
# Values of one step's features held at once, which bounds memory to some tens of megabytes.
BLOCK = 2_000_000


@dataclass
class Ridge:
    """Seasonal ridge of every series on its own history, calendar and covariates.

    ``holidays`` names a country of `foreseal.predict.holidays`; ``half_life`` is the age, in origins, at
    which an origin counts half; ``robust`` the number of reweightings. A series too short for a regression
    gets seasonal naive quantiles, and ``ran`` says so.
    """

    holidays: str | None = None
    half_life: float = 250.0
    robust: int = 2
    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)
    panel_: Panel | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        self.grid_, self.panel_ = Grid.of(panel), panel
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        if self.grid_ is None or self.panel_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid = self.grid_
        values, ran = self.roll(self.panel_, [0], grid.reach(h), quantiles)
        return Forecast(grid.to_frame(values[0], h, quantiles), tuple(quantiles), ran)

    def roll(
        self, panel: Panel, backs: Sequence[int], columns: int, quantiles: Sequence[float]
    ) -> tuple[FloatArray, dict[str, str]]:
        """See `foreseal.predict.model.Rolling`: what each origin knows of the past is made once for all."""
        grid = Grid.of(panel)
        covariates = grid.covariates(panel, columns)
        if self.holidays is not None:
            covariates |= indicators(self.holidays, grid.local(-grid.y.shape[1], columns))
        levels = np.asarray(quantiles, np.float64)
        values = np.full((len(backs), len(grid.ids), columns, len(levels)), np.nan)
        for rows in _blocks(grid):
            design = Design.of(grid, rows, covariates, columns, backs)
            values[:, rows] = self._block(design, backs, levels)
        ran = {}
        for origin, back in enumerate(backs):
            y = grid.y[:, : grid.y.shape[1] - back]
            short = ~np.isfinite(values[origin]).all(axis=(1, 2)) & np.isfinite(y).any(axis=1)
            if short.any():
                values[origin, short] = _naive(grid, y[short], columns, quantiles)
            if short.any() and back == 0:
                _warn_of_short([name for name, left_out in zip(grid.ids, short, strict=True) if left_out])
                ran["naive"] = str(int(short.sum()))
        return values, ran

    def _block(self, design: Design, backs: Sequence[int], levels: FloatArray) -> FloatArray:
        """Quantiles (origins, series, columns, levels); NaN where there is too little to learn from."""
        out = np.full((len(backs), len(design.y), design.columns, len(levels)), np.nan)
        if len(design.origins) <= MIN_ERRORS:
            return out
        for k, step in enumerate(design.steps()):
            for origin, back in enumerate(backs):
                last = len(design.origins) - 1 - back // design.stride
                # What an origin after this one's target column less k sees is not yet known here.
                known = last - k // design.stride
                if known > MIN_ERRORS:
                    recency = 0.5 ** (np.arange(known, 0, -1) / self.half_life)
                    out[origin, :, k] = self._step(step.seen(known, last), recency, levels)
        return out

    def _step(self, step: Step, recency: FloatArray, levels: FloatArray) -> FloatArray:
        """Quantiles (series, levels) of one step ahead."""
        y = step.y[:, :-1]
        learnt = np.isfinite(y)
        recency = np.where(learnt, recency, 0.0)
        y = np.where(learnt, y, 0.0)
        weight = recency
        for _ in range(self.robust):
            size = np.abs(y - _quick(step.x, y, weight))
            limit = HUBER * 1.4826 * weighted_quantiles(size, recency, np.array([0.5]))
            size = np.maximum(size, limit)
            weight = recency * np.divide(limit, size, out=np.ones_like(size), where=limit > 0.0)
        fit = _solve(step.x, y, weight)
        errors = (y - fit.past) / np.maximum(1.0 - fit.leverage, 0.05)
        spread = _spread(errors, recency, step.group, levels)
        enough = learnt.sum(axis=1) >= MIN_ERRORS
        point = step.base[:, -1] + fit.next
        return np.where(enough[:, None], point[:, None] + spread, np.nan)


@dataclass(frozen=True)
class _Fit:
    """Fitted deviations at the past origins and at the forecast's own, and the leverage of each past one."""

    past: FloatArray
    next: FloatArray
    leverage: FloatArray


def _quick(x: FloatArray, y: FloatArray, weight: FloatArray) -> FloatArray:
    """Fitted values at the past origins of a ridge of one middling penalty: good enough to tell outliers."""
    total = np.maximum(weight.sum(axis=1), np.finfo(float).tiny)
    share = weight / total[:, None]
    past = x[:, :-1]
    centre = (share[:, None] @ past)[:, 0]
    middle = (share * y).sum(axis=1)
    weighted = past * share[:, :, None]
    second = weighted.transpose(0, 2, 1) @ past - centre[:, :, None] * centre[:, None, :]
    variance = np.maximum(np.diagonal(second, axis1=1, axis2=2), 0.0)
    moments = (weighted.transpose(0, 2, 1) @ y[:, :, None])[:, :, 0] - centre * middle[:, None]
    flat = variance <= 1e-12 * (1.0 + centre**2)
    width = np.where(flat, np.inf, np.sqrt(np.where(flat, 1.0, variance)))
    second = second / width[:, :, None] / width[:, None, :]
    second[:, *np.diag_indices(second.shape[1])] += QUICK_PENALTY
    slope = np.linalg.solve(second, (moments / width)[:, :, None])[:, :, 0] / width
    fitted: FloatArray = (past @ slope[:, :, None])[:, :, 0] + (middle - (centre * slope).sum(axis=1))[
        :, None
    ]
    return fitted


def _solve(x: FloatArray, y: FloatArray, weight: FloatArray) -> _Fit:
    """Weighted ridge of y (series, n) on x (series, n + 1, p), with an intercept that is not shrunk."""
    total = np.maximum(weight.sum(axis=1), np.finfo(float).tiny)
    share = weight / total[:, None]
    centre = (share[:, None] @ x[:, :-1])[:, 0]
    z = x - centre[:, None]
    spread = np.sqrt((share[:, None] @ z[:, :-1] ** 2)[:, 0])
    z /= np.where(spread > 1e-12 * (1.0 + np.abs(centre)), spread, np.inf)[:, None]
    middle = (share * y).sum(axis=1)
    v = y - middle[:, None]
    past = z[:, :-1]
    weighted = past * share[:, :, None]
    values, vectors = np.linalg.eigh(weighted.transpose(0, 2, 1) @ past)
    values = np.maximum(values, 0.0)[:, None]
    moments = v[:, None] @ weighted @ vectors
    shrunk = 1.0 / (values + PENALTIES[:, None])
    rss = (share * v**2).sum(axis=1)[:, None] + (moments**2 * shrunk * (values * shrunk - 2.0)).sum(axis=2)
    squares = (weight**2).sum(axis=1)
    effective = np.divide(total**2, squares, out=np.ones_like(total), where=squares > 0.0)
    freedom = 1.0 - (1.0 + (values * shrunk).sum(axis=2)) / effective[:, None]
    score = np.where(freedom > 0.0, rss / np.maximum(freedom, 1e-6) ** 2, np.inf)
    best = shrunk[np.arange(len(y)), score.argmin(axis=1)]
    rotated = z @ vectors
    fitted = middle[:, None] + (rotated @ (moments[:, 0] * best)[:, :, None])[:, :, 0]
    leverage = share * (1.0 + (rotated[:, :-1] ** 2 @ best[:, :, None])[:, :, 0])
    return _Fit(fitted[:, :-1], fitted[:, -1], leverage)


def _spread(errors: FloatArray, weight: FloatArray, group: IntArray, levels: FloatArray) -> FloatArray:
    """Quantiles (series, levels) of past errors, scaled to the size of errors on the target's own day."""
    size = np.abs(errors)
    mean = (weight * size).sum(axis=1) / np.maximum(weight.sum(axis=1), np.finfo(float).tiny)
    scale = np.empty_like(errors)
    own = np.empty(len(errors))
    for day in np.unique(group):
        here = np.broadcast_to(group[:, :-1] == day, errors.shape)
        w = np.where(here, weight, 0.0)
        one = (((w * size).sum(axis=1)) + PRIOR_ERRORS * mean) / (w.sum(axis=1) + PRIOR_ERRORS)
        scale = np.where(here, one[:, None], scale)
        own = np.where(group[:, -1] == day, one, own)
    unit = np.divide(errors, scale, out=np.zeros_like(errors), where=scale > 0.0)
    return own[:, None] * weighted_quantiles(unit, weight, levels)


def _blocks(grid: Grid) -> list[IntArray]:
    """Rows of series with histories alike in length, few enough at a time to bound memory."""
    seen = np.isfinite(grid.y)
    span = np.where(seen.any(axis=1), grid.y.shape[1] - seen.argmax(axis=1), 1)
    # Within a factor of 1.25 the padding of the shorter ones costs less than a block of their own.
    likeness = np.floor(np.log(span) / np.log(1.25)).astype(np.int64)
    blocks = []
    for kind in np.unique(likeness):
        rows = np.flatnonzero(likeness == kind)
        size = max(1, BLOCK // (30 * int(span[rows].max())))
        blocks += [rows[i : i + size] for i in range(0, len(rows), size)]
    return blocks


def _naive(grid: Grid, y: FloatArray, columns: int, quantiles: Sequence[float]) -> FloatArray:
    length = int(np.isfinite(y).sum(axis=1).min())
    season = max((s for s in grid.freq.seasons if length >= 2 * s), default=1)
    return seasonal_quantiles(y, season, 1, columns, quantiles)


def _warn_of_short(names: Sequence[str]) -> None:
    warnings.warn(
        f"ridge: {len(names)} series too short for a regression get seasonal naive quantiles: "
        f"{', '.join(names[:5])}{', …' if len(names) > 5 else ''}.",
        ModelWarning,
        stacklevel=4,
    )
