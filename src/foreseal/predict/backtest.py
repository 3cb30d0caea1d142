"""What would have been said at past origins, and what became of it, as arrays.

There are two ways back. Where values are revised, the only way to data is a function from a cutoff to the
panel known then (`recall`). Where they are not, a past panel is the present one cut off, and one grid serves
all origins (`look_back`).
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import Panel
from foreseal.predict.grid import FloatArray, Grid, IntArray
from foreseal.predict.model import Model, Rolling
from foreseal.records import Forecast, quantile_column

Makers = Mapping[str, Callable[[], Model]]
# A model that learns from less than this share of what is known now says little about one that has it all.
LEAST_SHARE = 0.4
HINT = "A model forecasts h steps of every series that has a value, in finite numbers."


@dataclass(frozen=True)
class Past:
    """Past forecasts of several members with their outcomes, oldest window first.

    ``y`` has shape (windows, series, steps), NaN where there is no outcome or not every member forecast;
    ``values`` holds each member's quantiles, (windows, series, steps, levels), finite wherever ``y`` is.
    ``first`` is the first instant of each window and series, (windows, series), in microseconds since 1970.
    ``fresh`` is the share of a window that does not lie in the one before.
    """

    ids: tuple[str, ...]
    quantiles: tuple[float, ...]
    first: IntArray
    y: FloatArray
    values: Mapping[str, FloatArray]
    fresh: float = 1.0

    def evidence(self) -> FloatArray:
        """How many windows without overlap the windows with an outcome are worth, for each series."""
        windows = self.known.any(axis=2).sum(axis=0)
        return np.where(windows > 0, 1.0 + (windows - 1) * self.fresh, 0.0)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where there is an outcome, (windows, series, steps)."""
        return np.isfinite(self.y)

    def some(self) -> Past:
        """Only the windows with at least one outcome."""
        return self.part(np.flatnonzero(self.known.any(axis=(1, 2))))

    def part(self, windows: IntArray | slice) -> Past:
        """Some of the windows."""
        values = {name: array[windows] for name, array in self.values.items()}
        return Past(self.ids, self.quantiles, self.first[windows], self.y[windows], values, self.fresh)

    def split(self) -> tuple[Past, Past, Past]:
        """Three parts that share no window of any series: for weights, for the guard, for calibration.

        Of the windows that a series has, calibration gets the last two fifths, the guard the fifth before,
        weights the rest; a single one serves the weights.
        """
        own = self.known.any(axis=2)
        count = own.sum(axis=0)
        place = own.cumsum(axis=0) - 1
        calibrating = np.floor(0.4 * count + 0.5)
        weighing = count - calibrating - count // 5
        weights = own & (place < weighing)
        calibration = own & (place >= count - calibrating)
        return tuple(self._only(mask) for mask in (weights, own & ~weights & ~calibration, calibration))  # type: ignore[return-value]

    def _only(self, mask: NDArray[np.bool_]) -> Past:
        """Only some windows of some series, (windows, series)."""
        y = np.where(mask[:, :, None], self.y, np.nan)
        return Past(self.ids, self.quantiles, self.first, y, self.values, self.fresh).some()

    def digest(self) -> str:
        """Hex SHA-256 of everything that weights, guard and calibration are made from.

        Hashed are, in this order: a JSON line ``[members, levels, shape of y]`` with members sorted, the JSON
        list of the series' names, then as little-endian 64-bit numbers ``first``, ``y`` and each member's
        quantiles, zero where there is no outcome.
        """
        members = sorted(self.values)
        head = [members, [f"{level:g}" for level in self.quantiles], list(self.y.shape)]
        digest = hashlib.sha256()
        for part in (head, list(self.ids)):
            digest.update(json.dumps(part, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")
        known = self.known
        digest.update(np.where(known.any(axis=2), self.first, 0).astype("<i8").tobytes())
        digest.update(np.where(known, self.y, 0.0).astype("<f8").tobytes())
        for member in members:
            digest.update(np.where(known[..., None], self.values[member], 0.0).astype("<f8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Views:
    """What every member says now and said before. ``index`` has ``unique_id, ds, cutoff``, series by series,
    ``now`` each member's quantiles (series, h, levels) in that order, ``ran`` what they say of themselves."""

    index: pl.DataFrame
    now: Mapping[str, FloatArray]
    past: Past
    ran: Mapping[str, str]


def look_back(
    panel: Panel,
    backs: Sequence[int],
    makers: Makers,
    h: int,
    quantiles: tuple[float, ...],
    covariates: Callable[[Panel], Panel],
) -> Views:
    """The members' forecasts of a panel that holds its grid, and those from ``backs`` columns earlier.

    Past steps are counted in columns of the grid. A window in which a series would have had less than
    `LEAST_SHARE` of its history, or a single value, says nothing about it. ``covariates`` adds to a panel
    what was known of them. A member that abstains on every series is left out (not the first, the baseline).
    """
    grid = Grid.of(panel)
    index, columns = grid.future(h)
    reach = int(columns.max()) + 1
    count, length = grid.y.shape
    span = length - np.isfinite(grid.y).argmax(axis=1)
    y = np.full((len(backs), count, h), np.nan)
    first = np.zeros((len(backs), count), np.int64)
    for window, back in enumerate(backs):
        enough = span - back >= np.maximum(LEAST_SHARE * span, 2)
        ahead = min(h, back)
        y[window, enough, :ahead] = grid.y[enough, length - back : length - back + ahead]
        first[window] = grid.instants(-back).to_physical().to_numpy()
    now: dict[str, FloatArray] = {}
    before: dict[str, FloatArray] = {}
    ran: dict[str, str] = {}
    present = covariates(panel)
    earlier: dict[int, Panel] = {}
    for name, make in makers.items():
        model = make()
        if isinstance(model, Rolling):
            values, told = model.roll(present, [0, *backs], max(reach, h), quantiles)
            ran |= _prefixed(name, told)
            if now and abstains(told, count):
                continue
            values = np.sort(values, axis=3)
            picked = np.maximum(columns, 0)[:, :, None]
            now[name], before[name] = np.take_along_axis(values[0], picked, axis=1), values[1:, :, :h]
        else:
            made = model.fit(present).predict(h, quantiles)
            ran |= _prefixed(name, made.ran)
            if now and abstains(made.ran, count):
                continue
            now[name] = _values(name, made, index)
            before[name] = np.full((len(backs), count, h, len(quantiles)), np.nan)
            for window, back in enumerate(backs):
                if back not in earlier:
                    earlier[back] = covariates(grid.before(back))
                there = Grid.of(earlier[back])
                keys, at = there.future(h)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ModelWarning)
                    said = make().fit(earlier[back]).predict(h, quantiles)
                told_then = _values(name, said, keys)
                rows = np.searchsorted(grid.ids, there.ids)
                series, steps = np.nonzero((at >= 0) & (at < h))
                before[name][window, rows[series], at[series, steps]] = told_then[series, steps]
        if not np.isfinite(now[name]).all():
            raise ModelError(f"Model {name!r} gave no numbers for some series or steps.", hint=HINT)
    fresh = min(1.0, (backs[0] - backs[1]) / h) if len(backs) > 1 else 1.0
    past = _joined(grid.ids, quantiles, first, y, before, fresh)
    return Views(index, now, past, ran)


def recall(
    panel_at: Callable[[datetime], Panel],
    now: datetime,
    origins: Sequence[datetime],
    makers: Makers,
    h: int,
    quantiles: tuple[float, ...],
    cache: MutableMapping[tuple[str, datetime], Forecast],
) -> Views:
    """The members' forecasts at ``now`` and at past cutoffs, each from the panel known there.

    ``cache`` holds forecasts by (member, cutoff) and is added to. Warnings of models are left out for the
    past: it is only looked at to judge them.
    """
    panel = panel_at(now)
    for name, make in makers.items():
        if not _holds(cache.get((name, now)), quantiles):
            cache[name, now] = make().fit(panel).predict(h, quantiles)
    ran: dict[str, str] = {}
    for name in makers:
        ran |= _prefixed(name, cache[name, now].ran)
    series = panel.frame["unique_id"].n_unique()
    baseline = next(iter(makers))
    makers = {
        name: make
        for name, make in makers.items()
        if name == baseline or not abstains(cache[name, now].ran, series)
    }
    for origin in origins:
        absent = [name for name in makers if not _holds(cache.get((name, origin)), quantiles)]
        if absent:
            known = panel_at(origin)
            for name in absent:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ModelWarning)
                    cache[name, origin] = makers[name]().fit(known).predict(h, quantiles)
    index = _keys(cache[next(iter(makers)), now])
    ids = tuple(index["unique_id"].unique(maintain_order=True).to_list())
    said = {name: _values(name, cache[name, now], index) for name in makers}
    shape = (len(origins), len(ids), h)
    first, y = np.zeros(shape[:2], np.int64), np.full(shape, np.nan)
    before = {name: np.full((*shape, len(quantiles)), np.nan) for name in makers}
    then: pl.DataFrame | None = None
    for name in makers:
        frames = [cache[name, origin].frame for origin in origins]
        if not frames:
            break
        window = np.repeat(np.arange(len(frames)), [frame.height for frame in frames])
        every = pl.concat(frames).with_columns(window=pl.Series(window)).sort("window", "unique_id", "ds")
        keys = every.select("window", "unique_id", "ds")
        if then is None:
            then = keys
            names = keys["unique_id"].gather_every(h)
            here = np.flatnonzero(names.is_in(ids).to_numpy())
            at = keys["window"].gather_every(h).to_numpy()[here], np.searchsorted(ids, names.gather(here))
            outcomes = panel.frame.select("unique_id", "ds", pl.col("y").fill_nan(None)).drop_nulls()
            found = keys.join(outcomes, on=["unique_id", "ds"], how="left", maintain_order="left")["y"]
            y[at] = found.fill_null(np.nan).to_numpy().reshape(-1, h)[here]
            first[at] = keys["ds"].gather_every(h).to_physical().to_numpy()[here]
        values = every.select(quantile_column(level) for level in quantiles).to_numpy()
        if not keys.equals(then) or not np.isfinite(values).all():
            raise _left_out(name)
        before[name][at] = values.reshape(-1, h, len(quantiles))[here]
    return Views(index, said, _joined(ids, quantiles, first, y, before, 1.0), ran)


def abstains(ran: Mapping[str, str], series: int) -> bool:
    """Whether a model has said of all ``series`` only what the seasonal naive would."""
    return ran.get("naive") == str(series)


def _prefixed(name: str, ran: Mapping[str, str]) -> dict[str, str]:
    return {f"{name}.{key}": value for key, value in ran.items()}


def _joined(
    ids: tuple[str, ...],
    quantiles: tuple[float, ...],
    first: IntArray,
    y: FloatArray,
    values: dict[str, FloatArray],
    fresh: float,
) -> Past:
    """Outcomes count where every member spoke."""
    spoken = np.logical_and.reduce([np.isfinite(array).all(axis=3) for array in values.values()])
    past = Past(ids, quantiles, first, np.where(spoken, y, np.nan), values, fresh)
    return past.some()


def _keys(forecast: Forecast) -> pl.DataFrame:
    return forecast.frame.select("unique_id", "ds", "cutoff").sort("unique_id", "ds")


def _values(name: str, forecast: Forecast, index: pl.DataFrame) -> FloatArray:
    """Quantiles (series, steps, levels) of a forecast of exactly these series and instants."""
    frame = forecast.frame.sort("unique_id", "ds")
    columns = [quantile_column(level) for level in forecast.quantiles]
    values = frame.select(columns).to_numpy()
    if not frame.select("unique_id", "ds", "cutoff").equals(index) or not np.isfinite(values).all():
        raise _left_out(name)
    series = max(index["unique_id"].n_unique(), 1)
    return values.reshape(series, -1, values.shape[1])


def _left_out(name: str) -> ModelError:
    return ModelError(
        f"Model {name!r} left out series or steps that others forecast, or gave no numbers for them.",
        hint=HINT,
    )


def _holds(forecast: Forecast | None, quantiles: Sequence[float]) -> bool:
    return forecast is not None and forecast.quantiles == tuple(quantiles)
