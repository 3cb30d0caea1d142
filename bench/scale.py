"""How fast a preset forecasts, beside statistical models, and how many series fit into an hour and a memory.

    python -m bench.scale [--preset fast] [--runs 3] [--against mstl,theta,ets] [--json]
    python -m bench.scale --series 100000 [--n-jobs 2]

The first forecasts M4 Hourly's training parts, 48 steps ahead: series per CPU-second of one thread, the
median of several runs; the statistical models forecast a few of the same series, told the same season. The
second makes up daily series of two years, writes them to a Parquet file and forecasts them from there, 28
steps ahead: wall and CPU time, and memory, of this process and of its largest worker. Pin BLAS to one thread.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import foreseal
from bench import panels
from bench.contestants import contestants
from foreseal.clock import Frequency
from foreseal.frame import Panel, read

DAYS, AHEAD = 730, 28
FEW = 12
LEVELS = (0.1, 0.5, 0.9)
GIB = 2**20


def rates(preset: str, runs: int, against: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Series per CPU-second of the preset and of other people's models, and their ratio."""
    panel = panels.m4_hourly()
    known = panel.frame.drop_nulls("y")
    count = known["unique_id"].n_unique()
    times = []
    for _ in range(runs):
        begun = time.process_time()
        foreseal.forecast(known, panel.h, preset=preset, freq=panel.freq, quantiles=LEVELS)
        times.append(time.process_time() - begun)
    ours = count / statistics.median(times)
    yield {"forecaster": preset, "series": count, "per_cpu_second": ours}
    few = known.filter(
        pl.col("unique_id").is_in(known["unique_id"].unique().sort()[:: count // FEW].implode())
    )
    some = few["unique_id"].n_unique()
    for model in contestants(against, (24,)):
        model.fit(Panel(read(few)[0], Frequency.parse(panel.freq))).predict(1, LEVELS)
        begun = time.process_time()
        model.predict(panel.h, LEVELS)
        rate = some / (time.process_time() - begun)
        yield {"forecaster": model.name, "series": some, "per_cpu_second": rate, "ratio": ours / rate}


def large(preset: str, series: int, n_jobs: int) -> dict[str, Any]:
    """One forecast of many daily series that lie in a file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "daily.parquet"
        write(file, series)
        begun, before = time.perf_counter(), _cpu()
        result = foreseal.forecast(
            pl.scan_parquet(file), AHEAD, preset=preset, n_jobs=n_jobs, quantiles=LEVELS
        )
        wall, cpu = time.perf_counter() - begun, _cpu() - before
    return {
        "preset": preset,
        "series": result.frame["unique_id"].n_unique(),
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GIB,
        "gib_largest_worker": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / GIB,
        "workers": n_jobs,
    }


def write(file: Path, series: int) -> None:
    """Daily series with a week, a year, a trend and noise, a thousand to a row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    chance = np.random.default_rng(0)
    days = np.array([date(2023, 1, 1) + timedelta(days=k) for k in range(DAYS)], dtype="datetime64[us]")
    t = np.arange(DAYS)
    writer = None
    for first in range(0, series, 1_000):
        count = min(1_000, series - first)
        week = chance.gamma(4.0, 0.25, (count, 7))[:, t % 7]
        year = 1.0 + chance.uniform(0.0, 0.4, (count, 1)) * np.sin(
            2 * np.pi * (t / 365.25 + chance.random((count, 1)))
        )
        level = chance.lognormal(4.0, 1.0, (count, 1)) * (1.0 + chance.normal(0.0, 2e-4, (count, 1)) * t)
        y = level * week * year * chance.gamma(20.0, 0.05, (count, DAYS))
        names = np.repeat([f"d{k:06d}" for k in range(first, first + count)], DAYS)
        table = pa.table({"unique_id": names, "ds": np.tile(days, count), "y": y.ravel()})
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def _cpu() -> float:
    """CPU-seconds of this process and of its ended children."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--against", default="mstl,theta,ets")
    parser.add_argument("--series", type=int, help="so many daily series of two years instead")
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    rows = (
        [large(given.preset, given.series, given.n_jobs)]
        if given.series
        else list(rates(given.preset, given.runs, [name for name in given.against.split(",") if name]))
    )
    if given.json:
        print("\n".join(map(json.dumps, rows)))
        return 0
    with pl.Config(
        tbl_rows=-1, tbl_cols=-1, tbl_width_chars=160, float_precision=2, tbl_hide_dataframe_shape=True
    ):
        print(pl.DataFrame(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
