"""Panels that tests share: small synthetic series, and the real traffic with its two clocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from foreseal.clock import Frequency
from foreseal.frame import UTC_TIME, Panel
from foreseal.predict.forecast import as_known

START = datetime(2021, 3, 1, tzinfo=UTC)
CHICAGO = "America/Chicago"


def hourly(days: int, series: int = 1, seed: int = 0, noise: float = 5.0) -> pl.DataFrame:
    """Series with a day, a week and noise; positive."""
    rng = np.random.default_rng(seed)
    t = np.arange(24 * days)
    shape = 100 + 40 * np.sin(2 * np.pi * t / 24) - 30 * (t // 24 % 7 >= 5)
    return pl.concat(
        long_frame(f"s{i}", (1 + i) * (shape + noise * rng.normal(size=len(t)))) for i in range(series)
    )


def long_frame(
    name: str, y: np.ndarray, start: datetime = START, step: timedelta = timedelta(hours=1)
) -> pl.DataFrame:
    ds = [start + i * step for i in range(len(y))]
    return pl.DataFrame(
        {"unique_id": [name] * len(y), "ds": ds, "y": np.asarray(y, np.float64)},
        schema={"unique_id": pl.String, "ds": UTC_TIME, "y": pl.Float64},
    )


def panel(frame: pl.DataFrame, freq: str = "1h", **kwargs: object) -> Panel:
    return Panel(frame.sort("unique_id", "ds"), Frequency.parse(freq), **kwargs)  # type: ignore[arg-type]


def two_clocks(
    vintages: pl.DataFrame, covariates: pl.DataFrame | None = None, timezone: str = "UTC", freq: str = "1h"
) -> Callable[[datetime], Panel]:
    """``panel_at`` over vintages ``unique_id, ds, y, known_at`` and covariates ``ds, known_at, …``."""

    def panel_at(cutoff: datetime) -> Panel:
        known = None
        if covariates is not None:
            known = covariates.filter(pl.col("known_at") <= cutoff).sort("ds", "known_at")
            known = known.unique("ds", keep="last", maintain_order=True).drop("known_at")
        return Panel(
            as_known(vintages, cutoff),
            Frequency.parse(freq),
            cutoff=cutoff,
            covariates=known,
            timezone=timezone,
        )

    return panel_at


def traffic(shared: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Vintages and weather of Interstate 94, each hour known when it is over."""
    raw = pl.read_csv(shared / "traffic" / "i94_hourly.csv", try_parse_dates=True)
    local = pl.col("datetime").dt.replace_time_zone(CHICAGO, ambiguous="earliest", non_existent="null")
    raw = raw.with_columns(ds=local.dt.convert_time_zone("UTC")).drop_nulls("ds").unique("ds").sort("ds")
    raw = raw.with_columns(known_at=pl.col("ds") + timedelta(hours=1))
    volume = raw.select(
        unique_id=pl.lit("i94"), ds="ds", y=pl.col("traffic_volume").cast(pl.Float64), known_at="known_at"
    )
    return volume, raw.select("ds", "known_at", "temp", "rain_1h", "clouds_all")
