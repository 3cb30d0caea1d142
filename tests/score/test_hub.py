"""A hub's scores equal those that plain Python computes."""

from __future__ import annotations

import math
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from foreseal.collect.hub import LEVELS
from foreseal.errors import UsageError
from foreseal.score.hub import relative_skill, score_hub, score_tasks

DAY = date(2024, 11, 23)


def plain_wis(y: float, values: list[float]) -> float:
    """From interval scores and the median, as Bracher et al. (2021) define it, not from pinball losses."""
    half = len(LEVELS) // 2
    total = abs(y - values[half]) / 2
    for k in range(half):
        low, high, alpha = values[k], values[-1 - k], 2 * LEVELS[k]
        score = (high - low) + 2 / alpha * max(low - y, 0) + 2 / alpha * max(y - high, 0)
        total += alpha / 2 * score
    return total / (half + 0.5)


def plain_skill(scores: list[list[float | None]], baseline: int) -> list[float]:
    means = []
    for mine in scores:
        logs = []
        for other in scores:
            both = [(a, b) for a, b in zip(mine, other, strict=True) if a is not None and b is not None]
            if both:
                logs.append(math.log(sum(a for a, _ in both) / sum(b for _, b in both)))
        means.append(sum(logs) / len(logs))
    return [math.exp(each - means[baseline]) for each in means]


def test_scores_of_tasks_equal_those_from_interval_scores() -> None:
    rng = np.random.default_rng(1)
    values = np.sort(rng.gamma(1.5, 80.0, (300, 23)), axis=1)
    y = np.rint(rng.gamma(1.5, 80.0, 300))
    wis, log_wis, held = score_tasks(y, values, LEVELS)
    for k in range(300):
        assert wis[k] == pytest.approx(plain_wis(float(y[k]), values[k].tolist()), abs=1e-9)
        logs = [math.log1p(v) for v in values[k].tolist()]
        assert log_wis[k] == pytest.approx(plain_wis(math.log1p(float(y[k])), logs), abs=1e-9)
        assert held[k].tolist() == [
            values[k, 6] <= y[k] <= values[k, 16],
            values[k, 3] <= y[k] <= values[k, 19],
            values[k, 2] <= y[k] <= values[k, 20],
            values[k, 1] <= y[k] <= values[k, 21],
        ]


def test_relative_skill_compares_every_two_models_on_the_tasks_of_both() -> None:
    rng = np.random.default_rng(2)
    scores = rng.gamma(2.0, 1.0, (5, 40))
    scores[rng.random((5, 40)) < 0.3] = np.nan
    lists = [[None if math.isnan(v) else v for v in row] for row in scores.tolist()]
    assert relative_skill(scores, 2) == pytest.approx(plain_skill(lists, 2), rel=1e-12)
    assert relative_skill(scores, 2)[2] == 1.0


def test_a_model_that_forecasts_easy_weeks_alone_gains_nothing() -> None:
    hard = np.array([[1.0, 10.0], [1.0, 10.0], [1.0, np.nan]])
    assert relative_skill(hard, 0) == pytest.approx([1.0, 1.0, 1.0])


def test_a_model_that_shares_no_task_with_another_has_no_skill() -> None:
    scores = np.array([[1.0, 2.0, np.nan], [2.0, 4.0, np.nan], [np.nan, np.nan, 3.0]])
    found = relative_skill(scores, 0)
    assert found[:2] == pytest.approx([1.0, 2.0])
    assert math.isnan(found[2])


def test_values_below_zero_count_as_zero_in_logarithms() -> None:
    values = np.linspace(-5.0, 60.0, 23)[None]
    _, log_wis, _ = score_tasks(np.array([4.0]), values, LEVELS)
    logs = [math.log1p(max(v, 0.0)) for v in values[0].tolist()]
    assert log_wis[0] == pytest.approx(plain_wis(math.log1p(4.0), logs))
    _, below, _ = score_tasks(np.array([-2.0]), np.maximum(values, 0.0), LEVELS)
    assert below[0] == pytest.approx(plain_wis(0.0, logs))


def said(values: dict[tuple[str, int], float]) -> list[tuple[date, pl.DataFrame, np.ndarray]]:
    keys = pl.DataFrame(list(values), schema=["location", "horizon"], orient="row")
    levels = np.array(LEVELS)
    return [(DAY, keys, np.array([middle + 10 * (levels - 0.5) for middle in values.values()]))]


def test_missing_tasks_are_counted_and_filled_with_the_baseline() -> None:
    outcomes = {(place, DAY + timedelta(weeks=h)): 100.0 for place in ("01", "02") for h in range(2)}
    every = {
        ("01", 0): 80.0,
        ("01", 1): 80.0,
        ("02", 0): 80.0,
        ("02", 1): 80.0,
        ("02", 2): 1.0,
        ("01", -1): 1.0,
    }
    found = score_hub(
        {"base": said(every), "ours": said({("01", 0): 95.0, ("02", 1): 95.0}), "none": []},
        outcomes,
        LEVELS,
        "base",
        horizons=(0, 1, 2),
    )
    ours, base = found.row("ours"), found.row("base")
    assert (found.tasks, found.without_outcome) == (4, 1)
    assert (ours["tasks"], ours["missing"], base["missing"]) == (2, 2, 0)
    assert (found.row("none")["tasks"], found.row("none")["missing"]) == (0, 4)
    assert math.isnan(found.row("none")["wis"])
    ratio = plain_wis(100, [95 + 10 * (u - 0.5) for u in LEVELS]) / plain_wis(
        100, [80 + 10 * (u - 0.5) for u in LEVELS]
    )
    assert ours["relative_wis"] == pytest.approx(ratio)
    assert ours["filled_wis"] == pytest.approx((ratio + 1) / 2)
    assert found.table["model"][0] == "ours"


def test_a_baseline_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="no model 'base'"):
        score_hub({"ours": said({("01", 0): 1.0})}, {}, LEVELS, "base")
    with pytest.raises(UsageError, match="has an outcome"):
        score_hub({"base": said({("01", 0): 1.0})}, {}, LEVELS, "base")


def test_real_submissions_score_as_plain_python_says(shared: Path) -> None:
    """A sample of two models of the FluSight hub, one season."""
    folder = shared / "medicine" / "flusight_hub"
    vintages = pl.read_parquet(folder / "vintages.parquet")
    last = vintages.filter(pl.col("as_of") == vintages["as_of"].max())
    outcomes = {(place, day): y for place, day, y in last.select("location", "date", "value").iter_rows()}
    rounds = [date(2023, 12, 2), date(2024, 1, 13)]
    models: dict[str, list[tuple[date, pl.DataFrame, np.ndarray]]] = {}
    totals: dict[str, dict[tuple[date, str, int], float]] = {}
    for model in ("FluSight-baseline", "UMass-flusion"):
        rows = pl.read_parquet(folder / f"{model}.parquet").with_columns(pl.col("horizon").cast(pl.Int64))
        models[model], totals[model] = [], {}
        for round_ in rounds:
            some = rows.filter((pl.col("reference_date") == round_) & (pl.col("horizon") >= 0))
            some = some.filter(pl.col("location").is_in(["01", "06", "US"])).sort(
                "location", "horizon", "quantile"
            )
            keys = some.select("location", "horizon").gather_every(23)
            values = some["value"].to_numpy().reshape(-1, 23)
            models[model].append((round_, keys, values))
            for (place, h), row in zip(keys.iter_rows(), values.tolist(), strict=True):
                y = outcomes[place, round_ + timedelta(weeks=h)]
                totals[model][round_, place, h] = plain_wis(y, row)
    found = score_hub(models, outcomes, LEVELS, "FluSight-baseline")
    mean = {model: sum(each.values()) / len(each) for model, each in totals.items()}
    for model, each in mean.items():
        assert found.row(model)["wis"] == pytest.approx(each, abs=1e-6)
    assert found.row("UMass-flusion")["skill"] == pytest.approx(
        (mean["UMass-flusion"] / mean["FluSight-baseline"]), abs=1e-6
    )
