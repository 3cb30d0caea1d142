"""Forecasters ranked on the same forecasts: proper scores first, diagnostics beside them.

The headline is ``wis_ratio``: the geometric mean over series of a forecaster's mean WIS over that of the
probabilistic seasonal naive on the same rows, with a bootstrap interval. A geometric mean lets no series of
large numbers decide alone; WIS judges the whole distribution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from foreseal.clock import Frequency
from foreseal.predict.grid import FloatArray
from foreseal.records import quantile_column
from foreseal.rules import pinball, wis

DRAWS = 1000
# Coverage is told at those of these central intervals whose levels were asked for.
INTERVALS = (50, 80, 90, 95)
MEDIAN = 0.5


def leaderboard(
    scored: pl.DataFrame,
    quantiles: Sequence[float],
    history: pl.DataFrame,
    freq: Frequency,
    *,
    baseline: str,
    seconds: Mapping[str, float],
    failures: Mapping[str, int],
) -> pl.DataFrame:
    """One row per forecaster, best ``wis_ratio`` first.

    ``scored`` has ``forecaster, window, unique_id, ds, y`` and quantile columns, the same rows for every
    forecaster; ``history`` (``unique_id, ds, y``) gives the unit of MASE.

    Columns: ``wis_ratio`` with ``low`` and ``high`` (95 % bootstrap over series, or over windows where there
    is one series; NaN below five of them), ``wis`` (mean, unit of y), ``wql`` (twice the summed pinball loss
    over the summed size of outcomes, mean over levels), ``mase`` (mean over series, error of the median in
    units of the mean absolute seasonal step), ``worst`` (the largest ratio of one series), ``coverage_80``
    and ``width_80`` and so on where the levels are there, ``pit_deviation`` (largest distance between
    nominal level and share of outcomes at or below it), ``failures`` (windows that the baseline stood in
    for) and ``seconds`` of CPU time.
    """
    columns = [quantile_column(level) for level in quantiles]
    frame = scored.sort("forecaster", "unique_id", "window", "ds")
    units = seasonal_steps(history, freq)
    rows = []
    base = _by_unit(frame.filter(pl.col("forecaster") == baseline), columns, quantiles)
    for name in frame["forecaster"].unique(maintain_order=True):
        mine = frame.filter(pl.col("forecaster") == name)
        y, q = mine["y"].to_numpy(), mine.select(columns).to_numpy()
        ratios = _ratios(_by_unit(mine, columns, quantiles), base)
        low, high = geometric_interval(ratios)
        loss = pinball(y, q, quantiles)
        size = np.abs(y).sum()
        below = (y[:, None] <= q).mean(axis=0)
        rows.append(
            {
                "forecaster": name,
                "wis_ratio": float(np.exp(np.log(ratios).mean())) if len(ratios) else float("nan"),
                "low": low,
                "high": high,
                "worst": float(ratios.max()) if len(ratios) else float("nan"),
                "wis": float(wis(y, q, quantiles).mean()),
                "wql": float(2.0 * loss.mean(axis=1).sum() / size) if size else float("nan"),
                "mase": _mase(mine, units, quantiles),
                **_intervals(y, q, quantiles),
                "pit_deviation": float(np.abs(below - np.asarray(quantiles)).max()),
                "failures": failures[name],
                "seconds": seconds[name],
            }
        )
    return pl.DataFrame(rows).sort("wis_ratio", nulls_last=True)


def seasonal_steps(history: pl.DataFrame, freq: Frequency) -> pl.DataFrame:
    """``unique_id, unit``: mean absolute change over one season (the shortest that is usual at the
    frequency and that the series holds twice, else one step)."""
    season = min(freq.seasons, default=1)

    def change(lag: int) -> pl.Expr:
        return (pl.col("y") - pl.col("y").shift(lag)).abs().mean()

    return (
        history.sort("unique_id", "ds")
        .group_by("unique_id", maintain_order=True)
        .agg(pl.when(pl.len() >= 2 * season).then(change(season)).otherwise(change(1)).alias("unit"))
    )


def geometric_interval(ratios: FloatArray, *, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the geometric mean; NaN for fewer than five ratios."""
    if len(ratios) < 5:
        return float("nan"), float("nan")
    chance = np.random.default_rng(seed)
    logs = np.log(ratios)
    means = [logs[chance.integers(0, len(logs), len(logs))].mean() for _ in range(draws)]
    low, high = np.exp(np.quantile(means, [0.025, 0.975]))
    return float(low), float(high)


def _by_unit(frame: pl.DataFrame, columns: list[str], quantiles: Sequence[float]) -> pl.DataFrame:
    """Mean WIS of every series, or of every window where there is one series: ``unit, wis``."""
    single = frame["unique_id"].n_unique() == 1
    score = wis(frame["y"].to_numpy(), frame.select(columns).to_numpy(), quantiles)
    unit = pl.col("window" if single else "unique_id").cast(pl.String).alias("unit")
    return frame.select(unit, pl.Series("wis", score)).group_by("unit", maintain_order=True).mean()


def _ratios(mine: pl.DataFrame, base: pl.DataFrame) -> FloatArray:
    """Ratios of mean WIS; where both are zero (a series that never moves) they are equal."""
    both = mine.join(base, on="unit", suffix="_base")
    a, b = both["wis"].to_numpy(), both["wis_base"].to_numpy()
    tiny = 1e-9 * max(float(b.max(initial=0.0)), 1e-300)
    return np.asarray((a + tiny) / (b + tiny), dtype=np.float64)


def _mase(mine: pl.DataFrame, units: pl.DataFrame, quantiles: Sequence[float]) -> float:
    nearest = quantile_column(min(quantiles, key=lambda level: abs(level - MEDIAN)))
    by_series = (
        mine.select("unique_id", (pl.col("y") - pl.col(nearest)).abs().alias("error"))
        .group_by("unique_id")
        .mean()
        .join(units, on="unique_id")
        .filter(pl.col("unit") > 0.0)
    )
    mean = (by_series["error"] / by_series["unit"]).mean()
    return float(mean) if isinstance(mean, float) else float("nan")


def _intervals(y: FloatArray, q: FloatArray, quantiles: Sequence[float]) -> dict[str, float]:
    found = {}
    levels = [round(level, 10) for level in quantiles]
    for share in INTERVALS:
        low, high = round(0.5 - share / 200, 10), round(0.5 + share / 200, 10)
        if low in levels and high in levels:
            lower, upper = q[:, levels.index(low)], q[:, levels.index(high)]
            found[f"coverage_{share}"] = float(((lower <= y) & (y <= upper)).mean())
            found[f"width_{share}"] = float((upper - lower).mean())
    return found
