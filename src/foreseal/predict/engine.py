"""One forecast at one cutoff: members, weights, guard, calibration, in this order, each on its own windows.

    past origins, oldest first     what happens there
    ───────────────────────────    ──────────────────────────────────────────
    first 2/5 (and the remainder)  weights of the members
    next 1/5                       guard: is the combination better than the baseline?
    last 2/5                       conformal calibration of the combination

With fewer than five past windows there is no calibration, and with fewer than three the guard shares the
windows of the weights. What ran is in the forecast's ``ran``.
"""

from __future__ import annotations

import copy
import difflib
import functools
import platform
from collections.abc import Callable, Hashable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

import numpy as np
import polars as pl

from foreseal.clock import Frequency
from foreseal.errors import ModelError
from foreseal.frame import Panel, shift
from foreseal.predict import backtest, catalogue
from foreseal.predict.backtest import Past
from foreseal.predict.combine import Mixture, guard, weigh
from foreseal.predict.conformal import Calibration, calibrate
from foreseal.predict.grid import FloatArray
from foreseal.predict.model import Model
from foreseal.records import Forecast, quantile_column

Origin = TypeVar("Origin", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Preset:
    """Members and the number of past windows wanted for one series; panels of many need fewer each."""

    members: tuple[str, ...]
    windows: int
    least: int


PRESETS = {
    "fast": Preset(("ridge",), 20, 5),
    "balanced": Preset(("ridge", "drift"), 60, 10),
    "best": Preset(("ridge", "drift", "theta", "lightgbm"), 30, 10),
}
BASELINE = "seasonal_naive"


def predict_at(
    panel_at: Callable[[datetime], Panel],
    cutoff: datetime,
    h: int,
    quantiles: Sequence[float],
    *,
    preset: str = "balanced",
    models: Sequence[str | Model] | None = None,
    baseline: str = BASELINE,
    past: MutableMapping[tuple[str, datetime], Forecast] | None = None,
    every: Frequency | None = None,
    windows: int | None = None,
) -> Forecast:
    """The combined, calibrated forecast of ``h`` steps from a cutoff; a pure function of its arguments.

    ``panel_at(cutoff)`` is the only way to data. Past cutoffs lie ``every`` apart (by default the span of
    the horizon, in local days if whole) and number at most ``windows``. ``past`` caches the members' own
    forecasts of this target by (member, cutoff): the result is the same whether it is empty or full.
    """
    check(h, quantiles)
    now = panel_at(cutoff)
    step = every or _span(now.freq, h)
    wanted = wanted_windows(now, preset, windows)
    first = now.frame["ds"].min()
    origins = [shift(cutoff, step, -j, now.timezone) for j in range(wanted, 0, -1)]
    if isinstance(first, datetime):
        # A model that learns from less than half of what is known now says little about one that has it all.
        origins = [origin for origin in origins if origin - first >= (cutoff - first) / 2]
    return run(
        lambda origin: now if origin == cutoff else panel_at(origin),
        cutoff,
        origins,
        h,
        quantiles,
        preset=preset,
        models=models,
        baseline=baseline,
        past={} if past is None else past,
    )


def run(
    panel_at: Callable[[Origin], Panel],
    now: Origin,
    origins: Sequence[Origin],
    h: int,
    quantiles: Sequence[float],
    *,
    preset: str,
    models: Sequence[str | Model] | None,
    baseline: str,
    past: MutableMapping[tuple[str, Origin], Forecast],
) -> Forecast:
    """`predict_at` for origins of any kind: ``now`` and the past ones, oldest first."""
    levels = check(h, quantiles)
    makers = _makers(preset, models, baseline)
    panel = _with_values(panel_at(now))
    for name, make in makers.items():
        if (name, now) not in past or past[name, now].quantiles != levels:
            past[name, now] = make().fit(panel).predict(h, levels)
    raw = {name: past[name, now] for name in makers}
    index, values = _stack(raw, levels)
    ran = {"members": " ".join(makers)}
    ran |= {f"{name}.{key}": value for name, forecast in raw.items() for key, value in forecast.ran.items()}
    if len(makers) == 1:
        [out] = values.values()
        ran["calibrated"] = "no: one model was asked for, as it is"
    else:
        backtest.roll(lambda origin: _with_values(panel_at(origin)), origins, makers, h, levels, past)
        record = backtest.join(past, origins, list(makers), panel.frame, levels)
        mixture, calibration, ran_here = _learn(record, baseline)
        out = mixture.combine(index["unique_id"].to_list(), values)
        out = out if calibration is None else calibration.apply(out)
        ran |= {"preset": preset} if models is None else {}
        ran |= {"baseline": baseline} | ran_here
    least = panel.frame["y"].fill_nan(None).min()
    if isinstance(least, float) and least >= 0.0:
        out = np.maximum(out, 0.0)
        ran["bounds"] = "[0, inf)"
    ran |= {"python": platform.python_version(), "numpy": np.__version__, "polars": pl.__version__}
    out = np.sort(out, axis=1)
    frame = index.with_columns(pl.Series(quantile_column(level), out[:, k]) for k, level in enumerate(levels))
    return Forecast(frame, levels, ran)


def check(h: int, quantiles: Sequence[float]) -> tuple[float, ...]:
    """The levels as floats, ascending. Raises `ModelError` for a horizon or levels that make no forecast."""
    levels = tuple(float(level) for level in quantiles)
    if h < 1:
        raise ModelError(f"A horizon of {h} steps is impossible.", hint="Give a whole number from 1.")
    if not levels or any(not 0.0 < level < 1.0 for level in levels) or len(set(levels)) < len(levels):
        raise ModelError(
            f"Quantile levels {levels} must be different numbers between 0 and 1.",
            hint="Such as (0.1, 0.5, 0.9).",
        )
    return tuple(sorted(levels))


def member_name(model: str | Model) -> str:
    """What a model is called in ``ran`` and in the cache: its expression, or the repr of an instance."""
    return model.strip() if isinstance(model, str) else repr(model)


def wanted_windows(panel: Panel, preset: str, windows: int | None = None) -> int:
    """How many past windows to look at: the preset's, fewer where many series share the evidence."""
    if windows is not None:
        return windows
    chosen = _preset(preset)
    return max(chosen.least, chosen.windows // max(1, panel.frame["unique_id"].n_unique()))


def _preset(name: str) -> Preset:
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, 1)
        raise ModelError(
            f"There is no preset {name!r}.",
            hint=f"Did you mean {near[0]!r}?" if near else f"Choose one of {', '.join(PRESETS)}.",
        )
    return PRESETS[name]


def _makers(
    preset: str, models: Sequence[str | Model] | None, baseline: str
) -> dict[str, Callable[[], Model]]:
    """A constructor of every member by name, baseline first; a single model asked for is alone."""
    chosen: Sequence[str | Model] = _preset(preset).members if models is None else models
    if not chosen:
        raise ModelError("No model was asked for.", hint="Leave out models=, or name at least one.")
    wanted = chosen if models is not None and len(chosen) == 1 else (baseline, *chosen)
    return {
        member_name(model): (
            functools.partial(catalogue.resolve, model)
            if isinstance(model, str)
            else functools.partial(copy.deepcopy, model)
        )
        for model in wanted
    }


def _with_values(panel: Panel) -> Panel:
    """The panel without series that have no value at all."""
    has = pl.col("y").fill_nan(None).is_not_null().any().over("unique_id")
    frame = panel.frame.filter(has)
    if frame.is_empty():
        raise ModelError("No series has a value at this cutoff.", hint="Check the cutoff and known_at.")
    return panel if frame.height == panel.frame.height else replace(panel, frame=frame)


def _stack(
    raw: Mapping[str, Forecast], levels: Sequence[float]
) -> tuple[pl.DataFrame, dict[str, FloatArray]]:
    """Keys shared by all forecasts and each one's quantiles in their order. Raises `ModelError`."""
    columns = [quantile_column(level) for level in levels]
    index: pl.DataFrame | None = None
    values = {}
    for name, forecast in raw.items():
        frame = forecast.frame.sort("unique_id", "ds")
        keys = frame.select("unique_id", "ds", "cutoff")
        index = keys if index is None else index
        values[name] = frame.select(columns).to_numpy()
        if not keys.equals(index) or not np.isfinite(values[name]).all():
            raise ModelError(
                f"Model {name!r} left out series or steps that others forecast, or gave no numbers for them.",
                hint="A model forecasts h steps of every series that has a value.",
            )
    assert index is not None
    return index, values


def _learn(record: Past, baseline: str) -> tuple[Mixture, Calibration | None, dict[str, str]]:
    """Weights, guard and calibration from past forecasts and their outcomes, and the account of them."""
    seen = record.windows
    calibrating, guarding = 2 * len(seen) // 5, len(seen) // 5
    first = seen[: len(seen) - calibrating - guarding]
    second = seen[len(first) : len(first) + guarding]
    last = seen[len(seen) - calibrating :]
    mixture = weigh(record, first, baseline)
    mixture = guard(mixture, record, second if guarding else first, baseline)
    rows = np.flatnonzero(np.isin(record.window, last))
    combined = mixture.combine(
        record.index["unique_id"].gather(rows).to_list(),
        {name: values[rows] for name, values in record.values.items()},
    )
    calibration = calibrate(combined, record.y[rows], record.window[rows], record.quantiles)
    mean = mixture.weights.mean(axis=0) if len(mixture.weights) else mixture.pooled
    account = {
        "weights": " ".join(
            f"{name}={weight:.4f}" for name, weight in zip(mixture.members, mean, strict=True)
        ),
        "windows": f"weights={len(first)} guard={guarding} calibration={calibrating}",
        "guard": f"baseline alone for {len(mixture.guarded)} of {len(mixture.ids)} series",
        "calibrated": "no: too few past windows" if calibration is None else "yes",
        "calibration": record.digest(),
    }
    return mixture, calibration, account


def _span(freq: Frequency, h: int) -> Frequency:
    """The span of ``h`` steps as one step, in days if whole days, so that it follows the calendar."""
    whole = Frequency(freq.count * h, freq.unit)
    if whole.step is not None and whole.step % timedelta(days=1) == timedelta(0):
        return Frequency(whole.step // timedelta(days=1), "d")
    return whole
