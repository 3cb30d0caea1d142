"""The development panel: real tasks on which mix and design may be tuned, and nothing else.

Read from ``$FORESEAL_SHARED`` (default ``../shared``), never trained on. Only training parts: of M4 Hourly
and M1 the last horizon of the training part is held out, and the official test parts are not opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """Series of one kind: histories (ragged), outcomes (series, h), the seasons that a caller would tell."""

    name: str
    histories: list[Floats]
    outcomes: Floats
    seasons: tuple[int, ...]

    @property
    def h(self) -> int:
        return self.outcomes.shape[1]


def shared() -> Path:
    root = Path(os.environ.get("FORESEAL_SHARED", Path(__file__).parents[2] / "shared"))
    return root / "data"


def panel() -> Iterator[Task]:
    data = shared()
    hourly = _rows(_read(data / "forecasting/m4/Hourly-train.csv"))
    yield _last("m4_hourly", hourly, 48, (24, 168))
    m1 = pl.read_parquet(data / "forecasting/m1.parquet").select("period", "x")
    for name, h, season in (("YEARLY", 6, 1), ("QUARTERLY", 8, 4), ("MONTHLY", 18, 12)):
        series = [np.array(x, float) for x in m1.filter(pl.col("period") == name)["x"].to_list()]
        yield _last(f"m1_{name.lower()}", [x for x in series if len(x) >= h + 6], h, (season,))
    ett = _read(data / "energy/ETTh1.csv").drop("date")
    yield _windows("etth1", _columns(ett), 48, (24, 168), 6)
    victoria = _read(data / "energy/vic_elecdemand_2014.csv").select("Demand", "Temperature")
    yield _windows("victoria_30min", _columns(victoria), 48, (48, 336), 12)
    taxi = _read(data / "traffic/nab/nyc_taxi.csv").select("value")
    yield _windows("taxi_30min", _columns(taxi), 48, (48, 336), 12)
    roads = [_columns(_read(data / f"traffic/nab/{name}.csv").select("value"))[0]
             for name in ("speed_6005", "occupancy_6005", "TravelTime_387")]  # fmt: skip
    yield _windows("nab_roads", roads, 48, (288,), 6)
    loops = _columns(_read(data / "traffic/los_speed_train80.csv"))[::5]
    yield _windows("loops_5min", loops, 48, (288,), 2)
    i94 = _read(data / "traffic/i94_hourly.csv").select("traffic_volume", "temp")
    yield _windows("i94_hourly", _columns(i94), 48, (24, 168), 12)
    bikes = _read(data / "traffic/bike_sharing_daily.csv").select(
        "casual", "registered", "cnt", "temp", "windspeed"
    )
    yield _windows("bikes_daily", _columns(bikes), 30, (7,), 4)
    beijing = _read(data / "weather/beijing_pm25.csv").select("pm2.5", "DEWP", "TEMP", "PRES", "Iws")
    yield _windows("beijing_hourly", _columns(beijing), 48, (24, 168), 10)
    melbourne = [_columns(_read(data / f"weather/melbourne_daily-{kind}-temperatures.csv")[:, 1:2])[0]
                 for kind in ("min", "max")]  # fmt: skip
    yield _windows("melbourne_daily", melbourne, 30, (7, 365), 12)
    tycho = _read(data / "medicine/us_contagious_diseases_pre1975.csv").sort("disease", "state", "year")
    tycho = tycho.group_by("disease", "state", maintain_order=True).agg("count")
    counts = [np.array(x, float) for x in tycho["count"].to_list() if len(x) >= 15 and sum(x) > 0]
    yield _last("tycho_yearly", counts[::2], 5, (1,))


def _read(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, null_values=["NA"], infer_schema_length=None)


def _rows(frame: pl.DataFrame) -> list[Floats]:
    values = frame[:, 1:].cast(pl.Float64, strict=False).to_numpy()
    return [row[: np.flatnonzero(np.isfinite(row))[-1] + 1] for row in values]


def _columns(frame: pl.DataFrame) -> list[Floats]:
    return [frame[name].cast(pl.Float64, strict=False).to_numpy().astype(float) for name in frame.columns]


def _last(name: str, series: Sequence[Floats], h: int, seasons: tuple[int, ...]) -> Task:
    return Task(name, [x[:-h] for x in series], np.stack([x[-h:] for x in series]), seasons)


def _windows(name: str, series: Sequence[Floats], h: int, seasons: tuple[int, ...], count: int) -> Task:
    """Origins at even distances over the later part; each history is all that lies before its origin."""
    histories, outcomes = [], []
    for x in series:
        first = min(len(x) - h, max(1024, len(x) // 4))
        for origin in np.linspace(first, len(x) - h, count).astype(int):
            if (
                np.isfinite(x[origin : origin + h]).mean() > 0.5
                and np.isfinite(x[origin - 200 : origin]).any()
            ):
                histories.append(x[:origin])
                outcomes.append(x[origin : origin + h])
    return Task(name, histories, np.stack(outcomes), seasons)
