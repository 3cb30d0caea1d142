"""``python -m bench.loops``: traffic speeds 15 to 60 minutes ahead in Los Angeles, beside linear models.

207 loop detectors, every 5 minutes, known for 5.6 days. All models learn from the first three quarters once
and forecast from every step of the last quarter that has an hour of outcomes, each from what was known
there. Errors are those of all steps up to the horizon. A forecast of Foreseal is a distribution, so its mean
is judged by RMSE, its median by MAE; the other models' one number is judged by both. Their penalties are
chosen on the last quarter of the training part. Data: ``$FORESEAL_SHARED/data/traffic``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from foreseal.clock import Frequency
from foreseal.frame import Panel
from foreseal.predict.graph import GraphRidge

AHEAD = 12
LAGS = 12
HORIZONS = (3, 6, 9, 12)
DAY = 288
PENALTIES = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
# Quantile levels whose average is the mean.
LEVELS = tuple((k + 0.5) / 51 for k in range(51))
START = datetime(2012, 3, 1, tzinfo=UTC)

Array = np.ndarray


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.loops", description=__doc__)
    options.add_argument("--json", action="store_true", help="print one JSON object")
    options.add_argument("--runs", type=int, default=1, help="median of this many runs (default 1)")
    given = options.parse_args()
    folder = Path(os.environ.get("FORESEAL_SHARED", "../shared")) / "data" / "traffic"
    found = compare(folder, given.runs)
    print(json.dumps(found, indent=2) if given.json else table(found))


def compare(folder: Path, runs: int = 1) -> dict[str, Any]:
    """Errors of every model by horizon in minutes, and CPU seconds (fit and all forecasts)."""
    names = pl.read_csv(folder / "los_speed_train80.csv").columns
    y = pl.read_csv(folder / "los_speed_train80.csv").to_numpy().astype(np.float64)
    graph = pl.read_csv(folder / "los_adj.csv", has_header=False).to_numpy().astype(np.float64)
    first = len(y) - len(y) // 4
    origins = np.arange(first, len(y) - AHEAD + 1)
    outcome = ahead(y, origins)
    models: dict[str, Callable[[], tuple[Array, Array]]] = {
        "last value": lambda: twice(np.repeat(y[origins - 1][:, None], AHEAD, axis=1)),
        "ridge, own lags": lambda: twice(tuned(y, first, origins, own_lags)),
        "ridge + profile": lambda: twice(tuned(y, first, origins, with_profile)),
        "graph ridge": lambda: twice(tuned(y, first, origins, lambda *a: with_graph(*a, graph))),
        "VAR ridge": lambda: twice(tuned(y, first, origins, everyone)),
        "foreseal graph_ridge": lambda: ours(y, first, origins, names, graph),
        "foreseal graph_ridge, graph learnt": lambda: ours(y, first, origins, names, None),
    }
    rows = []
    for name, model in models.items():
        seconds = []
        for _ in range(runs):
            start = time.process_time()
            mean, median = model()
            seconds.append(time.process_time() - start)
        errors = {
            f"{5 * k} min": {
                "rmse": float(np.sqrt(((mean - outcome)[:, :k] ** 2).mean())),
                "mae": float(np.abs((median - outcome)[:, :k]).mean()),
            }
            for k in HORIZONS
        }
        rows.append({"model": name, "errors": errors, "cpu_seconds": statistics.median(seconds)})
    return {"sensors": y.shape[1], "train_steps": first, "origins": len(origins), "models": rows}


def table(found: dict[str, Any]) -> str:
    columns = [f"{5 * k} min" for k in HORIZONS]
    lines = [
        "{sensors} sensors, learnt from {train_steps} steps, {origins} origins; RMSE / MAE in mph".format(
            **found
        ),
        f"{'model':36}" + "".join(f"{name:>16}" for name in columns) + f"{'CPU s':>8}",
    ]
    for row in found["models"]:
        errors = (f"{row['errors'][name]['rmse']:.3f} / {row['errors'][name]['mae']:.3f}" for name in columns)
        lines.append(
            f"{row['model']:36}" + "".join(f"{text:>16}" for text in errors) + f"{row['cpu_seconds']:8.1f}"
        )
    return "\n".join(lines)


def ours(y: Array, first: int, origins: Array, names: list[str], graph: Array | None) -> tuple[Array, Array]:
    """Mean and median (origins, steps, sensors) of the graph ridge, learnt once, at the first origin."""
    order = sorted(range(len(names)), key=lambda k: names[k])
    end = START + timedelta(minutes=5) * (len(y) - 1)
    times = pl.datetime_range(START, end, "5m", time_unit="us", eager=True)
    frame = pl.concat(
        pl.DataFrame({"unique_id": [names[k]] * len(y), "ds": times, "y": y[:, k]}) for k in order
    )
    panel = Panel(frame, Frequency.parse("5min"))
    model = GraphRidge(adjacency=graph, sensors=None if graph is None else names, refit=len(y))
    values, _ = model.roll(panel, [len(y) - int(origin) for origin in origins], AHEAD, LEVELS)
    back = np.argsort(order)
    values = values[:, back].transpose(0, 2, 1, 3)
    return values.mean(axis=3), values[..., len(LEVELS) // 2]


def twice(values: Array) -> tuple[Array, Array]:
    return values, values


def ahead(y: Array, origins: Array) -> Array:
    """The next values (origins, steps, sensors)."""
    return np.stack([y[origins + k] for k in range(AHEAD)], axis=1)


def past(values: Array, origins: Array, lags: int = LAGS) -> Array:
    """The last values (sensors, origins, lags)."""
    return np.stack([values[origins - 1 - lag] for lag in range(lags)], axis=2).transpose(1, 0, 2)


Features = Callable[[Array, int, Array], tuple[Array, Array]]


def tuned(y: Array, first: int, origins: Array, features: Features) -> Array:
    """A ridge of each sensor and step on features, learnt before ``first``, at ``origins``."""
    inner = first - first // 4
    tried = np.arange(inner, first - AHEAD + 1)
    losses = [
        ((fitted(y, inner, tried, features, penalty) - ahead(y, tried)) ** 2).mean() for penalty in PENALTIES
    ]
    return fitted(y, first, origins, features, PENALTIES[int(np.argmin(losses))])


def fitted(y: Array, first: int, origins: Array, features: Features, penalty: float) -> Array:
    known = np.arange(LAGS, first - AHEAD + 1)
    x, base = features(y, first, known)
    target = ahead(y, known) - base
    centre, spread = x.mean(axis=1, keepdims=True), x.std(axis=1, keepdims=True) + 1e-9
    x = (x - centre) / spread
    level = target.mean(axis=0)
    second = x.transpose(0, 2, 1) @ x / len(known) + penalty * np.eye(x.shape[2])
    moments = x.transpose(0, 2, 1) @ (target - level).transpose(2, 0, 1) / len(known)
    if len(x) == 1:  # one set of features for all sensors
        target = (target - level).reshape(len(known), -1)
        moments = (x[0].T @ target / len(known))[None]
    slope = np.linalg.solve(second, moments)
    now, base = features(y, first, origins)
    made = ((now - centre) / spread) @ slope
    if len(x) == 1:
        return base + level + made[0].reshape(len(origins), AHEAD, -1)
    return base + level + made.transpose(1, 2, 0)


def own_lags(y: Array, first: int, origins: Array) -> tuple[Array, Array]:
    return past(y, origins), np.zeros((len(origins), AHEAD, y.shape[1]))


def with_profile(y: Array, first: int, origins: Array) -> tuple[Array, Array]:
    """Lags of deviations from the mean of the training days at the same time of day."""
    usual = np.stack([y[phase:first:DAY].mean(axis=0) for phase in range(DAY)])
    usual = usual[np.arange(len(y) + AHEAD) % DAY]
    return past(y - usual[: len(y)], origins), ahead(usual, origins)


def with_graph(y: Array, first: int, origins: Array, graph: Array) -> tuple[Array, Array]:
    """Own lags, those of the neighbours' weighted mean, and of the mean of the network."""
    weights = graph - np.diag(np.diag(graph))
    weights = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    whole = np.repeat(y.mean(axis=1, keepdims=True), y.shape[1], axis=1)
    x = np.concatenate([past(y, origins), past(y @ weights.T, origins), past(whole, origins, 3)], axis=2)
    return x, np.zeros((len(origins), AHEAD, y.shape[1]))


def everyone(y: Array, first: int, origins: Array) -> tuple[Array, Array]:
    """The last three values of all sensors, for each of them."""
    x = np.concatenate([y[origins - 1 - lag] for lag in range(3)], axis=1)
    return x[None], np.zeros((len(origins), AHEAD, y.shape[1]))


if __name__ == "__main__":
    main()
