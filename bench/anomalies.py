"""Anomalies told by predictive intervals, on the labelled windows of the Numenta Anomaly Benchmark.

    python -m bench.anomalies [--level 99 99.9] [--json]

Four traffic series of ``$FORESEAL_SHARED`` (default ``../shared``). A window counts as found if any value in
it is called an anomaly; a false alarm is an event (anomalies at most a quarter of a day or 24 steps apart)
without a value in any window, per week of judged time outside the windows. The baselines judge the same
values at the same nominal level, from earlier values only: the mean and standard deviation of the last day,
and the last known value of the same time of day, or of the week, with the empirical quantiles of its latest
1000 errors. Values are averages over the grid of each file. The labels have chosen nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import datetime, timedelta
from statistics import NormalDist

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bench.panels import shared
from foreseal.predict.detect import MEMORY, MOST_STEPS, detect
from foreseal.predict.tails import LEAST

FILES = {
    "realKnownCause/nyc_taxi": "30min",
    "realTraffic/TravelTime_387": "10min",
    "realTraffic/occupancy_6005": "5min",
    "realTraffic/speed_6005": "5min",
}
SPAN = {"30min": "30m", "10min": "10m", "5min": "5m"}
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def read(name: str, freq: str) -> tuple[pl.DataFrame, list[tuple[datetime, datetime]]]:
    """The series on its grid, ``unique_id, ds, y`` with null where there is no value, and its windows."""
    folder = shared() / "traffic/nab"
    labels = json.loads((folder / "nab_windows.json").read_text("utf-8"))[f"{name}.csv"]
    form = "%Y-%m-%d %H:%M:%S.%f"
    windows = [tuple(datetime.strptime(each, form) for each in pair) for pair in labels]  # noqa: DTZ007
    short = name.rsplit("/", 1)[1]
    rows = pl.read_csv(folder / f"{short}.csv", try_parse_dates=True)
    frame = (
        rows.group_by(ds=pl.col("timestamp").dt.cast_time_unit("us").dt.truncate(SPAN[freq]))
        .agg(y=pl.col("value").cast(pl.Float64).mean())
        .sort("ds")
        .upsample("ds", every=SPAN[freq])
        .select(pl.lit(short).alias("unique_id"), "ds", "y")
    )
    return frame, windows  # type: ignore[return-value]


def z_score(y: Floats, day: int, level: float) -> Flags:
    """Outside the mean plus or minus normal quantiles of the day before."""
    limit = NormalDist().inv_cdf(0.5 + level / 200)
    flags = np.zeros(len(y), bool)
    for at in range(day, len(y)):
        past = y[at - day : at]
        past = past[np.isfinite(past)]
        if len(past) > 1 and past.std(ddof=1) > 0.0:
            flags[at] = abs(y[at] - past.mean()) > limit * past.std(ddof=1)
    return flags


def seasonal(y: Floats, season: int, level: float) -> Flags:
    """Outside the empirical quantiles of the latest errors of the last known value at the same phase."""
    padded = np.pad(y, (0, -len(y) % season), constant_values=np.nan).reshape(-1, season)
    row = np.arange(len(padded))[:, None]
    known = np.maximum.accumulate(np.where(np.isfinite(padded), row, -1), axis=0)
    before = np.concatenate([np.full((1, season), -1), known[:-1]])
    naive = np.where(before >= 0, np.take_along_axis(padded, np.maximum(before, 0), axis=0), np.nan)
    errors = (padded - naive).ravel()[: len(y)]
    tail = (1.0 - level / 100.0) / 2.0
    flags = np.zeros(len(y), bool)
    for at in np.flatnonzero(np.isfinite(errors)):
        past = errors[max(at - MEMORY, 0) : at]
        past = past[np.isfinite(past)]
        if len(past) >= LEAST:
            low, high = np.quantile(past, [tail, 1.0 - tail])
            flags[at] = not low <= errors[at] <= high
    return flags


def told(
    name: str,
    flags: Flags,
    judged: Flags,
    ds: list[datetime],
    windows: list[tuple[datetime, datetime]],
    gap: int,
) -> dict[str, object]:
    """Windows found and false alarms per week."""
    flags = flags & judged
    inside = np.array([any(start <= at <= end for start, end in windows) for at in ds])
    seen = [np.array([start <= at <= end for at in ds]) for start, end in windows]
    found = sum(bool((flags & window).any()) for window in seen)
    at = np.flatnonzero(flags)
    events = np.split(at, np.flatnonzero(np.diff(at) > gap) + 1) if len(at) else []
    false = sum(not inside[event].any() for event in events)
    outside = int((~inside[int(np.flatnonzero(judged)[0]) :]).sum())
    weeks = outside * (ds[1] - ds[0]) / timedelta(weeks=1)
    return {
        "detector": name,
        "windows": len(windows),
        "judged_windows": sum(bool((judged & window).any()) for window in seen),
        "found": found,
        "false_alarms": false,
        "false_per_week": round(false / weeks, 2),
        "flagged": round(float(flags.sum() / judged.sum()), 4),
    }


def measure(name: str, freq: str, level: float) -> list[dict[str, object]]:
    """All detectors on one file."""
    frame, windows = read(name, freq)
    start = time.process_time()
    found = detect(frame, level, freq=freq)
    seconds = round(time.process_time() - start, 2)
    y = frame["y"].fill_null(np.nan).to_numpy()
    ds = frame["ds"].to_list()
    judged = found["score"].is_not_null().to_numpy()
    day = timedelta(days=1) // (ds[1] - ds[0])
    gap = min(MOST_STEPS, day // 4)
    flags = {
        "foreseal.detect": found["anomaly"].to_numpy(),
        "rolling z-score, a day": z_score(y, day, level),
        "seasonal naive, day": seasonal(y, day, level),
        "seasonal naive, week": seasonal(y, 7 * day, level),
    }
    rows = [told(who, each, judged, ds, windows, gap) for who, each in flags.items()]
    rows[0]["seconds"] = seconds
    return [{"file": name, "level": level, **row} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description="Anomalies on the labelled windows of NAB.")
    parser.add_argument("--level", type=float, nargs="+", default=[99.0, 99.9])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    for level in asked.level:
        if not asked.json:
            print(f"\nlevel {level:g}\n{'':28}{'detector':26}{'found':>8}{'false/week':>12}{'flagged':>9}")
        for name, freq in FILES.items():
            for row in measure(name, freq, level):
                if asked.json:
                    print(json.dumps(row))
                else:
                    hits = f"{row['found']}/{row['windows']}"
                    print(
                        f"{name.rsplit('/', 1)[1]:28}{row['detector']:26}{hits:>8}"
                        f"{row['false_per_week']:>12}{row['flagged']:>9.2%}"
                    )


if __name__ == "__main__":
    main()
