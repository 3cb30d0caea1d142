from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foreseal.decide.delay import control_delay
from foreseal.decide.webster import Webster
from foreseal.errors import UsageError
from foreseal.records import Forecast, Setting

CUTOFF = datetime(2024, 6, 3, 5, tzinfo=UTC)  # midnight in Chicago
LEVELS = (0.1, 0.5, 0.9)
SHARES = {"north": 0.3, "south": 0.3, "east": 0.2, "west": 0.2}
NOTHING = pl.DataFrame(
    schema={"unique_id": pl.String, "ds": pl.Datetime("us", "UTC"), "y": pl.Float64},
)


def hours(n: int, start: datetime = CUTOFF) -> list[datetime]:
    return [start + timedelta(hours=h) for h in range(n)]


def forecast(quantiles: list[tuple[float, ...]], start: datetime = CUTOFF) -> Forecast:
    columns = {f"q{p:g}": [row[k] for row in quantiles] for k, p in enumerate(LEVELS)}
    n = len(quantiles)
    frame = pl.DataFrame({"unique_id": ["road"] * n, "ds": hours(n, start), "cutoff": [start] * n, **columns})
    return Forecast(frame, LEVELS)


def series(values: list[float | None], start: datetime = CUTOFF) -> pl.DataFrame:
    return pl.DataFrame(
        {"unique_id": ["road"] * len(values), "ds": hours(len(values), start), "y": values},
        schema=NOTHING.schema,
    )


def greens(action: tuple[Setting, ...], key: str = "green north+south") -> list[float]:
    return [float(s.value) for s in action if s.key == key]


quantile_rows = st.lists(
    st.tuples(st.floats(0, 800), st.floats(0, 1500), st.floats(0, 2500)).map(lambda v: tuple(sorted(v))),
    min_size=1,
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(quantile_rows, st.lists(st.floats(0, 3000), min_size=6, max_size=6))
def test_the_chosen_plan_expects_no_more_delay_than_any_alternative(
    rows: list[tuple[float, ...]], before: list[float]
) -> None:
    history = series(before, CUTOFF - timedelta(days=7))
    decision = Webster(shares=SHARES).decide(forecast(rows), history)
    assert decision.chosen == "expected"
    assert [option.name for option in decision.options] == ["expected", "point", "last_week", "webster"]
    for option in decision.options:
        assert decision.expected_cost <= option.expected_cost * (1 + 1e-9)


def test_the_expected_cost_is_the_weighted_cost_of_the_scenarios() -> None:
    """`cost` under each quantile as if it had been observed, weighted 0.3, 0.4, 0.3."""
    policy = Webster(shares=SHARES)
    rows = [(900.0, 1200.0, 1500.0), (300.0, 800.0, 2000.0)]
    decision = policy.decide(forecast(rows), NOTHING)
    for option in decision.options:
        costs = [policy.cost(option.action, series([row[k] for row in rows])) for k in range(3)]
        assert option.expected_cost == pytest.approx(np.dot(costs, [0.3, 0.4, 0.3]))


def test_a_forecast_without_spread_needs_no_more_than_its_median() -> None:
    decision = Webster(shares=SHARES).decide(forecast([(1000.0, 1000.0, 1000.0)]), NOTHING)
    assert decision.option("expected").action == decision.option("point").action


def test_a_wide_forecast_buys_a_longer_cycle_than_its_median() -> None:
    decision = Webster(shares=SHARES).decide(forecast([(800.0, 1700.0, 2900.0)]), NOTHING)
    cycle = {option.name: option.action[0].value for option in decision.options}
    assert cycle["expected"] > cycle["point"]


def test_the_cost_is_the_formula_applied_to_each_approach() -> None:
    policy = Webster(shares={"north": 0.6, "east": 0.4}, scale=0.5, lanes={"north": 2, "east": 1})
    action = (
        Setting("cycle", 60.0, "s", CUTOFF),
        Setting("green north", 30.0, "s", CUTOFF),
        Setting("green east", 20.0, "s", CUTOFF),
    )
    # Displayed greens of 30 and 20 s with 5 s of change and 4 s lost are 31 and 21 s of effective green.
    expected = sum(
        v * float(control_delay(np.array(v), np.array(s), np.array(g), np.array(60.0), 1.0)) / 3600
        for v, s, g in ((600.0, 3600.0, 31.0), (400.0, 1800.0, 21.0))
    )
    assert policy.cost(action, series([2000.0])) == pytest.approx(expected)


def test_hours_without_an_outcome_count_nothing() -> None:
    policy = Webster(shares=SHARES)
    action = policy.decide(forecast([(900.0, 1000.0, 1100.0)] * 3), NOTHING).option("expected").action
    whole = policy.cost(action, series([1000.0, None, float("nan")]))
    assert whole == policy.cost(action, series([1000.0]))
    assert policy.cost(action, NOTHING) == 0.0


def test_last_week_is_the_same_local_hour_across_a_clock_change() -> None:
    """Clocks go forward on 2024-03-10 in Chicago: 08:00 local moves from 14:00 to 13:00 UTC."""
    policy = Webster(shares=SHARES, timezone="America/Chicago")
    eight = datetime(2024, 3, 12, 8, tzinfo=ZoneInfo("America/Chicago")).astimezone(UTC)
    history = series([100.0, 2500.0], datetime(2024, 3, 5, 13, tzinfo=UTC))
    decision = policy.decide(forecast([(200.0, 300.0, 400.0)], start=eight), history)
    assert decision.ran["last_week"] == "1 a week before"
    busy = policy.decide(forecast([(2500.0, 2500.0, 2500.0)], start=eight), NOTHING)
    assert decision.option("last_week").action == busy.option("point").action


def test_absent_hours_of_last_week_fall_back_and_say_so() -> None:
    day = CUTOFF - timedelta(days=7)
    history = pl.concat([series([900.0], day), series([1000.0, 800.0], day - timedelta(days=1))])
    decision = Webster(shares=SHARES).decide(forecast([(1.0, 2.0, 3.0)] * 3), history)
    assert decision.ran["last_week"] == (
        "1 a week before, 1 median of that hour in the history, 1 median of the forecast"
    )


def test_other_series_of_the_history_are_not_last_week() -> None:
    history = series([900.0], CUTOFF - timedelta(days=7)).with_columns(unique_id=pl.lit("elsewhere"))
    decision = Webster(shares=SHARES).decide(forecast([(1.0, 2.0, 3.0)]), history)
    assert decision.ran["last_week"] == "1 median of the forecast"


def test_a_plan_changes_only_at_its_periods() -> None:
    policy = Webster(shares=SHARES, scale=2, periods=("06:00", "10:00"), timezone="America/Chicago")
    decision = policy.decide(
        forecast([(900.0 + 50 * h, 950.0 + 50 * h, 999.0 + 50 * h) for h in range(24)]), NOTHING
    )
    starts = {s.ds for s in decision.option("expected").action}
    assert starts == {CUTOFF, CUTOFF + timedelta(hours=6), CUTOFF + timedelta(hours=10)}


def test_a_plan_that_stays_the_same_is_said_once() -> None:
    decision = Webster(shares=SHARES).decide(forecast([(900.0, 1000.0, 1100.0)] * 5), NOTHING)
    assert [s.key for s in decision.option("expected").action] == [
        "cycle",
        "green north+south",
        "green east+west",
    ]


def test_greens_and_change_times_fill_the_cycle() -> None:
    decision = Webster(shares=SHARES).decide(
        forecast([(500.0 * h, 600.0 * h, 700.0 * h) for h in range(5)]), NOTHING
    )
    for option in decision.options:
        cycles = greens(option.action, "cycle")
        split = zip(greens(option.action), greens(option.action, "green east+west"), strict=True)
        assert [sum(pair) + 10 for pair in split] == cycles
        assert all(40 <= cycle <= 120 for cycle in cycles)


def test_deciding_twice_gives_the_same_decision() -> None:
    rows = [(800.0, 1200.0, 1900.0)] * 4
    policy = Webster(shares=SHARES)
    assert policy.decide(forecast(rows), NOTHING) == policy.decide(forecast(rows), NOTHING)


def test_an_action_for_another_junction_is_refused() -> None:
    with pytest.raises(UsageError, match="not a plan for this junction"):
        Webster(shares=SHARES).cost((Setting("green north", 30.0, "s", CUTOFF),), series([1.0]))


def test_an_outcome_from_before_the_plan_is_refused() -> None:
    policy = Webster(shares=SHARES)
    action = policy.decide(forecast([(900.0, 1000.0, 1100.0)]), NOTHING).option("expected").action
    with pytest.raises(UsageError, match="before the plan starts"):
        policy.cost(action, series([1000.0], CUTOFF - timedelta(hours=1)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shares": {"north": 0.5, "east": 0.4}}, "add up to 0.9"),
        ({"shares": {"north": 1.0, "east": 0.0}}, "above 0"),
        ({"shares": SHARES, "lanes": {"north": 1}}, "lanes names north"),
        ({"shares": SHARES, "saturation_flow": -1.0}, "saturation_flow must be above 0"),
        ({"shares": SHARES, "phases": (("north", "south"),)}, "exactly one phase"),
        ({"shares": {"ramp": 0.5, "road": 0.5}}, "exactly one phase"),
        ({"shares": {"north": 0.5, "south": 0.5}}, "two phases"),
        ({"shares": SHARES, "max_cycle": 20.0}, "max_cycle is 20 s"),
        ({"shares": SHARES, "lost_time": 15.0}, "lost_time leaves nothing"),
        ({"shares": SHARES, "yellow": 3.25}, "whole seconds"),
        ({"shares": SHARES, "periods": ("6 am",)}, "periods as '07:30'"),
        ({"shares": SHARES, "periods": ("10:00", "06:00")}, "ascend"),
        ({"shares": SHARES, "timezone": "America/Chicagoo"}, "timezone"),
        ({"shares": SHARES, "scale": 0.0}, "scale must be above 0"),
    ],
)
def test_impossible_options_are_refused_at_the_door(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Webster(**options)
