"""The Theta method of statsforecast (extra ``classic``), with its own prediction intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from foreseal.errors import MissingExtra, ModelError
from foreseal.frame import Panel
from foreseal.predict.grid import FloatArray, Grid
from foreseal.predict.naive import seasonal_point, seasonal_quantiles
from foreseal.records import Forecast

# Theta looks at recent seasons only, and its time grows with the length of a series.
MAX_LENGTH = 1_000
MIN_LENGTH = 6


@dataclass
class Theta:
    """Dynamic optimised Theta of each series (Fiorucci et al., 2016) at its shortest usual season.

    Gaps are filled with the value a season before. Series of fewer than `MIN_LENGTH` values get seasonal
    naive quantiles.
    """

    season: int | None = None
    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        self.grid_ = Grid.of(panel)
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        try:
            import statsforecast
            from statsforecast.models import DynamicOptimizedTheta
        except ImportError:
            raise MissingExtra("classic", "The model 'theta'") from None
        if self.grid_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid = self.grid_
        reach = grid.reach(h)
        season = self.season or min(grid.freq.seasons, default=1)
        values = np.empty((len(grid.ids), reach, len(quantiles)))
        naive = 0
        for row, y in enumerate(grid.y):
            known = _filled(y, season)[-MAX_LENGTH:]
            if len(known) < MIN_LENGTH or np.ptp(known) == 0.0:
                values[row] = seasonal_quantiles(y[None], 1, 1, reach, quantiles)[0]
                naive += 1
                continue
            own = season if len(known) >= 2 * season else 1
            model = DynamicOptimizedTheta(season_length=own)
            # Its intervals come by level: one of 100 |1 - 2 p| percent holds the quantile p as an end.
            levels = sorted({round(abs(100.0 - 200.0 * p), 8) for p in quantiles if p != 0.5})
            out = model.forecast(known, reach, level=levels) if levels else model.forecast(known, reach)
            for k, p in enumerate(quantiles):
                side, share = ("lo", 100.0 - 200.0 * p) if p < 0.5 else ("hi", 200.0 * p - 100.0)
                values[row, :, k] = out["mean"] if p == 0.5 else out[_named(out, side, share)]
        ran = {"season": str(season), "statsforecast": statsforecast.__version__}
        ran |= {"naive": str(naive)} if naive else {}
        return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), ran)


def _named(out: dict[str, FloatArray], side: str, share: float) -> str:
    """The key of an interval end: ``lo-80`` or ``lo-80.0``, as versions write it."""
    return next(
        key for key in out if key.startswith(f"{side}-") and abs(float(key.split("-")[1]) - share) < 1e-6
    )


def _filled(y: FloatArray, season: int) -> FloatArray:
    """A series from its first value on, gaps filled with the same phase a season before."""
    seen = np.isfinite(y)
    y = y[int(seen.argmax()) :].copy()
    for at in np.flatnonzero(np.isnan(y)):
        y[at] = seasonal_point(y[None, :at], season, 1)[0, 0]
    return y
