"""How fast the store is, beside a bare Polars ``write_parquet`` plus fsync of the same rows.

    python -m bench.store [--json] [--quick]

Durability is that of the store everywhere: a result counts from the call until what it acknowledges has been
fsynced. The bare write keeps the rows and nothing else: no duplicate check, no digest, no order.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from foreseal.settings import KnownAt
from foreseal.store import Schema, Store

START = datetime(2000, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
COLUMN = KnownAt("column", column="known_at")
DURABILITY = "fsync of the data, then of its folder and the SQLite log, before the call returns"


def panel(series: int, hours: int, first_hour: int, seed: int = 0) -> pl.DataFrame:
    """Hourly values of sensors, sorted by sensor and hour, known an hour later."""
    ds = pl.datetime_range(START + first_hour * HOUR, interval="1h", closed="left", eager=True,
                           end=START + (first_hour + hours) * HOUR)  # fmt: skip
    y = np.random.default_rng(seed).normal(500, 100, series * hours).round(1)
    return pl.DataFrame(
        {
            "unique_id": pl.Series([f"sensor-{k:05d}" for k in range(series)]).gather(
                np.repeat(np.arange(series), hours)
            ),
            "ds": ds.gather(np.tile(np.arange(hours), series)),
            "y": y,
        }
    ).with_columns(known_at=pl.col("ds") + HOUR, source=pl.lit("bench"), quality=pl.lit(""))


def timed(action: Callable[[], object]) -> float:
    """Seconds that ``action`` takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def bare_write(rows: pl.DataFrame, path: Path) -> None:
    with path.open("wb") as file:
        rows.write_parquet(file)
        file.flush()
        os.fsync(file.fileno())


def large_appends(folder: Path, million: int, runs: int) -> Iterator[dict[str, object]]:
    """A million rows into a store that holds ten."""
    series, hours = 100, million // 100
    store = Store.open(folder / "large", create=True)
    store.declare(Schema("v"))
    for k in range(10):
        store.append("v", panel(series, hours, k * hours, k))
    held = 10 * million
    times: dict[str, list[float]] = {}
    for run in range(runs):
        for kind in ("sorted", "shuffled"):
            rows = panel(series, hours, held // series, run)
            if kind == "shuffled":
                rows = rows.sample(fraction=1, shuffle=True, seed=run)
            bare = timed(lambda rows=rows: bare_write(rows, folder / "bare.parquet"))
            results: list[object] = []
            ours = timed(lambda rows=rows, results=results: results.append(store.append("v", rows)))
            assert results[0].added == million, results
            times.setdefault(f"bare {kind}", []).append(bare)
            times.setdefault(kind, []).append(ours)
            held += million
        again = timed(lambda rows=rows, results=results: results.append(store.append("v", rows)))
        assert results[-1].added == 0, results
        times.setdefault("the same again", []).append(again)
    between = panel(series, hours, 0).with_columns(pl.col("ds") + HOUR / 2, pl.col("known_at") + HOUR / 2)
    times["between"] = [timed(lambda: store.append("v", between))]
    for kind in ("sorted", "shuffled", "the same again", "between"):
        bare = statistics.median(times["bare sorted" if kind == "sorted" else "bare shuffled"])
        ours = statistics.median(times[kind])
        yield {
            "case": f"append {million} rows, {kind}, into a store of {10 * million}",
            "seconds": round(ours, 3),
            "bare_seconds": round(bare, 3),
            "speed_ratio": round(bare / ours, 3),
            "rows_per_second": round(million / ours),
        }
    store.close()


def small_appends(folder: Path, count: int) -> Iterator[dict[str, object]]:
    """Many small batches: the last hundred cost what the first hundred cost."""
    store = Store.open(folder / "small", create=True)
    store.declare(Schema("v"))
    batches = [panel(100, 1, k) for k in range(count)]
    times = [timed(lambda rows=rows: store.append("v", rows)) for rows in batches]
    yield {
        "case": f"{count} appends of 100 rows",
        "first_100_median_ms": round(1e3 * statistics.median(times[:100]), 2),
        "last_100_median_ms": round(1e3 * statistics.median(times[-100:]), 2),
        "worst_ms": round(1e3 * max(times), 1),
    }
    cutoff = START + timedelta(days=4000)
    snapshot = [timed(lambda: store.snapshot("v", cutoff)) for _ in range(5)]
    yield {"case": f"snapshot of {count} appends", "median_ms": round(1e3 * statistics.median(snapshot), 2)}
    store.close()


def reads(folder: Path, rows: int, days: int) -> Iterator[dict[str, object]]:
    """One series among ten million rows that came day by day."""
    series = rows // days // 24
    store = Store.open(folder / "reads", create=True)
    store.declare(Schema("v"))
    times = [timed(lambda d=d: store.append("v", panel(series, 24, d * 24, d))) for d in range(days)]
    cutoff = START + timedelta(days=days // 2)
    reading = []
    for k in range(21):
        name = f"sensor-{k * series // 21:05d}"
        reading.append(timed(lambda name=name: store.as_of("v", cutoff, ids=[name])))
    yield {
        "case": f"as-of read of 1 of {series} series among {series * 24 * days} rows in {days} daily appends",
        "median_ms": round(1e3 * statistics.median(reading), 1),
        "worst_ms": round(1e3 * max(reading), 1),
        "append_median_ms": round(1e3 * statistics.median(times), 1),
    }
    snapshot = [timed(lambda: store.snapshot("v", cutoff + HOUR / 2)) for _ in range(5)]
    yield {"case": "snapshot in the middle of it", "median_ms": round(1e3 * statistics.median(snapshot), 1)}
    cut = [timed(lambda: store.as_of("v", cutoff)) for _ in range(3)]
    yield {"case": "as-of read of everything then known", "seconds": round(statistics.median(cut), 2)}
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    scale = 10 if options.quick else 1
    with tempfile.TemporaryDirectory(dir=os.environ.get("FORESEAL_BENCH_DIR")) as name:
        folder = Path(name)
        for result in (
            *small_appends(folder, 1500),
            *large_appends(folder, 1_000_000 // scale, options.runs),
            *reads(folder, 10_000_000 // scale, 365),
        ):
            result = {"bench": "store", "durability": DURABILITY} | result
            if options.json:
                print(json.dumps(result))
            else:
                shown = {k: v for k, v in result.items() if k not in ("bench", "durability", "case")}
                print(f"{result['case']}: " + ", ".join(f"{k} {v}" for k, v in shown.items()))


if __name__ == "__main__":
    main()
