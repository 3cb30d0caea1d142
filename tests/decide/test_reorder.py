from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from foreseal.decide.policy import Policy
from foreseal.decide.reorder import Reorder
from foreseal.decide.stock import best_levels, chances
from foreseal.errors import ModelError
from foreseal.records import Forecast

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
WEEKS = [datetime(2026, 3, 2, tzinfo=UTC) + timedelta(weeks=k) for k in range(4)]
NOTHING = pl.DataFrame(schema={"unique_id": pl.String, "ds": pl.Datetime("us", "UTC"), "y": pl.Float64})
ROWS = {"belt@home": (0.0, 0.0, 1.0, 2.0, 5.0), "pump@home": (2.0, 3.0, 4.0, 5.0, 6.0)}


def forecast() -> Forecast:
    made = [(uid, ds, WEEKS[0], *row) for uid, row in ROWS.items() for ds in WEEKS]
    schema = {
        "unique_id": pl.String,
        "ds": pl.Datetime("us", "UTC"),
        "cutoff": pl.Datetime("us", "UTC"),
        **{f"q{p:g}": pl.Float64 for p in LEVELS},
    }
    return Forecast(pl.DataFrame(made, schema=schema, orient="row"), LEVELS)


def outcome(**weeks: list[float]) -> pl.DataFrame:
    rows = [(uid, ds, y) for uid, ys in weeks.items() for ds, y in zip(WEEKS, ys, strict=True)]
    return pl.DataFrame(
        rows, schema={"unique_id": pl.String, "ds": pl.Datetime("us", "UTC"), "y": pl.Float64}, orient="row"
    )


def test_levels_are_the_best_for_the_forecast_distribution() -> None:
    policy = Reorder(over=1.0, under=9.0, fixed=5.0, lead=1)
    assert isinstance(policy, Policy)
    decision = policy.decide(forecast(), NOTHING)
    found = {each.key: each.value for each in decision.option("distribution").action}
    for uid, row in ROWS.items():
        best = best_levels(chances(row, [0.2] * 5), 1, 5.0, 1.0, 9.0)
        assert (found[f"s {uid}"], found[f"S {uid}"]) == (best.reorder, best.upto)
    expected = {option.name: option.expected_cost for option in decision.options}
    assert decision.chosen == "distribution"
    assert expected["distribution"] < expected["point"]
    assert decision == policy.decide(forecast(), NOTHING)


def test_the_cost_is_that_of_a_ledger_kept_by_hand() -> None:
    policy = Reorder(over=1.0, under=9.0, fixed=5.0, lead=1)
    action = policy.decide(forecast(), NOTHING).option("distribution").action
    levels = {each.key: float(each.value) for each in action}
    asked = {"belt@home": [1.0, 6.0, 0.0, 2.0], "pump@home": [4.0, 9.0, 9.0, 0.0]}
    total = 0.0
    for uid, ys in asked.items():
        hand, coming = levels[f"S {uid}"], 0.0
        assert hand == levels[f"start {uid}"]
        for y in ys:
            arrives, coming = coming, 0.0
            if hand + arrives <= levels[f"s {uid}"]:
                coming = levels[f"S {uid}"] - hand - arrives
                total += 5.0
            hand += arrives - y
            total += max(hand, 0) + 9 * max(-hand, 0)
    assert policy.cost(action, outcome(**asked)) == pytest.approx(total)


def test_a_series_without_levels_is_an_error_that_names_it() -> None:
    policy = Reorder()
    action = policy.decide(forecast(), NOTHING).option("point").action
    with pytest.raises(ModelError, match="no levels for valve@home"):
        policy.cost(action, outcome(**{"valve@home": [0.0] * 4}))


def test_a_certain_forecast_makes_both_plans_the_same() -> None:
    made = forecast().frame.with_columns(*(pl.lit(3.0).alias(f"q{p:g}") for p in LEVELS))
    decision = Reorder().decide(Forecast(made, LEVELS), NOTHING)
    assert decision.option("distribution").action == decision.option("point").action
    assert np.isfinite(decision.expected_cost)
