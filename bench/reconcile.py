"""``python -m bench.reconcile``: forecasts of road speeds, of six groups and of their total, made to add up.

42 of the loop detectors of Los Angeles, an hour ahead in steps of five minutes, from the last eight origins
of the panel that presets may be tuned on (`bench.panels.loops`). Every origin is forecast with `closed_form`
and reconciled with the errors of the ten origins before it, an hour apart. Figures are the mean WIS over
that of the forecasts as they were, and how much of the outcomes the total's 80 % interval holds.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
import polars as pl

import foreseal
from bench.panels import loops
from foreseal.rules import coverage, wis

STEPS, ORIGINS, PAST, GROUP = 12, 8, 10, 7
TOTAL = "all"
METHODS: dict[str, dict[str, str]] = {
    "as they were": {},
    "wls": {"method": "wls"},
    "mint": {"method": "mint"},
    "bottom_up": {"method": "bottom_up"},
    "wls, independent": {"method": "wls", "dependence": "independent"},
}


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.reconcile", description=__doc__)
    options.add_argument("--json", action="store_true", help="print one JSON object")
    rows = compare()
    if options.parse_args().json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'':18}" + "".join(f"{name:>16}" for name in ("total", "groups", "sensors", "80 % of total")))
    for row in rows:
        scores = "".join(f"{row[name]:16.3f}" for name in ("total", "groups", "sensors"))
        print(f"{row['method']:18}{scores}{row['coverage_80']:16.1%}")


def compare() -> list[dict[str, Any]]:
    """A row for each way of reconciling: ratios of mean WIS by level, coverage of the total."""
    frame, summing = with_sums()
    times = frame["ds"].unique().sort()
    scores: dict[str, list[pl.DataFrame]] = {name: [] for name in METHODS}
    for k in range(ORIGINS):
        origin = times[-1 - STEPS * (k + 1)]
        seen = frame.filter(pl.col("ds") <= origin)
        base = foreseal.forecast(seen, STEPS, models=["closed_form"])
        past = foreseal.cross_validation(seen, STEPS, PAST, presets=[], models=["closed_form"])
        for name, how in METHODS.items():
            made: Any = foreseal.reconcile(base, summing, past=past, **how) if how else base
            scores[name].append(judged(made.frame, frame, made.quantiles))
    was = by_level(pl.concat(scores["as they were"]))
    rows = []
    for name, parts in scores.items():
        found = by_level(pl.concat(parts))
        ratios = {level: found[level] / was[level] for level in ("total", "groups", "sensors")}
        rows.append({"method": name, **ratios, "coverage_80": found["covered"]})
    return rows


def with_sums() -> tuple[pl.DataFrame, dict[str, list[str]]]:
    """The sensors, groups of seven in the order of the file, and everything; what is made of what."""
    frame = loops().frame.select("unique_id", "ds", "y")
    sensors = frame["unique_id"].unique(maintain_order=True).to_list()
    groups = {f"group {k // GROUP + 1}": sensors[k : k + GROUP] for k in range(0, len(sensors), GROUP)}
    summing = {**groups, TOTAL: list(groups)}
    parts = {**groups, TOTAL: sensors}
    sums = [
        frame.filter(pl.col("unique_id").is_in(of))
        .group_by("ds", maintain_order=True)
        .agg(pl.col("y").sum())
        .select(pl.lit(name).alias("unique_id"), "ds", "y")
        for name, of in parts.items()
    ]
    return pl.concat([frame, *sums]), summing


def judged(made: pl.DataFrame, outcomes: pl.DataFrame, levels: tuple[float, ...]) -> pl.DataFrame:
    """WIS of every forecast value, and whether the central 80 % interval held the outcome."""
    names = [name for name in made.columns if name.startswith("q0.")]
    joined = made.join(outcomes, on=["unique_id", "ds"])
    y, quantiles = joined["y"].to_numpy(), joined.select(names).to_numpy()
    low, high = levels.index(0.1), levels.index(0.9)
    held = [coverage(y[k], quantiles[k, low], quantiles[k, high]) for k in range(len(y))]
    return joined.select("unique_id").with_columns(
        wis=pl.Series(wis(y, quantiles, np.array(levels))), held=pl.Series(held)
    )


def by_level(scores: pl.DataFrame) -> dict[str, float]:
    name = pl.col("unique_id")
    level = pl.when(name == TOTAL).then(pl.lit("total")).when(name.str.starts_with("group "))
    means = dict(
        scores.group_by(level.then(pl.lit("groups")).otherwise(pl.lit("sensors")).alias("level"))
        .agg(pl.col("wis").mean())
        .iter_rows()
    )
    return means | {"covered": float(scores.filter(name == TOTAL)["held"].mean())}  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
