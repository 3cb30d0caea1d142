"""``python -m bench.parts``: monthly demand of car parts, one month ahead, beside simple models.

2 509 parts without gaps over 51 months, three quarters of them zero. Each of the last twelve months is
forecast from the months before it; the loss is the mean pinball loss at .5, .75, .9, .95 and .99. Data:
``$FORESEAL_SHARED/data/supply/carparts.parquet``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from foreseal.clock import Frequency
from foreseal.frame import Panel
from foreseal.predict.intermittent import METHODS, Intermittent

LEVELS = (0.5, 0.75, 0.9, 0.95, 0.99)
MONTHS = 12
START = datetime(1998, 1, 1, tzinfo=UTC)
MONTH = Frequency.parse("1mo")

Array = np.ndarray


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.parts", description=__doc__)
    options.add_argument("--json", action="store_true", help="print one JSON object")
    options.add_argument("--runs", type=int, default=1, help="median of this many runs (default 1)")
    given = options.parse_args()
    folder = Path(os.environ.get("FORESEAL_SHARED", "../shared")) / "data" / "supply"
    found = compare(folder, given.runs)
    print(json.dumps(found, indent=2) if given.json else table(found))


def compare(folder: Path, runs: int = 1) -> dict[str, Any]:
    """Mean pinball loss, coverage of two levels, and CPU seconds of all twelve months."""
    y = pl.read_parquet(folder / "carparts.parquet").to_numpy().T.astype(np.float64)
    y = y[np.isfinite(y).all(axis=1)]
    months = range(y.shape[1] - MONTHS, y.shape[1])
    models: dict[str, Callable[[Array], Array]] = {
        "empirical, all months": lambda known: recent(known, known.shape[1]),
        "empirical, 24 months": lambda known: recent(known, 24),
        "Croston-SBA + Poisson": lambda known: poisson(croston_sba(known, 0.1)),
        "TSB + Poisson": lambda known: poisson(tsb(known, 0.1, 0.1)),
        "foreseal intermittent": lambda known: ours(known, None),
    }
    models |= {
        f"foreseal intermittent({name!r})": lambda known, name=name: ours(known, name) for name in METHODS
    }
    rows = []
    for name, model in models.items():
        seconds = []
        for _ in range(runs):
            start = time.process_time()
            said = np.stack([model(y[:, :month]) for month in months])
            seconds.append(time.process_time() - start)
        off = y.T[list(months), :, None] - said
        loss = np.maximum(np.array(LEVELS) * off, (np.array(LEVELS) - 1.0) * off)
        rows.append(
            {
                "model": name,
                "pinball": float(loss.mean()),
                "covered": {f"{level:g}": float((off[..., k] <= 0).mean()) for k, level in enumerate(LEVELS)},
                "cpu_seconds": statistics.median(seconds),
            }
        )
    return {"parts": len(y), "months": MONTHS, "models": rows}


def table(found: dict[str, Any]) -> str:
    lines = [
        f"{found['parts']} parts, the last {found['months']} months, one month ahead",
        f"{'model':40}{'pinball':>9}{'<= .95':>9}{'<= .99':>9}{'CPU s':>8}",
    ]
    for row in found["models"]:
        covered = row["covered"]
        lines.append(
            f"{row['model']:40}{row['pinball']:9.4f}{covered['0.95']:9.3f}{covered['0.99']:9.3f}"
            f"{row['cpu_seconds']:8.1f}"
        )
    return "\n".join(lines)


def ours(known: Array, method: str | None) -> Array:
    """Quantiles (parts, levels) of the next month."""
    count, length = known.shape
    times = pl.Series([MONTH.shift(START, k) for k in range(length)], dtype=pl.Datetime("us", "UTC"))
    names = [f"p{k:04}" for k in range(count)]
    frame = pl.DataFrame(
        {"unique_id": np.repeat(names, length), "ds": pl.concat([times] * count), "y": known.ravel()}
    )
    made = Intermittent(method=method).fit(Panel(frame, MONTH)).predict(1, LEVELS)
    return made.frame.select(f"q{level:g}" for level in LEVELS).to_numpy()


def recent(known: Array, months: int) -> Array:
    return np.quantile(known[:, -months:], LEVELS, axis=1, method="inverted_cdf").T


def poisson(mean: Array) -> Array:
    """Quantiles (parts, levels) of Poisson distributions."""
    chance = np.exp(-mean)
    reached, out = chance.copy(), np.zeros((len(mean), len(LEVELS)))
    for count in range(1, int(mean.max() + 10 * math.sqrt(mean.max()) + 20)):
        out += reached[:, None] < LEVELS
        chance = chance * mean / count
        reached = reached + chance
    return out


def croston_sba(known: Array, weight: float) -> Array:
    out = np.zeros(len(known))
    for row, demand in enumerate(known):
        size = wait = None
        since = 0
        for value in demand:
            since += 1
            if value > 0:
                size = value if size is None else size + weight * (value - size)
                wait = since if wait is None else wait + weight * (since - wait)
                since = 0
        out[row] = 0.0 if size is None or wait is None else (1 - weight / 2) * size / wait
    return out


def tsb(known: Array, demand_weight: float, chance_weight: float) -> Array:
    out = np.zeros(len(known))
    for row, demand in enumerate(known):
        size, chance = None, float(demand[0] > 0)
        for value in demand:
            chance += chance_weight * ((value > 0) - chance)
            if value > 0:
                size = value if size is None else size + demand_weight * (value - size)
        out[row] = 0.0 if size is None else size * chance
    return out


if __name__ == "__main__":
    main()
