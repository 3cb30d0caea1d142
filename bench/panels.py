"""Real panels to judge forecasters on, read from ``$FORESEAL_SHARED`` (default ``../shared``).

The development panel is what models, mixes and presets may be tuned on. Of M4 Hourly and M1 it holds the
training parts only, whose last horizon is what is forecast; `official` adds the test parts, which are read
once, at the end. No series of either enters training.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

# A panel of more series than this is large, and benches may take a part of it.
MANY = 50
START = datetime(2001, 1, 1)  # noqa: DTZ001  where a file has no times, a calendar that starts on a Monday


@dataclass(frozen=True)
class Panel:
    """A long frame ``unique_id, ds, y``, horizon, seasons that a caller would tell, and windows to judge."""

    name: str
    frame: pl.DataFrame
    h: int
    freq: str
    seasons: tuple[int, ...]
    windows: int = 1
    step: int | None = None

    def sampled(self, every: int) -> Panel:
        """The panel with each ``every``-th series."""
        ids = self.frame["unique_id"].unique().sort().gather_every(every).implode()
        frame = self.frame.filter(pl.col("unique_id").is_in(ids))
        return Panel(self.name, frame, self.h, self.freq, self.seasons, self.windows, self.step)


def shared() -> Path:
    return Path(os.environ.get("FORESEAL_SHARED", Path(__file__).parents[2] / "shared")) / "data"


def development() -> Iterator[Panel]:
    """The panels that may be looked at while building."""
    yield m4_hourly()
    for kind in M1:
        yield m1(kind)
    for make in (etth1, victoria, taxi, roads, loops, i94, bikes, beijing, melbourne, tycho):
        yield make()


def official() -> Iterator[Panel]:
    """M4 Hourly and M1 with their official test parts at the end."""
    for make in OFFICIAL.values():
        yield make()


def m4_hourly(*, test: bool = False) -> Panel:
    folder = shared() / "forecasting/m4"
    names, rows = _rows(folder / "Hourly-train.csv")
    if test:
        _, later = _rows(folder / "Hourly-test.csv")
        rows = [np.concatenate(pair) for pair in zip(rows, later, strict=True)]
    return Panel("m4_hourly", _frame(names, rows, "1h"), 48, "1h", (24, 168))


M1 = {"yearly": ("1y", 6, ()), "quarterly": ("3mo", 8, (4,)), "monthly": ("1mo", 18, (12,))}


def m1(kind: str, *, test: bool = False) -> Panel:
    step, h, seasons = M1[kind]
    data = pl.read_parquet(shared() / "forecasting/m1.parquet").filter(pl.col("period") == kind.upper())
    known = [np.array(x, float) for x in data["x"].to_list()]
    if test:
        known = [np.concatenate([x, xx]) for x, xx in zip(known, data["xx"].to_list(), strict=True)]
    else:
        known = [x for x in known if len(x) >= h + 6]
    names = [f"{kind[0]}{k:04d}" for k in range(len(known))]
    freq = {"1y": "1y", "3mo": "1q", "1mo": "1mo"}[step]
    return Panel(f"m1_{kind}", _frame(names, known, step), h, freq, seasons)


def etth1() -> Panel:
    return _wide("etth1", "energy/ETTh1.csv", None, "1h", 48, (24, 168), 6, drop="date")


def victoria() -> Panel:
    columns = ("Demand", "Temperature")
    return _wide("victoria", "energy/vic_elecdemand_2014.csv", columns, "30m", 48, (48, 336), 12)


def taxi() -> Panel:
    return _wide("taxi", "traffic/nab/nyc_taxi.csv", ("value",), "30m", 48, (48, 336), 12)


def roads() -> Panel:
    """Quarter-hourly means of three sensors, which report every five or ten minutes when they do: a third of
    the quarter-hours of the first two and two thirds of the last one's are missing."""
    frames = []
    for name in ("speed_6005", "occupancy_6005", "TravelTime_387"):
        data = _read(f"traffic/nab/{name}.csv")
        ds = data["timestamp"].str.to_datetime().dt.truncate("15m")
        known = pl.DataFrame({"ds": ds, "y": data["value"].cast(pl.Float64)}).group_by("ds").mean()
        frames.append(_regular(known, "15m").select(pl.lit(name).alias("unique_id"), "ds", "y"))
    return Panel("roads", pl.concat(frames), 48, "15min", (96,), 6, 100)


def loops() -> Panel:
    data = _read("traffic/los_speed_train80.csv")[: 1612 * 3 // 4]
    values = [data[name].cast(pl.Float64).to_numpy() for name in data.columns[::5]]
    return Panel("loops", _frame(data.columns[::5], values, "5m"), 12, "5min", (288,), 6, 36)


def i94() -> Panel:
    """The last 500 days before August 2018, whose April to July is what presets may be tuned on; hours that
    were not counted are missing. The rest is left alone."""
    data = _read("traffic/i94_hourly.csv")
    time = data.columns[0]
    frame = (
        data.select(pl.col(time).str.to_datetime(strict=False).alias("ds"), y="traffic_volume")
        .drop_nulls()
        .unique("ds", keep="first")
        .filter(pl.col("ds") < datetime(2018, 8, 1))  # noqa: DTZ001
        .select("ds", pl.col("y").cast(pl.Float64))
    )
    frame = _regular(frame, "1h").tail(24 * 500).select(pl.lit("i94").alias("unique_id"), "ds", "y")
    return Panel("i94", frame, 24, "1h", (24, 168), 20, 96)


def bikes() -> Panel:
    columns = ("casual", "registered", "cnt", "temp", "windspeed")
    return _wide("bikes", "traffic/bike_sharing_daily.csv", columns, "1d", 30, (7,), 4)


def beijing() -> Panel:
    columns = ("pm2.5", "DEWP", "TEMP", "PRES", "Iws")
    return _wide(
        "beijing", "weather/beijing_pm25.csv", columns, "1h", 48, (24,), 10, tail=20_000, stride=1_500
    )


def melbourne() -> Panel:
    values = [
        _read(f"weather/melbourne_daily-{kind}-temperatures.csv")[:, 1].cast(pl.Float64).to_numpy()
        for kind in ("min", "max")
    ]
    return Panel("melbourne", _frame(("min", "max"), values, "1d"), 30, "1d", (7, 365), 12, 90)


def tycho() -> Panel:
    data = _read("medicine/us_contagious_diseases_pre1975.csv").sort("disease", "state", "year")
    groups = data.group_by("disease", "state", maintain_order=True).agg("count")
    kept = [
        (f"{disease} {state}", np.array(count, float))
        for disease, state, count in groups.iter_rows()
        if len(count) >= 15 and sum(count) > 0
    ][::2]
    return Panel("tycho", _frame([name for name, _ in kept], [y for _, y in kept], "1y"), 5, "1y", ())


DEVELOPMENT: dict[str, Callable[[], Panel]] = {
    "m4_hourly": m4_hourly, "m1_yearly": lambda: m1("yearly"), "m1_quarterly": lambda: m1("quarterly"),
    "m1_monthly": lambda: m1("monthly"), "etth1": etth1, "victoria": victoria, "taxi": taxi, "roads": roads,
    "loops": loops, "i94": i94, "bikes": bikes, "beijing": beijing, "melbourne": melbourne, "tycho": tycho,
}  # fmt: skip

OFFICIAL: dict[str, Callable[[], Panel]] = {
    "official_m4_hourly": lambda: m4_hourly(test=True),
    **{f"official_m1_{kind}": functools.partial(m1, kind, test=True) for kind in M1},
}


def _read(path: str) -> pl.DataFrame:
    return pl.read_csv(shared() / path, null_values=["NA", "?"], infer_schema_length=None)


def _rows(path: Path) -> tuple[list[str], list[NDArray[np.float64]]]:
    frame = pl.read_csv(path, null_values=["NA"], infer_schema_length=None)
    values = frame[:, 1:].cast(pl.Float64, strict=False).to_numpy()
    kept = [row[: int(np.flatnonzero(np.isfinite(row))[-1]) + 1] for row in values]
    return frame[:, 0].to_list(), kept


def _wide(
    name: str,
    path: str,
    columns: Sequence[str] | None,
    step: str,
    h: int,
    seasons: tuple[int, ...],
    windows: int,
    *,
    drop: str = "",
    tail: int | None = None,
    stride: int | None = None,
) -> Panel:
    data = _read(path)
    columns = columns or [column for column in data.columns if column != drop]
    values = [data[column].cast(pl.Float64, strict=False).to_numpy() for column in columns]
    values = [x if tail is None else x[-tail:] for x in values]
    freq = {"30m": "30min", "5m": "5min"}.get(step, step)
    stride = stride or max(h, min(len(values[0]) // 2 // windows, 60 * h))
    return Panel(name, _frame(columns, values, step), h, freq, seasons, windows, stride)


def _frame(names: Sequence[str], rows: Sequence[NDArray[np.float64]], step: str) -> pl.DataFrame:
    """Every series ends at the same instant, so that one cutoff means the same for all."""
    longest = max(map(len, rows))
    end = pl.select(pl.lit(START).dt.offset_by(_span(step, longest - 1))).item()
    calendar = pl.datetime_range(START, end, step, eager=True)
    return pl.concat(
        pl.DataFrame({"unique_id": [name] * len(y), "ds": calendar[longest - len(y) :], "y": y})
        for name, y in zip(names, rows, strict=True)
    ).with_columns(pl.col("y").fill_nan(None))


def _regular(known: pl.DataFrame, step: str) -> pl.DataFrame:
    """``ds, y`` with a row for every step between the first and the last."""
    return known.sort("ds").upsample("ds", every=step)


def _span(step: str, n: int) -> str:
    digits = step.rstrip("abcdefghijklmnopqrstuvwxyz")
    return f"{int(digits) * n}{step[len(digits) :]}"
