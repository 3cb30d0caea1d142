"""``foreseal.detect(df)``: values that were not to be expected, and the events they belong to.

Every value is compared with a forecast made a few steps before it, by the closed-form stage, from what came
before. How far off it is counts in units of the forecast's spread and is judged by the latest such errors
before that forecast. Nothing looks ahead: later rows do not change what is said of earlier ones.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from foreseal.clock import Frequency
from foreseal.errors import DataError, DataWarning, ModelError
from foreseal.frame import (
    Panel,
    check_zone,
    from_wall,
    infer_frequency,
    refuse_repeats,
    refuse_steps_in_dates,
    to_wall,
)
from foreseal.predict.closed_form import (
    BLOCK,
    CONTEXTS,
    LONG_CYCLES,
    contexts,
    forecast,
    periods_of,
    refuse_seasons,
    season_lengths,
    within,
)
from foreseal.predict.grid import FloatArray, Grid
from foreseal.predict.parts import Whole
from foreseal.predict.share import warn_of_empty, without_empty
from foreseal.predict.stage import stage
from foreseal.predict.tails import START, Tails
from foreseal.records import quantile_column

LEVEL = 99.0
# Forecasts are made anew after a quarter of the shortest season, at the latest after so many steps.
MOST_STEPS = 24
# Values of a series before its first forecast: two of its shortest season, and at least so many.
LEAST_VALUES = 24
# How many of the latest errors judge the next.
MEMORY = 1000
# Share of the mean past error in the unit of errors, where a forecast is surer of itself than it ought to be.
FLOOR = 0.05
LEVELS = np.array([0.1, 0.5, 0.9])
# A score beyond this says no more than that such a value has never been near.
MOST_SCORE = 30.0
# Numbers of past values held at once.
HELD = 4_000_000


def detect(
    df: Any,
    level: float = LEVEL,
    *,
    h: int | None = None,
    gap: int | None = None,
    seasons: tuple[int, ...] | None = None,
    freq: str | Frequency | None = None,
    timezone: str | None = None,
    id_col: str = "unique_id",
    time_col: str = "ds",
    target_col: str = "y",
) -> Any:
    """Anomalies of every series of a long frame, in a frame of the same kind.

    Columns: ``unique_id, ds, y``; ``cutoff``, when the forecast of that value was made; the ends of its
    central ``level`` % interval, ``q0.005`` and ``q0.995`` for 99; ``score``, minus the common logarithm of
    the probability of a value at least as far out (2 is one in a hundred, 3 one in a thousand); ``anomaly``,
    whether the score says that the value lies outside; ``event``, the number of the event within its series,
    from 1, null elsewhere. The first values of a series, which nothing can be compared with, and missing ones
    have null scores.

    ``level`` is between 90 and 100. ``h`` steps are forecast at a time (by default a quarter of the shortest
    usual season, at most 24). Anomalies no more than ``gap`` steps apart (by default ``h``) are one event.
    ``seasons`` are as for the model `closed_form`, the other arguments as for `foreseal.forecast`.

    Raises `DataError` (the frame) or `ModelError` (level, steps, seasons), naming the series.
    """
    usual = _level(level)
    for name, value in (("h", h), ("gap", gap)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise ModelError(f"{name}={value!r} is impossible.", hint="Give a whole number from 1.")
    refuse_seasons(seasons)
    whole = Whole.of(df, id_col, time_col, target_col)
    if whole.known_at:
        raise DataError(
            "The frame has a known_at column, but anomalies are sought in one value per instant.",
            hint="Keep the vintage that is to be judged, and drop the column.",
        )
    zone = check_zone(timezone or getattr(whole.kind.ds, "time_zone", None) or "UTC")
    step = Frequency.parse(freq) if isinstance(freq, str) else freq
    if step is None:
        rows = whole.rows()
        if rows.is_empty():
            raise DataError("The frame has no rows.", hint="Check the file it came from.")
        step = infer_frequency(rows.select("unique_id", "ds", "y"), zone)
    refuse_steps_in_dates(whole.kind, step)
    lengths = season_lengths(seasons, step)
    ahead = h or max(1, min(MOST_STEPS, min(lengths, default=1) // 4))
    rule = _Rule(usual, ahead, ahead if gap is None else gap, seasons, step, zone)
    made: list[pl.DataFrame] = []
    empty: list[str] = []
    silent: list[str] = []
    for part in whole.parts(joint=False):
        found = rule.part(part.select("unique_id", "ds", "y").sort("unique_id", "ds"))
        made += [found.frame] if found.frame is not None else []
        empty += found.empty
        silent += found.silent
    warn_of_empty(tuple(empty), all_of_them=not made)
    if silent:
        warnings.warn(
            f"{len(silent)} series too short to tell anomalies: "
            f"{', '.join(map(repr, silent[:5]))}{', …' if len(silent) > 5 else ''}.",
            DataWarning,
            stacklevel=2,
        )
    return whole.kind.give(pl.concat(made))


@dataclass(frozen=True)
class _Found:
    """Of one part: its rows judged, series without any value, series too short to be judged."""

    frame: pl.DataFrame | None
    empty: tuple[str, ...]
    silent: tuple[str, ...]


@dataclass(frozen=True)
class _Rule:
    """How series are judged. ``level`` is a share; ``h`` and ``gap`` are steps."""

    level: float
    h: int
    gap: int
    seasons: tuple[int, ...] | None
    freq: Frequency
    zone: str

    def part(self, rows: pl.DataFrame) -> _Found:
        """The verdicts on ``unique_id, ds, y``, sorted."""
        refuse_repeats(rows)
        rows, empty = without_empty(rows)
        if rows.is_empty():
            return _Found(None, empty, ())
        grid = Grid.of(Panel(rows, self.freq, timezone=self.zone))
        length = grid.y.shape[1]
        # From here on column 0 is every series' first value, so that origins hang on nothing later.
        first = np.isfinite(grid.y).argmax(axis=1)
        at = first[:, None] + np.arange(length)
        y = np.where(at < length, np.take_along_axis(grid.y, np.minimum(at, length - 1), axis=1), np.nan)
        low, high, score, origin = self._judge(y)
        anomaly = score > -np.log10(1.0 - self.level)
        event = _events(anomaly, self.gap)
        series, column = np.nonzero(at < length)
        clock = self.zone if grid.wall else "UTC"
        wall = replace(grid, timezone=clock).local(-length, 0)
        wall = np.broadcast_to(wall, grid.y.shape)

        def cells(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            return values[series, column]

        made = np.take_along_axis(
            wall, np.minimum(first[:, None] + np.maximum(origin, 0), length - 1), axis=1
        )
        tails = (1.0 - self.level) / 2.0
        judged = pl.DataFrame(
            {
                "unique_id": np.array(grid.ids, object)[series].tolist(),
                "wall": wall[series, at[series, column]],
                "cutoff": cells(made),
                quantile_column(round(tails, 10)): cells(low),
                quantile_column(round(1.0 - tails, 10)): cells(high),
                "score": cells(score),
                "anomaly": cells(anomaly),
                "event": cells(event),
            },
            schema_overrides={"unique_id": pl.String},
        )
        known = pl.col("score").is_not_nan()
        numbers = [name for name in judged.columns if name.startswith("q") or name == "score"]
        judged = judged.with_columns(
            pl.when(known).then(from_wall(pl.col("cutoff"), clock)).alias("cutoff"),
            *(pl.col(name).fill_nan(None) for name in numbers),
            event=pl.when(pl.col("event") > 0).then(pl.col("event")),
        )
        frame = rows.with_columns(wall=to_wall(pl.col("ds"), clock), y=pl.col("y").fill_nan(None))
        frame = frame.join(judged, on=["unique_id", "wall"], how="left", maintain_order="left").drop("wall")
        frame = frame.with_columns(pl.col("anomaly").fill_null(value=False))
        silent = tuple(grid.ids[row] for row in np.flatnonzero(~np.isfinite(score).any(axis=1)))
        return _Found(frame, empty, silent)

    def _judge(self, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, np.ndarray[Any, Any]]:
        """Lower and upper end, score and origin (-1 for none) of left-aligned values, all of y's shape."""
        length = y.shape[1]
        low, high, score = np.full((3, *y.shape), np.nan)
        origin = np.full(y.shape, -1)
        said = self._forecasts(y)
        errors, size = np.full((2, *y.shape), np.nan)
        edge = (1.0 - self.level) / 2.0
        largest = np.maximum.accumulate(np.nan_to_num(np.abs(y), nan=0.0), axis=1)
        for start in self._origins(length):
            now = slice(start, min(start + self.h, length))
            past = slice(max(start - MEMORY, 0), start)
            lower, median, upper = np.moveaxis(said[:, now], 2, 0)
            count = np.isfinite(size[:, past]).sum(axis=1)
            mean = np.nan_to_num(size[:, past], nan=0.0).sum(axis=1) / np.maximum(count, 1)
            least = FLOOR * mean + 1e-12 * largest[:, start - 1] + np.finfo(float).tiny
            up, down = upper - median + least[:, None], median - lower + least[:, None]
            off = y[:, now] - median
            size[:, now] = np.abs(off)
            errors[:, now] = off / np.where(off > 0.0, up, down)
            tails = Tails.of(errors[:, past])
            below, above = tails.edges(edge)
            low[:, now] = median + below[:, None] * np.where(below[:, None] > 0.0, up, down)
            high[:, now] = median + above[:, None] * np.where(above[:, None] > 0.0, up, down)
            with np.errstate(divide="ignore"):
                score[:, now] = np.minimum(-np.log10(tails.probability(errors[:, now])), MOST_SCORE)
            origin[:, now] = start
        unknown = ~np.isfinite(score)
        for array in (low, high):
            array[unknown] = np.nan
        return low, high, score + 0.0, origin

    def _origins(self, length: int) -> range:
        season = min(season_lengths(self.seasons, self.freq), default=1)
        return range(max(LEAST_VALUES, 2 * season), length, self.h)

    def _forecasts(self, y: FloatArray) -> FloatArray:
        """Quantiles (series, T, `LEVELS`) of each column from its origin, NaN before the first."""
        lengths = season_lengths(self.seasons, self.freq)
        count, length = y.shape
        width = max(CONTEXTS[-1], min(LONG_CYCLES * max(lengths, default=0), length))
        out = np.full((count, length, len(LEVELS)), np.nan)
        padded = np.pad(y, ((0, 0), (width, self.h)), constant_values=np.nan)
        steps = np.arange(1, self.h + 1)
        origins = self._origins(length)
        at_once = max(1, HELD // (width * count))
        for k in range(0, len(origins), at_once):
            some = np.array(origins[k : k + at_once])
            past = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)[:, some]
            past = past.reshape(-1, width)
            values = np.empty((len(past), self.h, len(LEVELS)))
            for rows, part in contexts(past, lengths, BLOCK // self.h):
                known = stage(part, steps, periods_of(part, self.seasons, self.freq))
                values[rows] = within(forecast(known, steps, LEVELS), part)
            each = values.reshape(count, len(some), self.h, len(LEVELS))
            for j, start in enumerate(some):
                now = slice(start, min(start + self.h, length))
                out[:, now] = each[:, j, : now.stop - now.start]
        return out


def _events(anomaly: np.ndarray[Any, Any], gap: int) -> np.ndarray[Any, Any]:
    """Numbers (series, T) of events from 1, 0 outside: anomalies at most ``gap`` steps apart are one."""
    column = np.arange(anomaly.shape[1])
    latest = np.maximum.accumulate(np.where(anomaly, column, -gap - 2), axis=1)
    before = np.concatenate([np.full((len(anomaly), 1), -gap - 2), latest[:, :-1]], axis=1)
    opens = anomaly & (column - before > gap)
    numbers: np.ndarray[Any, Any] = np.where(anomaly, opens.cumsum(axis=1), 0)
    return numbers


def _level(level: float) -> float:
    """The level as a share. Raises `ModelError` outside of what the tails can tell."""
    try:
        share = float(level) / 100.0
    except (TypeError, ValueError):
        share = 0.0
    if isinstance(level, bool) or not 1.0 - 2.0 * START <= share < 1.0:
        raise ModelError(
            f"level={level!r} is no percentage from {100 * (1 - 2 * START):g} to below 100.",
            hint="Such as 99, which expects one value in a hundred outside.",
        )
    return share
