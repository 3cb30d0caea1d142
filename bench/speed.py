"""How fast the pretrained model and the untrained stage under it forecast, beside statistical models.

Series are hourly-like, made up; figures are forecasts per CPU-second of one thread (a forecast is one series,
all its steps, all quantiles), the best of several runs, and the CPU-milliseconds that one series alone takes.
The statistical models (extra `classic`) forecast a few of the same series, told the same season.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import numpy as np

from foreseal.predict.closed_form import forecast
from foreseal.predict.pretrained import load, view
from foreseal.predict.stage import stage

LEVELS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
CASES = ((1024, 48, (24,)), (1024, 48, (24, 168)), (1024, 24, (24, 168)), (256, 24, (24,)), (64, 8, (12,)))


def made(count: int, length: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    t = np.arange(length)
    season = rng.uniform(0.5, 3.0, (count, 1)) * np.sin(2 * np.pi * t / 24) - (t // 24 % 7 >= 5)
    walk = 0.1 * np.cumsum(rng.normal(size=(count, length)), axis=1)
    values: np.ndarray = 20.0 + season + walk + 0.3 * rng.normal(size=(count, length))
    return values


def told(count: int, seasons: tuple[int, ...]) -> np.ndarray:
    periods = np.zeros((count, 3), np.int64)
    periods[:, : len(seasons)] = seasons
    return periods


def best(action: Callable[[], object], runs: int, clock: Callable[[], float]) -> float:
    """Seconds of the quickest of several runs, after one that fills the caches."""
    action()
    times = []
    for _ in range(runs):
        begun = clock()
        action()
        times.append(clock() - begun)
    return min(times)


def figures(runs: int, against: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    network = load()
    quickest = 0.0
    for length, h, seasons in CASES:
        count = 256 if length > 256 else 1024
        y, periods, steps = made(count, length), told(count, seasons), np.arange(1, h + 1)
        case = {"context": length, "steps": h, "seasons": list(seasons)}
        for name, action in (
            ("stage", lambda y=y, s=steps, p=periods: stage(y, s, p)),
            ("closed_form", lambda y=y, s=steps, p=periods: forecast(stage(y, s, p), s, LEVELS)),
            ("pretrained", lambda y=y, s=steps, p=periods: view(network, y, p, s, LEVELS)),
        ):
            rate = count / best(action, runs, time.process_time)
            alone = 1000 * best(
                lambda y=y, s=steps, p=periods, name=name: (
                    view(network, y[:1], p[:1], s, LEVELS) if name == "pretrained" else stage(y[:1], s, p[:1])
                ),
                3 * runs,
                time.process_time,
            )
            if name == "pretrained" and (length, h) == (1024, 48):
                quickest = rate
            yield case | {"model": name, "per_cpu_second": round(rate), "one_series_ms": round(alone, 2)}
    for name in against:
        seconds = statistical(name, made(4, 1024), 48)
        yield {
            "context": 1024,
            "steps": 48,
            "seasons": [24],
            "model": name,
            "per_cpu_second": round(1 / seconds, 2),
            "pretrained_is_times_faster": round(quickest * seconds),
        }
    file = files("foreseal.predict") / "weights" / "compact.npz"
    yield {"model": "pretrained", "weights_bytes": len(file.read_bytes()), "digest": network.digest}


def statistical(name: str, y: np.ndarray, h: int) -> float:
    """CPU-seconds a series of statsforecast's AutoETS, AutoTheta or MSTL."""
    from statsforecast.models import MSTL, AutoETS, AutoTheta

    kinds = {"ets": lambda: AutoETS(season_length=24), "theta": lambda: AutoTheta(season_length=24)}
    kinds["mstl"] = lambda: MSTL(season_length=[24, 168])
    level = [20, 40, 60, 80]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The first one compiles.
        kinds[name]().forecast(y=y[0], h=h, level=level)
        begun = time.process_time()
        for each in y[1:]:
            kinds[name]().forecast(y=each, h=h, level=level)
        return (time.process_time() - begun) / (len(y) - 1)
