"""The tables behind the figures, against counting by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from foreseal.figures.calibration import calibration_figure, calibration_table
from foreseal.figures.regret import regret_figure, regret_table
from foreseal.figures.reliability import reliability_figure, reliability_table, wilson
from foreseal.figures.skill import skill_figure, skill_table

START = datetime(2024, 1, 1, tzinfo=UTC)


def day(k: int) -> datetime:
    return START + timedelta(days=k)


def test_calibration_counts_outcomes_at_or_below_each_quantile() -> None:
    keys = {"unique_id": ["a"] * 4, "ds": [day(k) for k in range(4)], "cutoff": [START] * 4}
    forecasts = pl.DataFrame(keys | {"q0.1": [0.0, 0, 0, 0], "q0.5": [2.0, 2, 2, 2]})
    outcomes = pl.DataFrame(keys | {"y": [-1.0, 2.0, 3.0, None]})
    table = calibration_table(forecasts, outcomes, (0.1, 0.5))
    assert table["below"].to_list() == pytest.approx([1 / 3, 2 / 3])
    assert table["n"].to_list() == [3, 3]
    assert calibration_figure(table)


def test_running_means_weigh_each_value_once() -> None:
    scores = pl.DataFrame(
        {
            "cutoff": [day(1), day(0)],
            "status": ["scored", "missing"],
            "n": [1, 3],
            "mean": [8.0, 4.0],
            "baseline": [4.0, 8.0],
        }
    )
    table = skill_table(scores)
    assert table["running_mean"].to_list() == [4.0, (3 * 4 + 8) / 4]
    assert table["running_baseline"].to_list() == [8.0, (3 * 8 + 4) / 4]
    assert table["skill"].to_list() == pytest.approx([0.5, 1 - 20 / 28])
    labels = [item.label.value for item in skill_figure(table, rule="wis").legend[0].items]
    assert "no valid forecast" in labels


@pytest.fixture
def costs() -> pl.DataFrame:
    rows = [
        (day(0), "plan", True, 5.0),
        (day(0), "other", False, 7.0),
        (day(1), "plan", True, 6.0),
        (day(1), "other", False, 3.0),
        (day(2), "plan", True, None),
        (day(2), "other", False, None),
    ]
    return pl.DataFrame(rows, schema=["cutoff", "option", "chosen", "cost"], orient="row")


def test_regret_is_the_cost_above_the_cheapest_and_savings_add_up(costs: pl.DataFrame) -> None:
    table = regret_table(costs)
    assert table["cutoff"].to_list() == [day(0), day(1)]
    assert table["regret"].to_list() == [0.0, 3.0]
    assert table["saved other"].to_list() == [2.0, -1.0]
    assert "saved plan" not in table.columns
    assert regret_figure(table, unit="{vehicle}.h")


def test_an_option_that_is_chosen_now_and_then_is_compared_as_well(costs: pl.DataFrame) -> None:
    mixed = costs.with_columns(chosen=(pl.col("option") == "plan") ^ (pl.col("cutoff") == day(1)))
    table = regret_table(mixed)
    assert table["chosen"].to_list() == ["plan", "other"]
    assert table["saved other"].to_list() == [2.0, 2.0]
    assert table["saved plan"].to_list() == [0.0, 3.0]


def test_before_the_first_outcome_there_is_nothing_to_regret(costs: pl.DataFrame) -> None:
    assert regret_table(costs.with_columns(cost=pl.lit(None, pl.Float64))).is_empty()


def test_wilson_intervals_are_those_of_statsmodels() -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    for hits, n in ((0, 10), (3, 10), (10, 10), (400, 1000)):
        assert wilson(hits, n) == pytest.approx(
            proportion.proportion_confint(hits, n, method="wilson"), abs=1e-12
        )


def test_reliability_groups_all_cases_by_probability() -> None:
    rng = np.random.default_rng(3)
    p = rng.uniform(size=103)
    keys = {"case_id": [f"c{k}" for k in range(p.size)], "cutoff": [START] * p.size}
    y = rng.binomial(1, p)
    table = reliability_table(pl.DataFrame(keys | {"p": p}), pl.DataFrame(keys | {"y": y}))
    assert table.height == 10
    assert table["n"].sum() == 103
    assert table["n"].max() - table["n"].min() <= 1
    assert table["p"].is_sorted()
    assert (table["observed"] * table["n"]).sum() == pytest.approx(y.sum())
    assert reliability_figure(table)


def test_fewer_cases_than_groups_make_one_group_each() -> None:
    keys = {"case_id": ["a", "b"], "cutoff": [START] * 2}
    table = reliability_table(pl.DataFrame(keys | {"p": [0.9, 0.2]}), pl.DataFrame(keys | {"y": [1, 0]}))
    assert table["n"].to_list() == [1, 1]
    assert table["observed"].to_list() == [0, 1]
    assert reliability_table(
        pl.DataFrame(keys | {"p": [0.9, 0.2]}), pl.DataFrame(keys | {"y": [1, 0]}).clear()
    ).is_empty()
