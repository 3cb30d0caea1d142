"""Alerts: the cost-loss rule, and what it costs once the weather is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreseal.decide.cost_loss import CostLoss, exceedance
from foreseal.decide.policy import make_policy
from foreseal.errors import ModelError, SettingsError, UsageError
from foreseal.frame import UTC_TIME
from foreseal.records import Forecast

START = datetime(2024, 1, 1, tzinfo=UTC)
LEVELS = tuple(np.round(np.arange(0.05, 1.0, 0.05), 2).tolist())


def forecast(values: np.ndarray, uid: str = "station") -> Forecast:
    """One series whose steps have these quantiles (steps, levels)."""
    days = [START + timedelta(days=k) for k in range(len(values))]
    frame = pl.DataFrame({"unique_id": uid, "ds": days, "cutoff": START}).with_columns(
        pl.col("ds", "cutoff").dt.cast_time_unit("us"),
        *(pl.Series(f"q{level:g}", values[:, k]) for k, level in enumerate(LEVELS)),
    )
    return Forecast(frame, LEVELS, {})


def outcome(y: list[float], uid: str = "station") -> pl.DataFrame:
    days = [START + timedelta(days=k) for k in range(len(y))]
    frame = {"unique_id": [uid] * len(y), "ds": days, "y": y}
    return pl.DataFrame(frame, {"unique_id": pl.String, "ds": UTC_TIME, "y": pl.Float64})


def test_probabilities_are_those_of_the_piecewise_linear_distribution() -> None:
    rng = np.random.default_rng(3)
    values = np.sort(np.maximum(rng.normal(size=(50, len(LEVELS))), 0.0), axis=1)
    fine = np.linspace(LEVELS[0], LEVELS[-1], 200_001)
    for threshold in (0.0, 0.3, 1.0):
        found = exceedance(values, LEVELS, threshold)
        for row, chance in zip(values, found, strict=True):
            drawn = np.interp(fine, LEVELS, row)
            inside = (drawn > threshold).mean() * (LEVELS[-1] - LEVELS[0])
            # Beyond the outermost levels the value is that of the level.
            tails = (1 - LEVELS[-1]) * (row[-1] > threshold) + LEVELS[0] * (row[0] > threshold)
            flat = 1.0 if row[0] > threshold else 0.0 if row[-1] <= threshold else inside + (1 - LEVELS[-1])
            assert chance == pytest.approx(flat if row[-1] > threshold else tails, abs=1e-4)


def test_the_rule_has_the_least_expected_cost_of_all_alerts() -> None:
    rng = np.random.default_rng(4)
    values = np.sort(rng.gamma(1.0, 8.0, size=(6, len(LEVELS))), axis=1)
    policy = CostLoss(threshold=10.0, protect=30.0, loss=100.0)
    decision = policy.decide(forecast(values), outcome([]))
    chance = exceedance(values, LEVELS, 10.0)
    every = [
        sum(30.0 if on >> k & 1 else 100.0 * p for k, p in enumerate(chance))
        for on in range(2 ** len(chance))
    ]
    assert decision.chosen == "cost_loss"
    assert decision.expected_cost == pytest.approx(min(every))
    assert {option.name for option in decision.options} == {"cost_loss", "always", "never", "median"}


def test_an_alert_costs_its_price_and_a_surprise_the_loss() -> None:
    policy = CostLoss(threshold=10.0, protect=30.0, loss=100.0)
    decision = policy.decide(forecast(np.tile(np.linspace(0.0, 20.0, len(LEVELS)), (3, 1))), outcome([]))
    came = outcome([12.0, 3.0, float("nan")])
    assert policy.cost(decision.option("always").action, came) == 60.0
    assert policy.cost(decision.option("never").action, came) == 100.0


def test_cold_is_an_event_below_a_threshold() -> None:
    policy = CostLoss(threshold=0.0, protect=30.0, loss=100.0, side="below")
    values = np.stack([np.linspace(-9.0, -1.0, len(LEVELS)), np.linspace(1.0, 9.0, len(LEVELS))])
    decision = policy.decide(forecast(values), outcome([]))
    assert [setting.value for setting in decision.option("cost_loss").action] == [1.0, 0.0]
    assert policy.cost(decision.option("never").action, outcome([-3.0, -2.0])) == 200.0
    assert policy.cost(decision.option("never").action, outcome([3.0, 2.0])) == 0.0
    assert policy.cost(decision.option("cost_loss").action, outcome([3.0, -2.0])) == 130.0


def test_a_value_at_the_threshold_is_no_event_on_either_side() -> None:
    zero = np.where(np.array(LEVELS) < 0.85, 0.0, 3.0)[None]
    half = np.where(np.array(LEVELS) < 0.55, -2.0, 0.0)[None]
    below = {"threshold": 0.0, "protect": 25.0, "loss": 100.0, "side": "below"}
    decision = CostLoss(**below).decide(forecast(zero), outcome([]))
    expected = {option.name: option.expected_cost for option in decision.options}
    alerts = {option.name: option.action[0].value for option in decision.options}
    assert (alerts["cost_loss"], alerts["median"], expected["never"]) == (0.0, 0.0, 0.0)
    assert CostLoss(**below).cost(decision.option("never").action, outcome([0.0])) == 0.0
    # Below 0 is the mass at -2 up to the level .5, and the rise to 0 from there to .55.
    decision = CostLoss(**below).decide(forecast(half), outcome([]))
    assert decision.option("never").expected_cost == pytest.approx(55.0)
    assert decision.option("median").action[0].value == 1.0


@given(
    values=st.lists(st.sampled_from([-3.0, -1.0, 0.0, 0.0, 0.5, 2.0]), min_size=19, max_size=19),
    threshold=st.sampled_from([-3.0, -2.0, 0.0, 0.25, 2.0, 5.0]),
)
def test_above_and_below_mirror_each_other(values: list[float], threshold: float) -> None:
    row = np.sort(values)[None]
    price = {"protect": 23.7, "loss": 100.0}
    below = CostLoss(threshold=threshold, side="below", **price).decide(forecast(row), outcome([]))
    above = CostLoss(threshold=-threshold, **price).decide(forecast(-row[:, ::-1]), outcome([]))
    assert [option.name for option in below.options] == [option.name for option in above.options]
    for one, other in zip(below.options, above.options, strict=True):
        assert one.action == other.action
        assert one.expected_cost == pytest.approx(other.expected_cost)


def test_several_stations_have_alerts_of_their_own() -> None:
    policy = CostLoss(threshold=10.0, protect=30.0, loss=100.0)
    both = [forecast(np.full((1, len(LEVELS)), value), uid) for uid, value in (("a", 20.0), ("b", 1.0))]
    decision = policy.decide(Forecast(pl.concat([each.frame for each in both]), LEVELS, {}), outcome([]))
    action = decision.option("cost_loss").action
    assert {setting.key: setting.value for setting in action} == {"alert a": 1.0, "alert b": 0.0}
    assert policy.cost(action, pl.concat([outcome([20.0], "a"), outcome([20.0], "b")])) == 130.0
    only = CostLoss(threshold=10.0, protect=30.0, loss=100.0, series=("b",))
    assert len(only.decide(both[1], outcome([])).option("always").action) == 1
    with pytest.raises(ModelError, match="none of the series b"):
        only.decide(both[0], outcome([]))


def test_impossible_costs_are_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="protect is 100 and loss 30"):
        make_policy("cost_loss", {"threshold": 1.0, "protect": 100.0, "loss": 30.0})


def test_an_outcome_of_another_day_is_refused() -> None:
    policy = CostLoss(threshold=10.0, protect=30.0, loss=100.0)
    decision = policy.decide(forecast(np.ones((1, len(LEVELS)))), outcome([]))
    with pytest.raises(UsageError, match="no alert for 'station'"):
        policy.cost(decision.option("never").action, outcome([1.0, 2.0]))
