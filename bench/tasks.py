"""Forecasters on the windows of a panel, in the model card's figures: MASE, WQL, shares under quantiles.

Everything is judged at nine levels. Contestants, who are asked at the seven levels of `bench.forecast`, are
read at these along the normal distribution's quantiles: exactly so for the intervals of AutoETS and MSTL,
which are made from it, and nearly for others.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
import polars as pl

from bench.contestants import contestants
from bench.forecast import LEVELS
from bench.panels import Panel
from foreseal import frame as frames
from foreseal.errors import ModelWarning
from foreseal.predict.catalogue import resolve
from foreseal.predict.cross_validation import cross_validation
from foreseal.predict.grid import FloatArray, Grid
from foreseal.predict.model import Model
from foreseal.predict.pretrained import at_levels
from foreseal.records import Forecast, quantile_column

NINE = tuple(k / 10 for k in range(1, 10))
NAIVE = "point seasonal naive"
# History that the unit of MASE is taken from.
LATEST = 1_024


@dataclass
class PointNaive:
    """The last seen value of each phase of the season, at every level."""

    season: int
    grid_: Grid | None = field(default=None, init=False, repr=False)
    called: str = field(default=NAIVE, init=False, repr=False)

    def fit(self, panel: frames.Panel) -> Self:
        self.grid_ = Grid.of(panel)
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        assert self.grid_ is not None
        reach = self.grid_.reach(h)
        rows = np.stack([self._one(y, reach) for y in self.grid_.y])
        values = np.repeat(rows[:, :, None], len(quantiles), axis=2)
        return Forecast(self.grid_.to_frame(values, h, quantiles), tuple(quantiles), {})

    def _one(self, y: FloatArray, reach: int) -> FloatArray:
        known = y[np.isfinite(y)]
        phases = [y[-k :: -self.season] for k in range(min(self.season, len(y)), 0, -1)]
        seen = [phase[np.isfinite(phase)] for phase in phases]
        return np.resize([phase[0] if len(phase) else known[-1] for phase in seen], reach)


@dataclass
class Spoiled:
    """A model that is shown a history with holes: a fifth of the values ``at random``, or a ``week`` of each
    series that ends within the last three weeks, drawn with ``seed``. The values asked for stay."""

    model: str
    holes: Literal["random", "week"]
    seed: int = 0
    made_: Model | None = field(default=None, init=False, repr=False)

    @property
    def called(self) -> str:
        return f"{self.model}, {self.holes}"

    def fit(self, panel: frames.Panel) -> Self:
        # Each window has holes of its own.
        chance = np.random.default_rng([self.seed, panel.frame.height])
        pieces = []
        for piece in panel.frame.partition_by("unique_id", maintain_order=True):
            gone = self._gone(len(piece), panel, chance)
            kept = pl.when(pl.Series(gone)).then(None).otherwise(pl.col("y"))
            # A series keeps two values whatever happens.
            spoiled = piece.with_columns(y=kept)
            pieces.append(spoiled if spoiled["y"].fill_nan(None).count() >= 2 else piece)
        self.made_ = resolve(self.model).fit(replace(panel, frame=pl.concat(pieces), aligned=None))
        return self

    def _gone(self, length: int, panel: frames.Panel, chance: np.random.Generator) -> np.ndarray:
        if self.holes == "random":
            return chance.random(length) < 0.2
        week = steps_a_week(str(panel.freq))
        end = length - int(chance.integers(1, 2 * week + 1))
        at = np.arange(length)
        return (at >= end - week) & (at < end)

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        assert self.made_ is not None
        return self.made_.predict(h, quantiles)


@dataclass(frozen=True)
class Score:
    """Of one forecaster on one panel; ``under``: shares of outcomes below the .1, .5 and .9 quantiles, those
    that equal one counted half."""

    mase: float
    wql: float
    under: tuple[float, float, float]
    outcomes: int


def steps_a_week(freq: str) -> int:
    """Steps in seven days, 0 for steps that are longer than a day."""
    return {"5min": 2016, "15min": 672, "30min": 336, "1h": 168, "1d": 7}.get(freq, 0)


def scores(
    panel: Panel,
    models: Sequence[str | Model],
    *,
    presets: Sequence[str] = (),
    against: Sequence[str] = (),
    kept: Path | None = None,
) -> dict[str, Score]:
    """Everybody's score over the panel's windows, the point seasonal naive of the first season among them."""
    season = panel.seasons[0] if panel.seasons else 1
    found = _said(panel, [*models, PointNaive(season)], presets, NINE)
    found = {name: rows for name, rows in found.items() if name != "seasonal_naive"}
    if against:
        others = _said(panel, contestants(against, panel.seasons or (1,), kept), (), LEVELS)
        found |= {name: _at_nine(others[name]) for name in against}
    units = _units(panel, season)
    return {name: _score(rows, units) for name, rows in found.items()}


def _said(
    panel: Panel, models: Sequence[str | Model], presets: Sequence[str], levels: Sequence[float]
) -> Mapping[str, pl.DataFrame]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", "(?s).* gave no forecast at window", ModelWarning)
        made = cross_validation(
            panel.frame,
            panel.h,
            panel.windows,
            panel.step,
            presets=presets,
            models=models,
            quantiles=levels,
            freq=panel.freq,
        )
    return {str(name): rows for (name,), rows in made.scored.group_by("forecaster")}


def _at_nine(rows: pl.DataFrame) -> pl.DataFrame:
    values = rows.select(quantile_column(level) for level in LEVELS).to_numpy()
    read = at_levels(values[None], LEVELS, np.array(NINE))[0]
    out = {quantile_column(level): read[:, k] for k, level in enumerate(NINE)}
    return rows.select("window", "unique_id", "y").with_columns(**{k: pl.Series(v) for k, v in out.items()})


def _units(panel: Panel, season: int) -> pl.DataFrame:
    """Mean seasonal change in the history of every window of every series: ``window, unique_id, unit``."""
    rows = []
    for (name,), series in panel.frame.sort("unique_id", "ds").group_by("unique_id", maintain_order=True):
        y = series["y"].fill_null(np.nan).to_numpy()
        for window in range(panel.windows):
            back = (panel.windows - 1 - window) * (panel.step or panel.h)
            history = y[: max(len(y) - panel.h - back, 0)][-LATEST:]
            lag = season if len(history) > season else 1
            change = np.abs(history[lag:] - history[:-lag])
            unit = float(np.nanmean(change)) if np.isfinite(change).any() else 0.0
            rows.append((window, name, unit))
    return pl.DataFrame(rows, ["window", "unique_id", "unit"], orient="row")


def _score(rows: pl.DataFrame, units: pl.DataFrame) -> Score:
    columns = [quantile_column(level) for level in NINE]
    y, q = rows["y"].to_numpy(), rows.select(columns).to_numpy()
    below = y[:, None] - q
    levels = np.array(NINE)
    loss = 2.0 * np.maximum(levels * below, (levels - 1.0) * below)
    # Windows are numbered from the oldest that some series is long enough for.
    oldest = units["window"].max() - rows["window"].max()
    errors = (
        rows.select(
            "unique_id", window=pl.col("window").cast(pl.Int64) + oldest, error=pl.Series(np.abs(below[:, 4]))
        )
        .group_by("window", "unique_id")
        .mean()
        .join(units, on=["window", "unique_id"])
        .filter(pl.col("unit") > 0.0)
    )
    mase = float((errors["error"] / errors["unit"]).mean())
    under = tuple(float((y < q[:, k]).mean() + (y == q[:, k]).mean() / 2) for k in (0, 4, 8))
    return Score(
        mase, float(loss.mean(axis=1).sum() / np.abs(y).sum()), (under[0], under[1], under[2]), len(y)
    )
