"""Panels as dense arrays: what vectorised models compute on.

A grid is aligned at the right: its last column is the step before the first one to forecast. People live by
local clocks, so where the step divides an hour the columns are wall-clock steps of the panel's time zone:
last week's same hour is the same local hour, the hour that a clock change skips is missing, and the one it
repeats is the mean of both.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foreseal.clock import Frequency, to_us
from foreseal.errors import DataError
from foreseal.frame import UTC_TIME, Panel, by_local_days, first_step, from_wall, shift, to_wall
from foreseal.records import quantile_column

# A gap costs memory: series this many times sparser than their grid are taken for a mistake in the frequency.
MAX_SPARSITY = 2_000

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
TimeArray = NDArray[Any]  # datetime64[us]


@dataclass(frozen=True)
class Grid:
    """Dense, right-aligned arrays of a panel.

    ``y`` has shape (series, T), NaN where missing; column T - 1 is the step before ``starts``, the first
    instant to forecast of each series. ``wall`` tells whether columns count wall-clock steps.
    """

    ids: tuple[str, ...]
    y: FloatArray
    starts: tuple[datetime, ...]
    cutoffs: tuple[datetime, ...]
    freq: Frequency
    timezone: str
    wall: bool
    made_from: Panel | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, panel: Panel) -> Grid:
        """The panel as dense arrays, those it holds if they are its own. Raises `DataError` if a series does
        not fit the frequency."""
        held = panel.aligned
        if isinstance(held, Grid) and held.made_from is not None and _alike(held.made_from, panel):
            return held
        frame = panel.frame.select("unique_id", "ds", pl.col("y").fill_nan(None))
        if frame.is_empty():
            raise DataError("The panel has no rows.", hint="Check the cutoff against the data's known_at.")
        if panel.timezone == "UTC" and panel.freq.step is not None:
            return cls._regular(panel, panel.freq.step)
        wall = _on_wall_clock(frame["ds"], panel.freq, panel.timezone)
        starts = _starts(panel, frame, wall)
        local = to_wall(pl.col("ds"), panel.timezone) if wall else pl.col("ds").dt.replace_time_zone(None)
        start = (
            to_wall(pl.col("start"), panel.timezone) if wall else pl.col("start").dt.replace_time_zone(None)
        )
        cells = (
            frame.join(starts.with_row_index("row"), on="unique_id", maintain_order="left")
            .filter(pl.col("ds") < pl.col("start"))
            .select("row", "unique_id", "y", steps=_steps(start, local, panel.freq))
        )
        _refuse_fractions(cells, panel.freq)
        _refuse_crowded(cells, panel.freq)
        cells = cells.filter(pl.col("steps") < 0)
        length = -int(cells["steps"].min() or -1)  # type: ignore[arg-type]
        _refuse_sparse(length, starts.height, frame.height, panel.freq)
        cells = cells.drop_nulls("y")
        if wall:
            cells = cells.group_by("row", "steps").agg(pl.col("y").mean())
        y = np.full((starts.height, length), np.nan)
        y[cells["row"].to_numpy(), cells["steps"].to_numpy().astype(np.int64) + length] = cells[
            "y"
        ].to_numpy()
        return cls(
            ids=tuple(starts["unique_id"].to_list()),
            y=y,
            starts=tuple(starts["start"].to_list()),
            cutoffs=tuple(starts["cutoff"].to_list()),
            freq=panel.freq,
            timezone=panel.timezone,
            wall=wall,
        )

    @classmethod
    def _regular(cls, panel: Panel, step: timedelta) -> Grid:
        """The grid of steps of one span in UTC, in whole numbers."""
        size = step // timedelta(microseconds=1)
        lengths = panel.frame["unique_id"].rle().struct.field("len").to_numpy().astype(np.int64)
        ends = lengths.cumsum()
        ds = panel.frame["ds"].to_physical().to_numpy()
        last = np.maximum.reduceat(ds, ends - lengths)
        start = last + size
        if panel.start is not None:
            start = np.full(len(last), to_us(panel.start))
        elif panel.cutoff is not None:
            start = last - size * ((last - to_us(panel.cutoff)) // size)
        cut = start if panel.cutoff is None else np.full(len(last), to_us(panel.cutoff))
        row = np.repeat(np.arange(len(last)), lengths)
        steps, off = np.divmod(ds - start[row], size)
        before = ds < start[row]
        if off[before].any():
            name = panel.frame["unique_id"][int(np.flatnonzero(before & (off != 0))[0])]
            raise _between(name, panel.freq)
        length = -int(min(steps.min(), -1))
        _refuse_sparse(length, len(last), len(ds), panel.freq)
        y = np.full((len(last), length), np.nan)
        values = panel.frame["y"].fill_null(np.nan).to_numpy()
        y[row[before], steps[before] + length] = values[before]
        starts, cutoffs = (tuple(pl.Series(at).cast(UTC_TIME).to_list()) for at in (start, cut))
        ids = tuple(panel.frame["unique_id"].gather(ends - lengths).to_list())
        return cls(ids, y, starts, cutoffs, panel.freq, panel.timezone, False)

    @classmethod
    def hold(cls, panel: Panel) -> Panel:
        """The panel holding its own arrays, so that every model shares them."""
        return replace(panel, aligned=replace(cls.of(panel), made_from=panel))

    def before(self, back: int) -> Panel:
        """The panel as it was ``back`` columns earlier, without series that had no value then; it holds its
        arrays, and no covariates. Only for a grid that a panel holds."""
        panel = self.made_from
        assert panel is not None
        length = self.y.shape[1] - back
        rows = np.flatnonzero(np.isfinite(self.y[:, :length]).any(axis=1))
        if not len(rows):
            raise DataError(f"No series has a value {back} steps back.", hint="Look back less far.")
        starts = self.instants(-back)
        frame = panel.frame
        if len(rows) < len(self.ids):
            frame = frame.filter(pl.col("unique_id").is_in([self.ids[row] for row in rows]))
            starts = starts.gather(rows)
        ids = tuple(self.ids[row] for row in rows)
        lengths = frame.select(pl.col("unique_id").rle().struct.field("len")).to_series().to_numpy()
        each = starts.gather(np.repeat(np.arange(len(rows)), lengths))
        frame = frame.filter(pl.col("ds") < each)
        earlier = replace(
            panel, frame=frame, covariates=None, start=None, cutoff=None, aligned=None, vintages=None
        )
        if panel.cutoff is not None or panel.start is not None:
            earlier = replace(earlier, start=starts[0], cutoff=starts[0])
        times = tuple(starts.to_list())
        grid = replace(self, ids=ids, y=self.y[rows, :length], starts=times, cutoffs=times, made_from=earlier)
        return replace(earlier, aligned=grid)

    @property
    def shared(self) -> bool:
        """Whether every series starts at the same instant, so that one calendar serves all."""
        return len(set(self.starts)) == 1

    @functools.cached_property
    def _origins(self) -> TimeArray:
        """Start of each series on the grid's own clock, shape (series,) or (1,) if shared."""
        starts = self.starts[:1] if self.shared else self.starts
        column = pl.Series(starts, dtype=UTC_TIME)
        local = to_wall(pl.lit(column), self.timezone if self.wall else "UTC")
        times: TimeArray = pl.select(local).to_series().to_numpy()
        return times

    def local(self, lo: int, hi: int) -> TimeArray:
        """Local times of columns lo..hi-1, where 0 is the first forecast step; (series or 1, hi - lo)."""
        times = _shift_array(self._origins, self.freq, np.arange(lo, hi))
        if self.wall or self.timezone == "UTC":
            return times
        column = pl.Series(times.ravel()).dt.replace_time_zone("UTC").dt.convert_time_zone(self.timezone)
        local: TimeArray = column.dt.replace_time_zone(None).to_numpy().reshape(times.shape)
        return local

    def instants(self, column: int) -> pl.Series:
        """The instant of a column of each series, 0 being the first forecast step."""
        local = _shift_array(self._origins, self.freq, np.array([column]))[:, 0]
        zone = self.timezone if self.wall else "UTC"
        moved = pl.select(from_wall(pl.lit(pl.Series(local)), zone)).to_series()
        return moved if len(moved) == len(self.ids) else moved.new_from_index(0, len(self.ids))

    def future(self, h: int) -> tuple[pl.DataFrame, IntArray]:
        """The h instants to forecast, ``unique_id, ds, cutoff`` series by series, and each one's column
        counted from the start, shape (series, h). Columns repeat or skip where the clocks change."""
        starts = self.starts[:1] if self.shared else self.starts
        if self.freq.step is not None and (not self.wall or self.freq.step < timedelta(days=1)):
            steps = np.arange(h, dtype=np.int64) * (self.freq.step // timedelta(microseconds=1))
            utc = np.array([to.replace(tzinfo=None) for to in starts], "datetime64[us]")[:, None] + steps
            ds = pl.Series(utc.ravel()).dt.replace_time_zone("UTC")
        else:
            zone = self.timezone if self.wall else "UTC"
            local = _shift_array(self._origins, self.freq, np.arange(h)).ravel()
            ds = pl.select(from_wall(pl.lit(pl.Series(local)), zone)).to_series()
        if self.wall and self.freq.step is not None and self.freq.step < timedelta(days=1):
            there = pl.select(to_wall(pl.lit(ds), self.timezone)).to_series().to_numpy().reshape(-1, h)
            columns = (there - self._origins[:, None]) // np.timedelta64(self.freq.step)
        else:
            columns = np.tile(np.arange(h), (len(starts), 1))
        times = h * len(self.ids) // len(ds)
        frame = pl.DataFrame(
            {
                "unique_id": np.repeat(np.array(self.ids, object), h).tolist(),
                "ds": pl.concat([ds] * times) if times > 1 else ds,
                "cutoff": pl.Series(self.cutoffs, dtype=UTC_TIME).gather(
                    np.repeat(np.arange(len(self.ids)), h)
                ),
            },
            schema_overrides={"unique_id": pl.String},
        )
        return frame, np.broadcast_to(columns, (len(self.ids), h)).astype(np.int64)

    def reach(self, h: int) -> int:
        """How many columns a model has to predict so that h instants are covered."""
        return int(self.future(h)[1].max()) + 1

    def to_frame(self, values: FloatArray, h: int, quantiles: Sequence[float]) -> pl.DataFrame:
        """``unique_id, ds, cutoff, q…`` from values of shape (series, `reach`, levels), sorted per row."""
        frame, columns = self.future(h)
        picked = np.take_along_axis(values, np.maximum(columns, 0)[:, :, None], axis=1)
        picked = np.sort(picked, axis=2).reshape(-1, len(quantiles))
        return frame.with_columns(
            pl.Series(quantile_column(level), picked[:, k]) for k, level in enumerate(quantiles)
        )

    def covariates(self, panel: Panel, columns: int) -> dict[str, FloatArray]:
        """Each covariate on this grid, shape (series or 1, T + columns), NaN where it is not known."""
        if panel.covariates is None or panel.covariates.is_empty():
            return {}
        wide = panel.covariates
        names = [name for name in wide.columns if name not in ("unique_id", "ds")]
        own = "unique_id" in wide.columns
        length = self.y.shape[1] + columns
        rows = range(len(self.ids)) if own or not self.shared else range(1)
        out = {name: np.full((len(rows), length), np.nan) for name in names}
        if own:
            groups = {str(key[0]): part for key, part in wide.partition_by("unique_id", as_dict=True).items()}
        zone = self.timezone if self.wall else "UTC"
        for row in rows:
            part = groups.get(self.ids[row]) if own else wide
            if part is None:
                continue
            origin = pl.lit(self.starts[row], UTC_TIME)
            placed = part.select(
                *(pl.col(name).cast(pl.Float64) for name in names),
                steps=_steps(to_wall(origin, zone), to_wall(pl.col("ds"), zone), self.freq),
            ).with_columns(cell=pl.col("steps").floor().cast(pl.Int64) + self.y.shape[1])
            placed = placed.filter(
                (pl.col("steps") == pl.col("steps").floor()) & pl.col("cell").is_between(0, length - 1)
            )
            cells = placed["cell"].to_numpy()
            for name in names:
                values = placed[name].fill_nan(None)
                seen = values.is_not_null().to_numpy()
                out[name][row, cells[seen]] = values.drop_nulls().to_numpy()
        return out


def _alike(a: Panel, b: Panel) -> bool:
    """Whether two panels have the same grid."""
    same = (a.freq, a.cutoff, a.start, a.timezone) == (b.freq, b.cutoff, b.start, b.timezone)
    return a.frame is b.frame and same


def _starts(panel: Panel, frame: pl.DataFrame, wall: bool) -> pl.DataFrame:
    """``unique_id, start, cutoff``: the first step to forecast of each series, sorted by name."""
    last = frame.group_by("unique_id").agg(pl.col("ds").max()).sort("unique_id")
    timezone = panel.timezone if wall else "UTC"
    anchors = last["ds"].to_list()
    if panel.start is not None:
        starts = [panel.start] * len(anchors)
    elif panel.cutoff is not None:
        cutoff = panel.cutoff
        known = {ds: first_step(ds, panel.freq, cutoff, timezone) for ds in set(anchors)}
        starts = [known[ds] for ds in anchors]
    else:
        starts = [shift(ds, panel.freq, 1, timezone) for ds in anchors]
    return last.select(
        "unique_id",
        start=pl.Series(starts, dtype=UTC_TIME),
        cutoff=pl.Series([panel.cutoff or ds for ds in starts], dtype=UTC_TIME),
    )


def _on_wall_clock(ds: pl.Series, freq: Frequency, timezone: str) -> bool:
    """Whether the columns of a grid count wall-clock steps.

    Steps that divide an hour do. Days and longer do unless they were cut in UTC (`by_local_days`). Other
    steps (6h) do not fit a day of 23 hours and stay in UTC.
    """
    if timezone == "UTC":
        return False
    if freq.step is not None and freq.step < timedelta(days=1):
        return timedelta(hours=1) % freq.step == timedelta(0)
    return by_local_days(ds, timezone)


def _steps(start: pl.Expr, local: pl.Expr, freq: Frequency) -> pl.Expr:
    """Steps from ``start`` to ``local`` as a float; a whole number on the grid."""
    if freq.step is not None:
        return (local - start).dt.total_microseconds() / (freq.step // timedelta(microseconds=1))
    months = (
        (local.dt.year() - start.dt.year()) * 12
        + local.dt.month().cast(pl.Int32)
        - start.dt.month().cast(pl.Int32)
    )
    return months / freq.months


def _shift_array(starts: TimeArray, freq: Frequency, steps: NDArray[np.int64]) -> TimeArray:
    """Times of shape (len(starts), len(steps)); calendar steps keep the last day of a month the last."""
    if freq.step is not None:
        return starts[:, None] + steps * np.timedelta64(freq.step)
    months = starts.astype("datetime64[M]")
    rest = starts - months.astype(starts.dtype)
    day = rest // np.timedelta64(1, "D")
    length = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    moved = months[:, None] + steps * freq.months
    moved_length = ((moved + 1).astype("datetime64[D]") - moved.astype("datetime64[D]")).astype(np.int64)
    was_last = (day == length - 1)[:, None]
    days = np.where(was_last, moved_length - 1, np.minimum(day[:, None], moved_length - 1))
    within = (rest - day * np.timedelta64(1, "D"))[:, None]
    result: TimeArray = moved.astype(starts.dtype) + days * np.timedelta64(1, "D") + within
    return result


def _refuse_sparse(length: int, series: int, rows: int, freq: Frequency) -> None:
    if length * series > MAX_SPARSITY * max(rows, 1_000):
        raise DataError(
            f"At a frequency of {freq} the series span {length} steps, with {rows} rows.",
            hint="Check freq=, and the oldest ds for typing errors.",
        )


def _refuse_fractions(cells: pl.DataFrame, freq: Frequency) -> None:
    off = cells.filter(pl.col("steps") != pl.col("steps").round())
    if not off.is_empty():
        raise _between(off["unique_id"][0], freq)


def _refuse_crowded(cells: pl.DataFrame, freq: Frequency) -> None:
    """Months count by their number only, so that days within one would fall together."""
    if freq.months and cells.select(pl.struct("row", "steps").is_duplicated().any()).item():
        crowded = cells.filter(pl.struct("row", "steps").is_duplicated())
        raise _between(crowded["unique_id"][0], freq)


def _between(name: str, freq: Frequency) -> DataError:
    return DataError(
        f"Series {name!r} has instants between the steps of {freq}.",
        hint="Aggregate it to the grid first, or give a finer freq.",
    )
