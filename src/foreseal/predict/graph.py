"""Graph ridge: a network of sensors forecast together, each from itself, its neighbours and all of them.

In units of its own spread, every sensor gives rows to one ridge regression on its last values, those of its
neighbours in the graph, the mean of the network, profiles of the day and its state (how far below its free
level, how restless). A second one, penalised harder, learns what sets a sensor apart. The profile that a
row sees leaves the row's own day out, so that the regression learns how far a profile can be trusted.
Quantiles are those of past residuals in like states, so that they have a median and a mean of their own.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Self

import numpy as np

from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import Panel
from foreseal.predict.grid import FloatArray, Grid, IntArray, TimeArray
from foreseal.predict.moments import Moments
from foreseal.predict.naive import seasonal_quantiles
from foreseal.predict.neighbours import from_adjacency, from_coordinates, from_past
from foreseal.predict.sensors import LAGS, Sensors
from foreseal.predict.states import States
from foreseal.records import Forecast

# Steps ahead that share their features, and so the work of a regression.
BLOCK = 12
# Stretches of time that are left out in turn for residuals.
FOLDS = 4
# Rows to learn from, of all sensors together, and of those that a sensor needs itself.
MAX_ROWS = 250_000
MIN_ROWS = 200
MIN_VALUES = 24
LATITUDE, LONGITUDE = "latitude", "longitude"


@dataclass
class GraphRidge:
    """Ridge regressions over a network of sensors that are read at the same times.

    The graph is ``adjacency``, a square table of weights from 0, with ``sensors`` naming its rows (without
    it, rows are the series in the order of their names); or ``coordinates``, (latitude, longitude) by name;
    or covariates called latitude and longitude; or, without any, learnt from the past. Past origins are
    judged with what was learnt at most ``refit`` steps earlier (a day, or else 100 steps), never later. A
    sensor with too few values gets seasonal naive quantiles, and ``ran`` says how many did.
    """

    adjacency: Any = field(default=None, repr=False)
    sensors: Sequence[str] | None = field(default=None, repr=False)
    coordinates: Mapping[str, Sequence[float]] | None = field(default=None, repr=False)
    refit: int | None = None
    panel_: Panel | None = field(default=None, init=False, repr=False, compare=False)

    # A sensor's neighbours are of use only where they are in the same panel.
    joint: ClassVar[bool] = True

    def fit(self, panel: Panel) -> Self:
        self.panel_ = panel
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        if self.panel_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid = Grid.of(self.panel_)
        values, ran = self.roll(self.panel_, [0], grid.reach(h), quantiles)
        return Forecast(grid.to_frame(values[0], h, quantiles), tuple(quantiles), ran)

    def roll(
        self, panel: Panel, backs: Sequence[int], columns: int, quantiles: Sequence[float]
    ) -> tuple[FloatArray, dict[str, str]]:
        """See `foreseal.predict.model.Rolling`."""
        grid = Grid.of(panel)
        levels = np.asarray(quantiles, np.float64)
        places = self._places(panel)
        ran = {"graph": "adjacency" if self.adjacency is not None else "coordinates" if places else "learnt"}
        out = np.full((len(backs), len(grid.ids), columns, len(levels)), np.nan)
        short: set[str] = set()
        graph = self._graph(grid.ids, places)
        every = max(_phases(grid), 100) if self.refit is None else self.refit
        for rows, y in _together(grid):
            times = grid.local(-y.shape[1], columns)
            network = _Network(y, times[min(int(rows[0]), len(times) - 1)], _phases(grid), levels)
            learnt: _Learnt | None = None
            for origin in np.argsort(-np.asarray(backs), kind="stable"):
                back = backs[origin]
                end = y.shape[1] - back
                if learnt is None or end - learnt.end > every or (back == 0 and learnt.end < end):
                    learnt = network.learn(end, columns, graph)
                said = network.say(learnt, end, columns)
                few = np.isfinite(y[:, :end]).sum(axis=1) < MIN_VALUES
                naive = rows[few[rows] | ~np.isfinite(said[rows]).all(axis=(1, 2))]
                out[origin, rows] = said[rows]
                some = naive[np.isfinite(y[naive, :end]).any(axis=1)]
                if len(some):
                    out[origin, some] = _naive(grid, y[some, :end], columns, quantiles)
                if back == 0:
                    short |= {grid.ids[row] for row in some}
        if short:
            ran["naive"] = str(len(short))
            _warn_of_short(sorted(short))
        return out, ran

    def _places(self, panel: Panel) -> Mapping[str, Sequence[float]]:
        """Where the sensors are, as told or in covariates; empty where neither says so."""
        if self.adjacency is not None and self.coordinates is not None:
            raise ModelError("Both adjacency and coordinates were given.", hint="Give one of them.")
        if self.coordinates is not None:
            return {str(name): place for name, place in self.coordinates.items()}
        wide = panel.covariates
        if self.adjacency is not None or wide is None:
            return {}
        if not {"unique_id", LATITUDE, LONGITUDE} <= set(wide.columns):
            return {}
        rows = wide.drop_nulls([LATITUDE, LONGITUDE]).unique("unique_id", keep="last", maintain_order=True)
        return {str(name): (a, b) for name, a, b in rows.select("unique_id", LATITUDE, LONGITUDE).iter_rows()}

    def _graph(self, ids: Sequence[str], places: Mapping[str, Sequence[float]]) -> Graph:
        if self.adjacency is not None:
            told = from_adjacency(self.adjacency, self.sensors, ids)
            return lambda z: told
        if places:
            measured = from_coordinates(places, ids)
            return lambda z: measured
        return from_past


Graph = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class _Block:
    """A regression of a block of ``steps``: coefficients (series, p + 1, steps), the last row a constant, on
    features less ``centre`` in ``spread``; and for each step what residuals are like."""

    steps: IntArray
    centre: FloatArray
    spread: FloatArray
    slope: FloatArray
    states: list[States]

    def change(self, x: FloatArray) -> FloatArray:
        """Expected change from the last value, in units: (series, origins, steps)."""
        change: FloatArray = _with_one((x - self.centre) / self.spread) @ self.slope
        return change


@dataclass(frozen=True)
class _Learnt:
    """What was learnt of the columns before ``end``; without blocks, too little."""

    end: int
    sensors: Sensors
    blocks: list[_Block]


@dataclass(frozen=True)
class _Network:
    """Values (series, T), NaN where missing, local ``times`` that reach further, steps a day, levels."""

    y: FloatArray
    times: TimeArray
    phases: int
    levels: FloatArray

    def learn(self, end: int, columns: int, graph: Graph) -> _Learnt:
        """Learn from the columns before ``end`` to forecast ``columns`` steps."""
        y = self.y[:, :end]
        sensors = Sensors.of(y, self.times[:end], self.phases, graph)
        usual = sensors.usual(self.times[: end + columns])
        z = sensors.filled(y, usual)
        first = int(np.isfinite(y).any(axis=0).argmax()) + LAGS
        blocks = []
        for low in range(0, columns, BLOCK):
            steps = np.arange(low, min(low + BLOCK, columns))
            origins = np.arange(end - int(steps[-1]) - 1, first - 1, -1)
            origins = origins[:: 1 + len(origins) * len(y) // MAX_ROWS][::-1]
            learnt = self._block(sensors, z, usual, origins, steps)
            if learnt is None:
                return _Learnt(end, sensors, [])
            blocks.append(learnt)
        return _Learnt(end, sensors, blocks)

    def _block(
        self, sensors: Sensors, z: FloatArray, usual: FloatArray, origins: IntArray, steps: IntArray
    ) -> _Block | None:
        if not len(origins):
            return None
        known = np.isfinite(self.y)
        target = origins[:, None] + steps
        seen = known[:, target]
        # A row needs a recent value and most of its outcomes; the others are taken to lie where filled.
        recent = np.stack([known[:, origins - lag] for lag in (1, 2, 3)]).any(axis=0)
        row = recent & (seen.mean(axis=2) > 0.5) & (sensors.unit > 0.0)[:, None]
        if row.sum() < MIN_ROWS:
            return None
        view = sensors.view(z, usual, origins, steps)
        y = z[:, target] - view.last[:, :, None]
        used = view.x[row]
        centre, spread = used.mean(axis=0), used.std(axis=0)
        spread = np.where(spread > 1e-9, spread, np.inf)
        x = _with_one((view.x - centre) / spread)
        fold = np.arange(len(origins)) * FOLDS // len(origins)
        parts = [Moments.of(x[:, fold == k], y[:, fold == k], row[:, fold == k]) for k in range(FOLDS)]
        whole = functools.reduce(Moments.plus, parts)
        # Residuals are those of a regression that has not seen them: its own would be too small.
        residuals = np.concatenate(
            [y[:, fold == k] - x[:, fold == k] @ whole.less(part).slope() for k, part in enumerate(parts)],
            axis=1,
        )
        states = []
        for k in range(len(steps)):
            here = row & seen[:, :, k]
            expected = (view.last + y[:, :, k] - residuals[:, :, k])[here]
            gap = np.broadcast_to(sensors.free[:, None], row.shape)[here] - expected
            states.append(States.of(gap, view.restless[here], residuals[:, :, k][here], self.levels))
        return _Block(steps, centre, spread, whole.slope(), states)

    def say(self, learnt: _Learnt, end: int, columns: int) -> FloatArray:
        """Quantiles (series, columns, levels) at ``end``; NaN where too little was learnt."""
        out = np.full((len(self.y), columns, len(self.levels)), np.nan)
        sensors = learnt.sensors
        low = max(end - 2 * LAGS - 2, 0)
        usual = sensors.usual(self.times[low : end + columns])
        z = sensors.filled(self.y[:, low:end], usual)
        for block in learnt.blocks:
            view = sensors.view(z, usual, np.array([end - low]), block.steps)
            middle = view.last[:, 0, None] + block.change(view.x)[:, 0]
            for k, step in enumerate(block.steps):
                spread = block.states[k].at(sensors.free - middle[:, k], view.restless[:, 0])
                inside = middle[:, k, None] + spread
                out[:, step] = sensors.mean[:, None] + sensors.unit[:, None] * inside
        return out


def _with_one(x: FloatArray) -> FloatArray:
    return np.concatenate([x, np.ones((*x.shape[:-1], 1))], axis=-1)


def _phases(grid: Grid) -> int:
    """Steps of a day, 0 where steps do not divide it."""
    step = grid.freq.step
    day = timedelta(days=1)
    return day // step if step is not None and step < day and day % step == timedelta(0) else 0


def _together(grid: Grid) -> Iterator[tuple[IntArray, FloatArray]]:
    """Rows of series that start at one instant, and all series' values before it, column by column.

    Sensors whose rows end at different times are forecast from different instants, each with what the others
    had said by then.
    """
    if grid.shared:
        yield np.arange(len(grid.ids)), grid.y
        return
    first = grid.local(0, 1)[:, 0]
    length = grid.y.shape[1]
    for start in np.unique(first):
        y = np.full_like(grid.y, np.nan)
        for row, other in enumerate(first):
            # A column of this series that holds the instant of this start's column c is c - later.
            later = _steps(grid, start, other)
            if later is None or abs(later) >= length:
                continue
            if later >= 0:
                y[row, later:] = grid.y[row, : length - later]
            else:
                y[row, :later] = grid.y[row, -later:]
        yield np.flatnonzero(first == start), y


def _steps(grid: Grid, start: Any, other: Any) -> int | None:
    """Steps from ``start`` to ``other``, both starts; nothing where they do not lie on one grid."""
    if grid.freq.step is None:
        return 0 if start == other else None
    steps, rest = divmod(other - start, np.timedelta64(grid.freq.step))
    return int(steps) if rest == np.timedelta64(0) else None


def _naive(grid: Grid, y: FloatArray, columns: int, quantiles: Sequence[float]) -> FloatArray:
    length = int(np.isfinite(y).sum(axis=1).min())
    season = max((s for s in grid.freq.seasons if length >= 2 * s), default=1)
    return seasonal_quantiles(y, season, 1, columns, quantiles)


def _warn_of_short(names: Sequence[str]) -> None:
    warnings.warn(
        f"graph_ridge: {len(names)} series too short for a regression get seasonal naive quantiles: "
        f"{', '.join(names[:5])}{', …' if len(names) > 5 else ''}.",
        ModelWarning,
        stacklevel=4,
    )
