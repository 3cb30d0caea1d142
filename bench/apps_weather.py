"""``weather``: rain at Innsbruck in 2008 and 2009, days at Seattle in 2015, hours at New York in late 2013.

A project is made and run as `foreseal init --app weather` and `foreseal run` do, and everything is read back
from its sealed log. Features, power and window of ``emos`` were chosen on 2004 to 2007; 2008 and 2009 were
read once, with them. Of rain from 2010 on nothing is read.

CRPS is that of the sealed quantiles (trapezoidal rule over 23 levels) and, for the raw ensemble, that of its
eleven members. p is one-sided, by Diebold and Mariano's test with Bartlett weights over `LAGS` days, for the
sums of three days overlap.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.example import made, replay
from foreseal import rules
from foreseal.run.results import Results

LAGS = 10


def run() -> dict[str, Any]:
    """Scores, costs of alerts and receipts of one run."""
    with made("weather") as folder:
        return measure(folder)


def measure(folder: Path) -> dict[str, Any]:
    """The table of a new project, which this runs."""
    results, account = replay(folder)
    found: dict[str, Any] = {
        **account,
        "rain": rain(results),
        "records": {},
        "alerts": {},
    }
    for record in results.records():
        cover = {f"{each.level:g}": round(each.observed, 3) for each in record.coverage}
        found["records"][record.target] = {
            "wis": round(record.mean, 4),
            "baseline": round(record.baseline_mean, 4),
            "cover_80": cover.get("0.8"),
            "cutoffs": record.settled,
        }
    for name in results.project.settings.decisions:
        found["alerts"][name] = alerts(results, name)
    return found


def rain(results: Results) -> dict[str, Any]:
    """CRPS of EMOS, climatology and raw ensemble over the same days."""
    target, other = (results.project.targets[name] for name in ("rain", "rain_beside_ensemble"))
    outcomes = results.outcomes(target).select("ds", "y")
    tables = {
        "emos": results.forecasts(target, "us"),
        "climatology": results.forecasts(target, "baseline"),
        "ensemble_quantiles": results.forecasts(other, "baseline"),
    }
    crps = {}
    for name, frame in tables.items():
        rows = outcomes.join(frame, on="ds").sort("ds")
        values = rows.select(pl.selectors.starts_with("q")).to_numpy()
        crps[name] = rules.crps_quantiles(rows["y"].to_numpy(), values, target.quantiles)
    days = outcomes.sort("ds")
    with results.project.store() as store:
        last = target.settles_at(target.cutoffs[-1])
        members = store.as_of("ensemble", last, store.latest_n("ensemble")).select("unique_id", "ds", "y")
    wide = days.join(members.pivot("unique_id", index="ds", values="y"), on="ds", how="left").sort("ds")
    raw = rules.crps_ensemble(wide["y"].to_numpy(), wide.drop("ds", "y").to_numpy())
    # On a day without an ensemble the raw one got climatology.
    crps["raw_ensemble"] = np.where(np.isfinite(raw), raw, crps["climatology"])
    found: dict[str, Any] = {"days": len(days), "lags": LAGS}
    for name, each in crps.items():
        found[name] = {"crps": round(float(each.mean()), 4)}
        if name != "emos":
            t, p = diebold_mariano(crps["emos"] - each, LAGS)
            found[name] |= {"t": round(t, 2), "p": p}
    return found


def diebold_mariano(difference: np.ndarray, lags: int) -> tuple[float, float]:
    """Statistic of a mean difference, and the one-sided probability of one as far below zero (normal)."""
    n, away = len(difference), difference - difference.mean()
    variance = float(away @ away) / n
    for lag in range(1, lags + 1):
        variance += 2.0 * (1.0 - lag / (lags + 1)) * float(away[lag:] @ away[:-lag]) / n
    t = float(difference.mean()) / math.sqrt(variance / n)
    return t, 0.5 * math.erfc(-t / math.sqrt(2.0))


def alerts(results: Results, name: str) -> dict[str, float]:
    """What each option of a decision cost in all."""
    total: dict[str, float] = {}
    for decided in results.decisions(name):
        for option, cost in decided.costs.items():
            total[option] = total.get(option, 0.0) + cost
    return {option: round(cost, 1) for option, cost in total.items()}


def table(found: dict[str, Any]) -> str:
    part = found["rain"]
    lines = [
        f"{found['cutoffs']} cutoffs in {found['seconds']} s of CPU time, {found['verified']} of "
        f"{found['receipts']} receipts verified",
        f"rain, {part['days']} days, CRPS in mm (Diebold-Mariano, {part['lags']} lags)",
    ]
    for name in ("emos", "climatology", "raw_ensemble", "ensemble_quantiles"):
        each = part[name]
        test = f"  emos lower: t = {each['t']}, p = {each['p']:.2g}" if "t" in each else ""
        lines.append(f"  {name:<20}{each['crps']:>8.3f}{test}")
    for name, each in found["records"].items():
        lines.append(
            f"{name:<22} WIS {each['wis']:>8.3f}, baseline {each['baseline']:>8.3f}, 80 % intervals held "
            f"{each['cover_80']:.1%}, {each['cutoffs']} cutoffs"
        )
    for name, each in found["alerts"].items():
        lines.append(f"{name:<22} cost " + ", ".join(f"{option} {cost:g}" for option, cost in each.items()))
    return "\n".join(lines)
