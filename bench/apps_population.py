"""``population``: municipalities of Ontario and a projected nation from the application's own sealed log, and
countries of the UN's World Population Prospects 2019 by age and sex, which the application does not hold.

Rules were chosen on municipalities up to 2016 and on countries up to 2000. The census of 2021, and countries
from 2005 to 2020, were read once, with them. Countries had more than 500 000 women and men in 1950. Their
numbers are the UN's estimates, revised in the light of later censuses: less noisy, and known later, than what
a forecaster would have had. Death rates of a span of five years count as known at its end.
Data of the countries: ``$FORESEAL_SHARED/data/population/wpp2019``.
"""

from __future__ import annotations

import os
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.apps_weather import alerts
from bench.example import made, replay
from foreseal import rules
from foreseal.clock import Frequency
from foreseal.errors import ModelWarning
from foreseal.frame import UTC_TIME, Panel
from foreseal.predict.cohort_component import CohortComponent
from foreseal.predict.cohorts import Cohorts, hamilton_perry
from foreseal.predict.linear_trend import LinearTrend
from foreseal.run.results import Results

LEVELS = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
MEDIAN = LEVELS.index(0.5)
FIVE = Frequency(5, "y")
YEARS = tuple(range(1950, 2021, 5))
SEXES = ("female", "male")
AGES = tuple(range(0, 101, 5))
ORIGINS = {"chosen_on": (1980, 1985, 1990), "read_once": (2005, 2010, 2015)}
LEAST = 500.0
# Percentages of groups that hardly anybody reaches mean little.
OLDEST = 85


def run() -> dict[str, Any]:
    """The table."""
    with made("population") as folder:
        return measure(folder) | {"countries": countries()}


def measure(folder: Path) -> dict[str, Any]:
    """What a new project, which this runs, comes to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModelWarning)
        results, account = replay(folder)
    project = results.project
    found: dict[str, Any] = {
        **account,
        "towns": towns(results),
        "clinics": alerts(results, "clinics"),
    }
    target = project.targets["projected_nation"]
    record = results.record(target, "us")
    found["projection"] = {
        "wis": round(record.mean, 1),
        "linear_trend": round(record.baseline_mean, 1),
        **point_errors(results),
    }
    return found


def towns(results: Results) -> dict[str, Any]:
    """By census: the application beside a linear trend and carrying on the newest count."""
    target = results.project.targets["next_census"]
    outcomes = results.outcomes(target)
    found: dict[str, Any] = {}
    for seq, cutoff in enumerate(target.cutoffs):
        came = outcomes.filter(pl.col("cutoff") == cutoff)
        year = str(came["ds"][0].year)
        row: dict[str, Any] = {}
        for who, name in (("us", "small_areas"), ("baseline", "linear_trend")):
            said = results.forecasts(target, who).filter(pl.col("cutoff") == cutoff)
            rows = came.drop("cutoff").join(said, on=["unique_id", "ds"])
            row[name] = judge(rows["y"].to_numpy(), rows.select(pl.selectors.starts_with("q")).to_numpy())
        found[f"{year}" + (" (read once)" if seq == len(target.cutoffs) - 1 else "")] = row
    return found


def judge(y: np.ndarray, values: np.ndarray) -> dict[str, float]:
    """Mean interval score, median absolute percentage error where anybody lives, and coverage."""
    ape = np.abs(values[y > 0, MEDIAN] / y[y > 0] - 1.0)
    return {
        "wis": round(float(rules.wis(y, values, LEVELS).mean()), 2),
        "mdape": round(100 * float(np.median(ape)), 2),
        "mape": round(100 * float(ape.mean()), 2),
        "cover_80": round(float(np.mean((values[:, 2] <= y) & (y <= values[:, -3]))), 3),
    }


def point_errors(results: Results) -> dict[str, float]:
    """Mean absolute percentage errors of the projected nation's cells, beside Hamilton and Perry."""
    target = results.project.targets["projected_nation"]
    outcomes, said = results.outcomes(target), results.forecasts(target, "us")
    errors: dict[str, list[np.ndarray]] = {"mape": [], "hamilton_perry_mape": []}
    with results.project.store() as store:
        n = store.latest_n(target.dataset)
        for cutoff in target.cutoffs:
            known = store.as_of(target.dataset, cutoff, n).select("unique_id", "ds", "y")
            wide = known.pivot("unique_id", index="ds", values="y").sort("ds").drop("ds")
            cohorts = Cohorts.of(wide.columns, Frequency(1, "y"))
            counts = wide.to_numpy()[:, cohorts.place]
            ahead = hamilton_perry(cohorts, counts, target.horizon)
            came = outcomes.filter(pl.col("cutoff") == cutoff).drop("cutoff")
            rows = came.join(said.filter(pl.col("cutoff") == cutoff), on=["unique_id", "ds"])
            truth = rows.pivot("unique_id", index="ds", values="y").sort("ds").select(wide.columns).to_numpy()
            ours = rows.pivot("unique_id", index="ds", values="q0.5").sort("ds").select(wide.columns)
            flat = np.empty_like(truth)
            flat[:, cohorts.place.ravel()] = ahead.reshape(len(ahead), -1)
            errors["mape"].append(np.abs(ours.to_numpy() / truth - 1.0))
            errors["hamilton_perry_mape"].append(np.abs(flat / truth - 1.0))
    return {name: round(100 * float(np.mean(np.concatenate(each))), 3) for name, each in errors.items()}


def countries(origins: dict[str, tuple[int, ...]] | None = None, steps: int = 3) -> dict[str, Any]:
    """Five to fifteen years ahead, by which origins: cohort-component beside Hamilton-Perry and a trend."""
    ids, counts, rates = load()
    return {
        part: _back_test(counts, rates, years, steps) | {"countries": len(ids), "origins": list(years)}
        for part, years in (origins or ORIGINS).items()
    }


def load() -> tuple[list[int], np.ndarray, np.ndarray]:
    """Codes, thousands (countries, years, sexes, ages) and yearly death rates (countries, spans, ...)."""
    folder = Path(os.environ.get("FORESEAL_SHARED", "../shared")) / "data" / "population" / "wpp2019"
    places = pl.read_csv(folder / "locations.csv", infer_schema_length=1000, encoding="utf8-lossy")
    codes = places.filter(pl.col("location_type") == 4)["country_code"].to_list()

    def read(name: str, columns: list[str]) -> tuple[list[int], np.ndarray]:
        table = pl.read_parquet(folder / name).filter(pl.col("country_code").is_in(codes))
        ids = table["country_code"].unique(maintain_order=True).to_list()
        values = table.select(columns).to_numpy().astype(float)
        return ids, values.reshape(len(ids), -1, len(columns)).transpose(0, 2, 1)

    years = list(map(str, YEARS))
    spans = [f"{year}-{year + 5}" for year in YEARS[:-1]]
    pop = [read(f"pop{letter}.parquet", years) for letter in "FM"]
    death = [read(f"mx{letter}.parquet", spans) for letter in "FM"]
    ids = [each for each in pop[0][0] if all(each in found for found, _ in (*pop, *death))]
    counts = np.stack([v[[f.index(i) for i in ids]] for f, v in pop], axis=2)
    rates = np.stack([v[[f.index(i) for i in ids]] for f, v in death], axis=2)
    young = (rates[..., :1] + 4.0 * rates[..., 1:2]) / 5.0
    rates = np.concatenate([young, rates[..., 2:]], axis=-1)
    large = counts[:, 0].sum(axis=(1, 2)) > LEAST
    return [i for i, kept in zip(ids, large, strict=True) if kept], counts[large], rates[large]


def _back_test(counts: np.ndarray, rates: np.ndarray, origins: tuple[int, ...], steps: int) -> dict[str, Any]:
    truth, said, trend, simple, plain = ([] for _ in range(5))
    start = time.process_time()
    for country in range(len(counts)):
        for origin in origins:
            at = YEARS.index(origin)
            h = min(steps, len(YEARS) - 1 - at)
            panel = _panel(counts[country, : at + 1], rates[country, :at])
            cohorts = Cohorts.of(panel.ids(), FIVE)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ModelWarning)
                for model, into in (
                    (CohortComponent("deaths/"), said),
                    (CohortComponent(), plain),
                    (LinearTrend(), trend),
                ):
                    frame = model.fit(panel).predict(h, LEVELS).frame
                    values = frame.select(pl.selectors.starts_with("q")).to_numpy()
                    into.append(values.reshape(-1, h, len(LEVELS))[cohorts.place].reshape(-1, len(LEVELS)))
            ahead = hamilton_perry(cohorts, counts[country, : at + 1], h)
            simple.append(ahead.transpose(1, 2, 0).ravel())
            truth.append(counts[country, at + 1 : at + 1 + h].transpose(1, 2, 0).ravel())
    seconds = time.process_time() - start
    y = np.concatenate(truth)
    ages = np.concatenate([np.tile(np.repeat(AGES, len(each) // 42), 2) for each in truth])
    found: dict[str, Any] = {"cells": len(y), "seconds": round(seconds, 1)}
    for name, values in (("cohort_component", said), ("without_rates", plain), ("linear_trend", trend)):
        every = np.concatenate(values)
        found[name] = _errors(y, every[:, MEDIAN], ages) | {
            "wis": round(float(rules.wis(y, every, LEVELS).mean()), 3),
            "cover_80": round(float(np.mean((every[:, 2] <= y) & (y <= every[:, -3]))), 3),
            "cover_95": round(float(np.mean((every[:, 0] <= y) & (y <= every[:, -1]))), 3),
        }
    found["hamilton_perry"] = _errors(y, np.concatenate(simple), ages)
    return found


def _errors(y: np.ndarray, point: np.ndarray, ages: np.ndarray) -> dict[str, float]:
    """Percentages: mean over cells below `OLDEST`, and absolute error of all people over all people."""
    some = (ages < OLDEST) & (y > 0)
    return {
        "mape": round(100 * float(np.mean(np.abs(point[some] / y[some] - 1.0))), 3),
        "wape": round(100 * float(np.abs(point - y).sum() / y.sum()), 3),
    }


def _panel(counts: np.ndarray, rates: np.ndarray) -> Panel:
    """A country as known at its last count: thousands (years, sexes, ages), rates (spans, sexes, ages)."""
    stamps = [datetime(year, 7, 1, tzinfo=UTC) for year in YEARS]
    names = [f"{sex}/{age}" for sex in SEXES for age in AGES]
    frame = pl.DataFrame(
        {
            "unique_id": np.repeat(names, len(counts)),
            "ds": pl.Series(stamps[: len(counts)] * len(names), dtype=UTC_TIME),
            "y": counts.reshape(len(counts), -1).T.ravel(),
        }
    )
    wide = {"ds": pl.Series(stamps[: len(rates)], dtype=UTC_TIME)}
    table = rates.reshape(len(rates), -1)
    covariates = pl.DataFrame(wide | {f"deaths/{name}": table[:, k] for k, name in enumerate(names)})
    end = datetime(YEARS[len(counts) - 1] + 5, 7, 1, tzinfo=UTC)
    return Panel(frame.sort("unique_id", "ds"), FIVE, start=end, covariates=covariates)


def table(found: dict[str, Any]) -> str:
    lines = [
        f"{found['cutoffs']} cutoffs in {found['seconds']} s of CPU time, {found['verified']} of "
        f"{found['receipts']} receipts verified",
        "municipalities of Ontario, one census ahead, persons",
    ]
    for year, row in found["towns"].items():
        for name, each in row.items():
            lines.append(
                f"  {year:<18}{name:<14} WIS {each['wis']:>8.1f}, MdAPE {each['mdape']:.2f} %, MAPE "
                f"{each['mape']:.2f} %, 80 % intervals held {each['cover_80']:.1%}"
            )
    costs = ", ".join(f"{name} {cost:g}" for name, cost in found["clinics"].items())
    lines.append(f"clinics, person-kilometres in all  {costs}")
    each = found["projection"]
    lines.append(
        f"projected nation (not counted)  WIS {each['wis']}, linear trend {each['linear_trend']}; MAPE "
        f"{each['mape']} %, Hamilton-Perry {each['hamilton_perry_mape']} %"
    )
    for part, each in found["countries"].items():
        lines.append(
            f"{each['countries']} countries from {each['origins']}, {each['cells']} cells, thousands "
            f"({part.replace('_', ' ')}; {each['seconds']} s)"
        )
        for name in ("cohort_component", "without_rates", "hamilton_perry", "linear_trend"):
            row = each[name]
            line = f"  {name:<18} MAPE {row['mape']:>7.3f} %, people misplaced {row['wape']:>6.3f} %"
            if "wis" in row:
                line += (
                    f", WIS {row['wis']:>8.3f}, 80 / 95 % intervals held {row['cover_80']:.1%} / "
                    f"{row['cover_95']:.1%}"
                )
            lines.append(line)
    return "\n".join(lines)
