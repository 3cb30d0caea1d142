"""Classical models of statsforecast (extra ``classic``), kept from running away.

Each takes a series at its usual season and at most so much history; a season that is too long for a model is
left out. A series that a model cannot take, or fails on, gets seasonal naive quantiles, and ``ran`` says how
many did. Intervals are the models' own, no further from the median than `WIDEST` times the seasonal naive
forecast's; those of CES, which are far too narrow, are at least `NARROWEST` times as wide.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from foreseal.errors import MissingExtra, ModelError, ModelWarning
from foreseal.frame import Panel
from foreseal.predict.grid import FloatArray, Grid
from foreseal.predict.naive import seasonal_point, seasonal_quantiles
from foreseal.records import Forecast

MIN_LENGTH = 6
WIDEST = 3.0
NARROWEST = 0.7


@dataclass
class Theta:
    """Dynamic optimised Theta of each series (Fiorucci et al., 2016) at its shortest usual season.

    Gaps are filled with the value a season before. Series of more than ``longest`` values are left to other
    models: they get seasonal naive quantiles.
    """

    season: int | None = None
    longest: int | None = None
    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)

    name: ClassVar[str] = "theta"
    # Its time grows with the length of a series, and it looks at recent seasons only.
    max_length: ClassVar[int] = 1_000
    max_season: ClassVar[int] = 400
    least_width: ClassVar[float] = 0.0

    def fit(self, panel: Panel) -> Self:
        for what, size in (("A season", self.season), ("A longest history", self.longest)):
            if size is not None and size < 1:
                raise ModelError(f"{what} of {size} steps is impossible.", hint="Give a whole number from 1.")
        self.grid_ = Grid.of(panel)
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        try:
            import statsforecast
        except ImportError:
            raise MissingExtra("classic", f"The model {self.name!r}") from None
        if self.grid_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid = self.grid_
        reach = grid.reach(h)
        season = self.season or min(grid.freq.seasons, default=1)
        values = np.empty((len(grid.ids), reach, len(quantiles)))
        naive, failed = 0, []
        for row, y in enumerate(grid.y):
            filled = _filled(y, season)
            known = filled[-self.max_length :]
            own = season if len(known) >= 2 * season and season <= self.max_season else 1
            usual = seasonal_quantiles(known[None], own, 1, reach, quantiles)[0]
            if not self._takes(row, filled):
                values[row] = usual
                naive += 1
                continue
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    made = _read(self._model(known, own, grid), known, reach, quantiles)
            except Exception:  # noqa: BLE001 - the library raises anything; it is told and counted below
                made = np.full((reach, 1), np.nan)
            if not np.isfinite(made).all():
                values[row] = usual
                failed.append(grid.ids[row])
                continue
            values[row] = self._bounded(made, known, own, quantiles)
        ran = {"season": str(season), "statsforecast": statsforecast.__version__}
        if naive or failed:
            ran["naive"] = str(naive + len(failed))
        if failed:
            ran["failed"] = str(len(failed))
            _warn_of_failures(self.name, failed)
        return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), ran)

    def _model(self, y: FloatArray, season: int, grid: Grid) -> Any:
        from statsforecast.models import DynamicOptimizedTheta

        return DynamicOptimizedTheta(season_length=season)

    def _takes(self, row: int, y: FloatArray) -> bool:
        """Whether a series is for this model, or for the seasonal naive."""
        long = self.longest is not None and len(y) > self.longest
        return not long and len(y) >= MIN_LENGTH and bool(np.ptp(y[-self.max_length :]) > 0.0)

    def _bounded(
        self, made: FloatArray, y: FloatArray, season: int, quantiles: Sequence[float]
    ) -> FloatArray:
        """Quantiles (reach, levels) of the model, the last column of ``made`` its mean, as far from that as
        the seasonal naive forecast's errors allow, whose size at a level is that of the larger side."""
        count = len(quantiles)
        mirrored = [1.0 - p for p in quantiles]
        usual = seasonal_quantiles(y[None], season, 1, len(made), [*quantiles, *mirrored, 0.5])[0]
        size = np.abs(usual[:, :-1] - usual[:, -1:])
        size = np.maximum(size[:, :count], size[:, count:])
        middle = made[:, -1:]
        off = np.abs(made[:, :-1] - middle)
        off = np.clip(off, self.least_width * size, np.where(size > 0.0, WIDEST * size, np.inf))
        bounded: FloatArray = np.sort(middle + np.sign(np.asarray(quantiles) - 0.5) * off, axis=1)
        return bounded


@dataclass
class ETS(Theta):
    """Exponential smoothing chosen by AICc (Hyndman et al., 2002); no season beyond 24 steps."""

    name: ClassVar[str] = "ets"
    max_length: ClassVar[int] = 500
    max_season: ClassVar[int] = 24

    def _model(self, y: FloatArray, season: int, grid: Grid) -> Any:
        from statsforecast.models import AutoETS

        return AutoETS(season_length=season)


@dataclass
class CES(Theta):
    """Complex exponential smoothing (Svetunkov et al., 2022); no season beyond 24 steps."""

    name: ClassVar[str] = "ces"
    max_length: ClassVar[int] = 500
    max_season: ClassVar[int] = 24
    least_width: ClassVar[float] = NARROWEST

    def _model(self, y: FloatArray, season: int, grid: Grid) -> Any:
        from statsforecast.models import AutoCES

        return AutoCES(season_length=season)


@dataclass
class MSTL(Theta):
    """Decomposition by LOESS at up to two seasons (Bandara et al., 2021), the rest by ETS."""

    name: ClassVar[str] = "mstl"
    max_length: ClassVar[int] = 1_500

    def _model(self, y: FloatArray, season: int, grid: Grid) -> Any:
        from statsforecast import models

        seasons = [season]
        if self.season is None:
            seasons = [s for s in grid.freq.seasons if len(y) >= 2 * s][:2] or seasons
        if seasons == [1]:
            return models.AutoETS(season_length=1)
        return models.MSTL(season_length=seasons, trend_forecaster=models.AutoETS(model="ZZN"))


@dataclass
class ARIMA(Theta):
    """ARIMA by stepwise search (Hyndman and Khandakar, 2008) within a budget: at most ``series`` series of
    200 values, no season beyond 12 steps, twenty candidates; further series get seasonal naive quantiles.

    The budget is counted, not clocked: a clock would make forecasts depend on the machine.
    """

    series: int = 50

    name: ClassVar[str] = "arima"
    max_length: ClassVar[int] = 200
    max_season: ClassVar[int] = 12

    def _takes(self, row: int, y: FloatArray) -> bool:
        return row < self.series and super()._takes(row, y)

    def _model(self, y: FloatArray, season: int, grid: Grid) -> Any:
        from statsforecast.models import AutoARIMA

        return AutoARIMA(season_length=season, nmodels=20, approximation=True, max_order=4)


def _read(model: Any, y: FloatArray, reach: int, quantiles: Sequence[float]) -> FloatArray:
    """Quantiles (reach, levels + 1) from intervals by level, the mean last: an interval of 100 |1 - 2 p|
    percent holds the quantile p as an end."""
    levels = sorted({round(abs(100.0 - 200.0 * p), 8) for p in quantiles if p != 0.5})
    out = model.forecast(y, reach, level=levels) if levels else model.forecast(y, reach)
    made = np.empty((reach, len(quantiles) + 1))
    made[:, -1] = out["mean"]
    for k, p in enumerate(quantiles):
        side, share = ("lo", 100.0 - 200.0 * p) if p < 0.5 else ("hi", 200.0 * p - 100.0)
        made[:, k] = out["mean"] if p == 0.5 else out[_named(out, side, share)]
    return made


def _named(out: Mapping[str, FloatArray], side: str, share: float) -> str:
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


def _warn_of_failures(name: str, ids: Sequence[str]) -> None:
    warnings.warn(
        f"{name}: failed on {len(ids)} series, which get seasonal naive quantiles: {', '.join(ids[:5])}"
        f"{', …' if len(ids) > 5 else ''}.",
        ModelWarning,
        stacklevel=3,
    )
