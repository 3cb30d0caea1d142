"""``markets``: value at risk and expected shortfall of share indices, direction, and portfolios.

Risk: 1 % VaR and ES one session ahead on the last 2 500 sessions of each index, learnt from the 2 000 before
each month. Direction: the probability of a rise, beside the share of rises so far. Portfolios: 20 shares of
S&P 500 companies that exist today (so returns are biased upward, for all rows alike), weights every 21
sessions, costs of 0.1 % of what is traded. Data: the package arch, and ``$FORESEAL_SHARED/data/finance`` for
the portfolios and the index up to 2022.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from foreseal.clock import Frequency
from foreseal.collect.prices import Prices
from foreseal.collect.source import Context
from foreseal.decide.portfolio import least_cvar
from foreseal.frame import Panel
from foreseal.predict.grid import Grid
from foreseal.predict.volatility import ADMITTED, MEMBERS, Volatility
from foreseal.score.exceedance import risk_backtest

LEVEL, DAYS = 0.01, 2500
TAIL = tuple(round((k + 0.5) / 1000, 4) for k in range(10))
BODY = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99)
LEVELS = TAIL + BODY
VARIANTS: Mapping[str, Any] = {**{name: name for name in MEMBERS}, "volatility": ADMITTED}
COST, TRAIN, HOLD = 0.1, 504, 21

Array = np.ndarray


def run(days: int = DAYS, *, others: bool = True) -> dict[str, Any]:
    """Tables by series; ``others`` adds NASDAQ, the index to 2022 and the portfolios."""
    found: dict[str, Any] = {"level": LEVEL, "days": days, "risk": {}, "direction": {}}
    sets = {"S&P 500, to 2018": of_arch("sp500")}
    finance = Path(os.environ.get("FORESEAL_SHARED", "../shared")) / "data" / "finance"
    if others:
        sets["NASDAQ, to 2018"] = of_arch("nasdaq")
        sets["S&P 500, to 2022"] = of_csv(finance / "sp500_index.csv.gz")
    for name, frame in sets.items():
        y, said, seconds = forecasts(frame, days)
        found["risk"][name] = {
            variant: {**risk(y, values), "seconds": round(seconds[variant], 1)}
            for variant, values in said.items()
        }
        if not found["direction"]:
            found["direction"] = {"series": name, **direction(frame["y"].to_numpy(), said, days)}
    if others:
        found["portfolios"] = portfolios(of_csv(finance / "sp500_dataset.csv.gz"))
    return found


def of_arch(name: str) -> pl.DataFrame:
    [batch] = Prices(sets=(name,)).read(Context())
    return batch.rows.select("unique_id", "ds", "y")


def of_csv(path: Path) -> pl.DataFrame:
    """Returns of all columns of prices in a file of the shared data."""
    with tempfile.TemporaryDirectory() as place:
        table = pl.read_csv(path, infer_schema=False).rename({"Date": "date"})
        table.write_csv(Path(place) / "prices.csv")
        parts = [batch.rows for batch in Prices(path="prices.csv").read(Context(Path(place)))]
    return pl.concat(parts).select("unique_id", "ds", "y").sort("unique_id", "ds")


def forecasts(frame: pl.DataFrame, days: int) -> tuple[Array, dict[str, Array], dict[str, float]]:
    """The last ``days`` returns, each variant's quantiles (days, levels) of them made the night before, and
    CPU seconds. A fit that two variants share is counted with the first."""
    panel = Panel(frame, Frequency.parse("1d"))
    grid = Grid.of(panel)
    length = grid.y.shape[1]
    columns = np.flatnonzero(np.isfinite(grid.y[0]))[-days:]
    said, seconds = {}, {}
    for name, members in VARIANTS.items():
        start = time.process_time()
        values, _ = Volatility(members).roll(panel, [int(length - c) for c in columns], 1, LEVELS)
        seconds[name] = time.process_time() - start
        said[name] = values[:, 0, 0]
    return grid.y[0, columns], said, seconds


def risk(y: Array, values: Array) -> dict[str, float]:
    found = risk_backtest(y, values[:, LEVELS.index(LEVEL)], values[:, : len(TAIL)].mean(axis=1), LEVEL)
    return {name: getattr(found, name) for name in found.__slots__}


def direction(y: Array, said: Mapping[str, Array], days: int) -> dict[str, Any]:
    """Brier scores of the probability of a rise; p-values are one-sided, against the up-rate known before."""
    up = (y > 0).astype(float)
    start = len(y) - days
    rate = np.array([up[t - 2000 : t].mean() for t in range(start, len(y))])
    tried = {f"{name}, density": rise(values) for name, values in said.items()}
    lags = np.column_stack([np.roll(y, k) for k in range(1, 6)])
    trend = np.array(
        [[y[max(t - n, 0) : t].mean() if t else 0.0 for n in (5, 20, 60)] for t in range(len(y))]
    )
    tried["logistic, 5 lags"] = logistic(lags, up, start)
    tried["logistic, lags and trends"] = logistic(np.column_stack([lags, trend]), up, start)
    seen = up[start:]
    null = (rate - seen) ** 2
    rows = {}
    for name, p in tried.items():
        gain = null - (p - seen) ** 2
        z = float(gain.mean() / (gain.std(ddof=1) / math.sqrt(len(gain))))
        rows[name] = {
            "brier": float(((p - seen) ** 2).mean()),
            "skill": float(gain.mean() / null.mean()),
            "hits": float(((p > 0.5) == seen).mean()),
            "p": 0.5 * math.erfc(z / math.sqrt(2)),
        }
    best = min(row["p"] for row in rows.values())
    return {
        "up_rate": float(seen.mean()),
        "brier_up_rate": float(null.mean()),
        "variants": len(rows),
        "least_p": best,
        "least_p_bonferroni": min(1.0, best * len(rows)),
        "rows": rows,
    }


def rise(values: Array) -> Array:
    """Probability of a return above 0, by straight lines between quantiles."""
    return np.array([1.0 - np.interp(0.0, row, LEVELS) for row in values])


def logistic(x: Array, up: Array, start: int, every: int = 60, train: int = 2000) -> Array:
    """Logistic regression learnt anew every 60 sessions from the 2 000 before."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    out = np.empty(len(up) - start)
    for t in range(start, len(up), every):
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x[t - train : t], up[t - train : t])
        out[t - start : t - start + every] = model.predict_proba(x[t : t + every])[:, 1]
    return out


def portfolios(frame: pl.DataFrame, since: datetime = datetime(2008, 1, 1, tzinfo=UTC)) -> dict[str, Any]:
    """Volatility, CVaR and turnover of weights set every 21 sessions from what was known."""
    wide = frame.pivot("unique_id", index="ds", values="y").sort("ds").drop_nulls()
    names = wide.columns[1:]
    y, ds = wide.select(names).to_numpy(), wide["ds"]
    first = int((ds < since).sum())
    panel = Panel(frame.filter(pl.col("ds").is_in(ds.implode())), Frequency.parse("1d"))
    grid = Grid.of(panel)
    columns = np.flatnonzero(np.isfinite(grid.y[0]))
    ends = range(first, len(y), HOLD)
    levels = tuple((k + 0.5) / 100 for k in range(100))
    backs = [int(grid.y.shape[1] - columns[end]) for end in ends]
    said, _ = Volatility("ewma").roll(panel, backs, 1, levels)

    def ranked(end: int, place: int) -> Array:
        past = y[end - TRAIN : end]
        rank = (past.argsort(axis=0).argsort(axis=0) + 0.5) / TRAIN
        return np.column_stack([np.interp(rank[:, k], levels, said[place, k, 0]) for k in range(len(names))])

    rules = {
        "equal weights": lambda end, place: np.full(len(names), 1 / len(names)),
        "inverse volatility": lambda end, place: normed(1 / y[end - TRAIN : end].std(axis=0)),
        "least CVaR, past returns": lambda end, place: least_cvar(y[end - TRAIN : end], 0.95),
        "least CVaR, forecast and ranks": lambda end, place: least_cvar(ranked(end, place), 0.95),
    }
    rows = {}
    for name, rule in rules.items():
        start = time.process_time()
        held, daily, traded = np.zeros(len(names)), [], 0.0
        for place, end in enumerate(ends):
            weights = rule(end, place)
            turnover = float(np.abs(weights - held).sum())
            traded += turnover
            held = weights
            for step, row in enumerate(y[end : end + HOLD]):
                daily.append(float(held @ row) - (COST * turnover if not step else 0.0))
                held = normed(held * (1 + row / 100))
        rows[name] = {**shape(np.array(daily)), "turnover": traded / len(daily) * 252,
                      "seconds": round(time.process_time() - start, 1)}  # fmt: skip
    return {"shares": len(names), "sessions": len(y) - first, "rows": rows}


def normed(weights: Array) -> Array:
    return weights / weights.sum()


def shape(daily: Array) -> dict[str, float]:
    """Yearly return and volatility, CVaR of the worst twentieth of days in percent, deepest fall."""
    wealth = np.cumprod(1 + daily / 100)
    worst = np.sort(daily)[: math.ceil(len(daily) / 20)]
    return {
        "return": float(daily.mean() * 252 / 100),
        "volatility": float(daily.std(ddof=1) * math.sqrt(252) / 100),
        "cvar95": float(-worst.mean()),
        "fall": float((1 - wealth / np.maximum.accumulate(wealth)).max()),
    }


def table(found: dict[str, Any]) -> str:
    lines = []
    for series, rows in found["risk"].items():
        lines += [
            f"{series}: 1 % VaR, ES, last {found['days']} sessions, {LEVEL * found['days']:g} violations due",
            f"{'':14}{'viol.':>6}{'Kupiec':>8}{'Christ.':>8}{'DQ':>7}{'Z2':>7}{'QS':>8}{'FZ0':>7}{'green':>7}"
            f"{'red':>6}{'CPU s':>7}",
        ]
        for name, row in rows.items():
            lines.append(
                f"{name:14}{row['violations']:6d}{row['kupiec']:8.3f}{row['christoffersen']:8.3f}"
                f"{row['dynamic_quantile']:7.3f}{row['z2']:7.2f}{row['quantile_score']:8.4f}{row['fz0']:7.3f}"
                f"{row['green']:7.2f}{row['red']:6.2f}{row['seconds']:7.1f}"
            )
        lines.append("")
    told = found["direction"]
    lines += [
        f"Direction, {told['series']}: up-rate {told['up_rate']:.4f}, Brier score of the up-rate so far "
        f"{told['brier_up_rate']:.5f}; {told['variants']} variants tried, least p {told['least_p']:.3f}, "
        f"times {told['variants']} {told['least_p_bonferroni']:.3f}",
        f"{'':28}{'Brier':>9}{'skill':>9}{'hits':>8}{'p':>7}",
    ]
    for name, row in told["rows"].items():
        lines.append(f"{name:28}{row['brier']:9.5f}{row['skill']:9.4f}{row['hits']:8.4f}{row['p']:7.3f}")
    if "portfolios" in found:
        about = found["portfolios"]
        lines += [
            "",
            f"Portfolios of {about['shares']} shares, {about['sessions']} sessions, after costs",
            f"{'':32}{'return':>8}{'vol.':>7}{'CVaR95':>8}{'fall':>7}{'turnover':>10}{'CPU s':>7}",
        ]
        for name, row in about["rows"].items():
            lines.append(
                f"{name:32}{row['return']:8.3f}{row['volatility']:7.3f}{row['cvar95']:8.2f}{row['fall']:7.3f}"
                f"{row['turnover']:10.1f}{row['seconds']:7.1f}"
            )
    return "\n".join(lines)
