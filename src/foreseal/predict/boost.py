"""Gradient-boosted trees with one head per quantile (LightGBM, extra ``boost``), one model for all series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from foreseal.errors import MissingExtra, ModelError
from foreseal.frame import Panel
from foreseal.predict.design import Design
from foreseal.predict.grid import FloatArray, Grid
from foreseal.predict.naive import seasonal_quantiles
from foreseal.records import Forecast

MAX_ROWS = 200_000
MIN_ROWS = 100


@dataclass
class LightGBM:
    """Quantile regression of deviations from the seasonal base on the features of the seasonal ridge.

    Deviations are scaled by each series' own, so that series of all sizes teach one model; the step ahead is
    a feature. Single-threaded and seeded, so that the same panel gives the same trees.
    """

    trees: int = 150
    leaves: int = 15
    rate: float = 0.05
    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)
    panel_: Panel | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        self.grid_, self.panel_ = Grid.of(panel), panel
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        try:
            import lightgbm
        except ImportError:
            raise MissingExtra("boost", "The model 'lightgbm'") from None
        if self.grid_ is None or self.panel_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid = self.grid_
        reach = grid.reach(h)
        rows = np.arange(len(grid.ids))
        design = Design.of(grid, rows, grid.covariates(self.panel_, reach), reach)
        ran = {"lightgbm": lightgbm.__version__}
        unit = _unit(grid.y)
        learnt, target, now, base = [], [], [], []
        for k, step in enumerate(design.steps()):
            ahead = np.full((*step.base.shape, 1), float(k))
            x = np.concatenate([step.x / unit[:, None, None], step.x[:, :, :0], ahead], axis=2)
            y = step.y[:, :-1] / unit[:, None]
            learnt.append(x[:, :-1][np.isfinite(y)])
            target.append(y[np.isfinite(y)])
            now.append(x[:, -1])
            base.append(step.base[:, -1])
        x, y = np.concatenate(learnt), np.concatenate(target)
        if len(y) < MIN_ROWS or not np.isfinite(base).all():
            season = max((s for s in grid.freq.seasons if grid.y.shape[1] >= 2 * s), default=1)
            values = seasonal_quantiles(grid.y, season, 1, reach, quantiles)
            ran["naive"] = str(len(grid.ids))
            return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), ran)
        stride = -(-len(y) // MAX_ROWS)
        data = lightgbm.Dataset(x[::stride], y[::stride], free_raw_data=False)
        values = np.empty((len(rows), reach, len(quantiles)))
        for k, level in enumerate(quantiles):
            booster = lightgbm.train(self._parameters(level), data, num_boost_round=self.trees)
            heads = booster.predict(np.concatenate(now), num_threads=1).reshape(reach, len(rows)).T
            values[:, :, k] = np.array(base).T + heads * unit[:, None]
        return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), ran)

    def _parameters(self, level: float) -> dict[str, object]:
        return {
            "objective": "quantile",
            "alpha": level,
            "num_leaves": self.leaves,
            "learning_rate": self.rate,
            "min_data_in_leaf": 20,
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "seed": 0,
            "verbosity": -1,
        }


def _unit(y: FloatArray) -> FloatArray:
    """Mean absolute value of each series, 1 where it is zero."""
    known = np.isfinite(y)
    size = np.where(known, np.abs(y), 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.where(size > 0.0, size, 1.0)
