"""How fast the pretrained model and the untrained stage under it forecast, beside statistical models.

Series are made up; figures are forecasts per CPU-second of one thread (a forecast is one series, all its
steps, nine quantiles), the best of several runs, and the CPU-milliseconds that one series alone takes.
`pretrained` and `closed_form` are timed as they are used, from a panel to a frame, finding their seasons;
`view` is one pass of stage and network over arrays with seasons told, `stage` that without the network. The
statistical models (extra `classic`) forecast a few of the same series from arrays, told their seasons.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import numpy as np

from bench.panels import _frame
from foreseal.clock import Frequency
from foreseal.frame import Panel, read
from foreseal.predict.closed_form import ClosedForm
from foreseal.predict.pretrained import Pretrained, load, view
from foreseal.predict.stage import stage

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# Series, context, steps, frequency, and the seasons that `view` is told in turn.
CASES = (
    (256, 1024, 48, "1h", ((24,), (24, 168))),
    (256, 1024, 24, "1h", ((24, 168),)),
    (1024, 256, 24, "1h", ((24,),)),
    (1024, 64, 8, "1mo", ((12,),)),
)


def made(count: int, length: int, season: int = 24) -> np.ndarray:
    """Series with this season and two quieter days of seven, over a walk, (count, length)."""
    rng = np.random.default_rng(0)
    t = np.arange(length)
    cycle = rng.uniform(0.5, 3.0, (count, 1)) * np.sin(2 * np.pi * t / season) - (t // season % 7 >= 5)
    walk = 0.1 * np.cumsum(rng.normal(size=(count, length)), axis=1)
    values: np.ndarray = 20.0 + cycle + walk + 0.3 * rng.normal(size=(count, length))
    return values


def panel(y: np.ndarray, freq: str) -> Panel:
    """The same as a panel of hours or months."""
    step = {"1h": "1h", "1mo": "1mo"}[freq]
    frame, _ = read(_frame([f"s{k:04d}" for k in range(len(y))], list(y), step))
    return Panel(frame.select("unique_id", "ds", "y"), Frequency.parse(freq))


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
    for count, length, h, freq, seasons in CASES:
        y, steps = made(count, length, seasons[0][0]), np.arange(1, h + 1)
        many, one = panel(y, freq), panel(y[:1], freq)
        case = {"context": length, "steps": h}
        for name, model in (("pretrained", Pretrained), ("closed_form", ClosedForm)):
            row = _measured(
                count,
                runs,
                lambda model=model, h=h, many=many: model().fit(many).predict(h, LEVELS),
                lambda model=model, h=h, one=one: model().fit(one).predict(h, LEVELS),
            )
            if name == "pretrained" and (length, h) == (1024, 48):
                quickest = row["per_cpu_second"]
            yield case | {"model": name, "seasons": "untold"} | row
        for periods in seasons:
            p = told(count, periods)
            for name, ask in (
                ("stage", lambda y, p, s=steps: stage(y, s, p)),
                ("view", lambda y, p, s=steps: view(network, y, p, s, np.array(LEVELS))),
            ):
                row = _measured(
                    count,
                    runs,
                    lambda ask=ask, y=y, p=p: ask(y, p),
                    lambda ask=ask, y=y, p=p: ask(y[:1], p[:1]),
                )
                yield case | {"model": name, "seasons": list(periods)} | row
    for name in against:
        seconds = statistical(name, made(4, 1024), 48)
        yield {
            "context": 1024,
            "steps": 48,
            "seasons": [24, 168] if name == "mstl" else [24],
            "model": name,
            "per_cpu_second": round(1 / seconds, 2),
            "pretrained_is_times_faster": round(quickest * seconds),
        }
    file = files("foreseal.predict") / "weights" / "compact.npz"
    yield {"model": "pretrained", "weights_bytes": len(file.read_bytes()), "digest": network.digest}


def _measured(
    count: int, runs: int, many: Callable[[], object], one: Callable[[], object]
) -> dict[str, float]:
    rate = count / best(many, runs, time.process_time)
    return {
        "per_cpu_second": round(rate),
        "one_series_ms": round(1000 * best(one, 3 * runs, time.process_time), 2),
    }


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
