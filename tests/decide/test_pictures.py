"""What policies show of their decisions: the sealed values, and what follows from them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from foreseal.decide.beds import Beds
from foreseal.decide.cost_loss import CostLoss
from foreseal.decide.facilities import Facilities
from foreseal.decide.moves import Moves
from foreseal.decide.portfolio import CvarPortfolio
from foreseal.decide.reorder import Reorder
from foreseal.decide.round import Round
from foreseal.decide.stock import ledger, run_levels
from foreseal.decide.webster import Webster
from foreseal.pictures import Acted, Alerts, Chart, Exceedances, Ledger, Phases, Pictured, Provision, latest
from foreseal.records import Decision, Forecast, Setting, quantile_column
from tests.conftest import require

START = datetime(2024, 1, 1, tzinfo=UTC)
LEVELS = (0.01, 0.1, 0.5, 0.9, 0.99)
SPREAD = np.array([-4.0, -2.0, 0.0, 2.0, 4.0])
TIME = pl.Datetime("us", "UTC")


def days(n: int) -> list[datetime]:
    return [START + timedelta(days=k) for k in range(n)]


def forecast(middles: dict[str, list[float]]) -> pl.DataFrame:
    """Quantiles at -4, -2, 0, 2 and 4 around the middle of each day."""
    rows = [
        (name, day, *(middle + SPREAD).tolist())
        for name, values in middles.items()
        for day, middle in zip(days(len(values)), values, strict=True)
    ]
    columns = ["unique_id", "ds", *map(quantile_column, LEVELS)]
    return pl.DataFrame(rows, schema=columns, orient="row").cast({"ds": TIME})  # type: ignore[arg-type]


def outcome(values: dict[str, list[float | None]]) -> pl.DataFrame:
    rows = [(name, day, y) for name, ys in values.items() for day, y in zip(days(len(ys)), ys, strict=True)]
    schema = {"unique_id": pl.String, "ds": TIME, "y": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def acted(frame: pl.DataFrame, came: pl.DataFrame, *action: Setting) -> Acted:
    return Acted(START, "chosen", {"chosen": action}, frame, came)


def decided(decision: Decision, frame: pl.DataFrame, came: pl.DataFrame) -> Acted:
    options = {option.name: option.action for option in decision.options}
    return Acted(START, decision.chosen, options, frame, came)


NONE = outcome({})


def test_the_latest_decision_with_an_outcome_is_shown() -> None:
    first, second = acted(forecast({}), outcome({"a": [1.0]})), acted(forecast({}), NONE)
    assert latest([first, second]) is first
    assert latest([second, second]) is second


def test_an_interval_is_the_one_nearest_to_eighty_percent() -> None:
    wanted = acted(forecast({"a": [10.0, 20.0]}), outcome({"a": [11.0]})).wanted()
    assert wanted.drop("unique_id", "ds").rows() == [(8.0, 10.0, 12.0, 11.0), (18.0, 20.0, 22.0, None)]


@pytest.mark.parametrize("policy", [Beds, CostLoss, CvarPortfolio, Facilities, Reorder, Round, Webster])
def test_every_policy_for_series_has_pictures(policy: type) -> None:
    assert issubclass(policy, Pictured)


def test_facilities_show_who_is_served_where_and_people_against_capacity() -> None:
    policy = Facilities(
        places={"a": (44.0, -80.0), "b": (44.5, -80.0), "c": (45.0, -79.0)}, k=2, capacity=25.0
    )
    action = [Setting("a", "b"), Setting("b", "b"), Setting("c", "c")]
    frame = forecast({"a": [10.0], "b": [10.0], "c": [5.0]})
    chart, load = policy.pictures([acted(frame, outcome({"a": [12.0], "b": [15.0], "c": [6.0]}), *action)])
    assert isinstance(chart, Chart)
    assert isinstance(load, Provision)
    assert chart.geographic
    assert chart.places.rows() == [
        ("a", -80.0, 44.0, "place", "b", 10.0),
        ("b", -80.0, 44.5, "site", "b", 10.0),
        ("c", -79.0, 45.0, "site", "c", 5.0),
    ]
    assert chart.lines == (("b", ("b", "a")),)
    assert load.frame.drop("ds").rows() == [
        ("b", 25.0, 16.0, 20.0, 24.0, 27.0),
        ("c", 25.0, 3.0, 5.0, 7.0, 6.0),
    ]
    waiting = policy.pictures([acted(frame, NONE, *action)])[1]
    assert isinstance(waiting, Provision)
    assert waiting.frame["asked"].null_count() == 2


def test_a_round_shows_its_tours_with_their_loads_and_the_stock() -> None:
    policy = Round(sites={"x": (0.0, 3.0), "y": (4.0, 3.0)}, home=(0.0, 0.0), vehicles=2, capacity=9)
    action = [
        Setting("nut@x", 2.0, "{piece}", START),
        Setting("nut@y", 3.0, "{piece}", START),
        Setting("bolt@x", 1.0, "{piece}", START),
        Setting("tour 1", "x > y", "", START),
    ]
    frame = forecast({"nut@x": [2.0, 9.0], "nut@y": [3.0, 9.0], "bolt@x": [1.0, 9.0]})
    came = outcome({"nut@x": [5.0], "nut@y": [0.0]})
    chart, stock = policy.pictures([acted(frame, came, *action)])
    assert isinstance(chart, Chart)
    assert isinstance(stock, Provision)
    assert chart.lines == (("tour 1", ("home", "x", "y", "home")),)
    assert dict(chart.places.select("name", "amount").iter_rows()) == {"home": None, "x": 3.0, "y": 3.0}
    found = {row[0]: row for row in stock.frame.select("name", "provided", "middle", "asked").iter_rows()}
    assert found == {
        "nut@x": ("nut@x", 2.0, 2.0, 5.0),
        "nut@y": ("nut@y", 3.0, 3.0, 0.0),
        "bolt@x": ("bolt@x", 1.0, 1.0, None),
    }


def test_beds_show_patients_and_the_cheapest_moves() -> None:
    require("scipy", 'pip install "foreseal[medicine]"')
    policy = Beds(neighbours={"n": ("s",), "s": ("n",)}, stay=7.0)
    action = [Setting(f"beds {name}", beds, "{bed}", START) for name, beds in (("n", 10.0), ("s", 4.0))]
    frame = forecast({"n": [6.0], "s": [1.0]})
    (shown,) = policy.pictures([acted(frame, outcome({"n": [7.0], "s": [6.0]}), *action)])
    assert isinstance(shown, Provision)
    north, south = shown.frame.iter_rows(named=True)
    assert (north["provided"], north["low"], north["high"], north["asked"]) == (10.0, 4.0, 8.0, 7.0)
    assert (north["moved_in"], north["moved_out"], south["moved_in"], south["moved_out"]) == (2, 0, 0, 2)
    assert south["low"] == 0.0  # fewer than nobody do not come
    (waiting,) = policy.pictures([acted(frame, outcome({"n": [7.0]}), *action)])
    assert isinstance(waiting, Provision)
    assert waiting.frame["moved_in"].null_count() == 2


def test_moves_cost_what_they_were_said_to_cost() -> None:
    require("scipy", 'pip install "foreseal[medicine]"')
    rng = np.random.default_rng(3)
    ring = {str(k): [str((k + 1) % 5), str((k - 1) % 5)] for k in range(5)}
    moves = Moves.among(list(ring), ring, 1.0, 6.0, 2.0)
    for _ in range(5):
        room, demand = rng.integers(0, 9, 5).astype(float), rng.integers(0, 12, 5).astype(float)
        here, away = moves.moved(room, demand)
        assert here.sum() == pytest.approx(away.sum())
        left = room - (demand + here - away)
        cost = left.clip(0).sum() + 6 * (-left).clip(0).sum() + 2 * here.sum()
        assert cost == pytest.approx(moves.costs(room, demand[None])[0])


@pytest.mark.parametrize("lead", [0, 1, 3])
def test_a_ledger_costs_what_run_levels_says(lead: int) -> None:
    rng = np.random.default_rng(lead)
    demand = rng.poisson(4, 30).astype(float).tolist()
    stock, orders = ledger((6.0, 20.0), demand, 20.0, lead)
    cost = sum(25.0 * (order > 0) for order in orders)
    cost += sum(0.2 * max(left, 0) + 5.0 * max(-left, 0) for left in stock)
    assert cost == pytest.approx(run_levels((6.0, 20.0), demand, 20.0, lead, 25.0, 0.2, 5.0)[0])


def test_orders_are_shown_under_the_demand_that_came_or_the_forecast_while_it_is_not_known() -> None:
    policy = Reorder(lead=1)
    action = [
        Setting(f"{key} nut", value, "{piece}", START)
        for key, value in zip(("start", "s", "S"), (8, 3, 8), strict=True)
    ]
    frame = forecast({"nut": [5.0, 5.0, 5.0]})
    (shown,) = policy.pictures([acted(frame, outcome({"nut": [6.0, 1.0, 1.0]}), *action)])
    assert isinstance(shown, Ledger)
    assert shown.known
    assert shown.frame["stock"].to_list() == [2.0, 1.0, 6.0]
    assert shown.frame["ordered"].to_list() == [0.0, 6.0, 0.0]
    (waiting,) = policy.pictures([acted(frame, outcome({"nut": [6.0, None, None]}), *action)])
    assert isinstance(waiting, Ledger)
    assert not waiting.known
    assert waiting.frame["stock"].to_list() == [3.0, -2.0, -2.0]


def test_a_portfolio_is_held_against_the_var_that_was_sealed() -> None:
    policy = CvarPortfolio(limit=3.0, level=0.9)
    action = [
        Setting("weight a", 60.0, "%"),
        Setting("weight b", 20.0, "%"),
        Setting("cash", 20.0, "%"),
        Setting("VaR", 1.5, "%"),
        Setting("CVaR", 2.0, "%"),
    ]
    frame = forecast({"a": [0.0], "b": [0.0]})
    (shown,) = policy.pictures([acted(frame, outcome({"a": [-3.0], "b": [1.0]}), *action)])
    assert isinstance(shown, Exceedances)
    found = {(name, level): (y, limit) for name, level, _, y, limit in shown.frame.iter_rows()}
    assert found[("", 0.1)] == (pytest.approx(-1.6), -1.5)
    assert found[("a", 0.1)] == (-3.0, -2.0)
    assert found[("a", 0.01)] == (-3.0, -4.0)
    assert len(found) == 5
    (waiting,) = policy.pictures([acted(frame, NONE, *action)])
    assert isinstance(waiting, Exceedances)
    assert waiting.frame.is_empty()


def test_a_signal_plan_lasts_to_the_end_of_the_forecast_and_adds_up_to_its_cycles() -> None:
    policy = Webster(shares={"north": 0.5, "east": 0.5}, periods=("00:00", "02:00"))
    hours = [START + timedelta(hours=k) for k in range(4)]
    frame = forecast({"x": [900.0] * 4}).with_columns(pl.Series("ds", hours, TIME))
    history = pl.DataFrame({"unique_id": ["x"], "ds": [START - timedelta(days=7)], "y": [100.0]})
    decision = policy.decide(Forecast(frame, LEVELS), history)
    (shown,) = policy.pictures([decided(decision, frame, NONE)])
    assert isinstance(shown, Phases)
    plan = decision.option(decision.chosen).action
    cycles = {setting.ds: setting.value for setting in plan if setting.key == "cycle"}
    sums = dict(shown.frame.group_by("start").agg(pl.col("seconds").sum()).iter_rows())
    assert sums == cycles
    assert shown.frame["end"].max() == hours[-1] + timedelta(hours=1)


def test_alerts_are_counted_for_every_option_against_the_events_that_came() -> None:
    policy = CostLoss(threshold=10.0, protect=1.0, loss=4.0)
    frame = forecast({"a": [20.0, 9.0, 0.0, 20.0, 9.0]})
    came = outcome({"a": [15.0, 5.0, 12.0, None, 11.0]})
    decision = policy.decide(Forecast(frame, LEVELS), NONE)
    act = decided(decision, frame, came)
    (shown,) = policy.pictures([act])
    assert isinstance(shown, Alerts)
    counts = {row[0]: row[1:] for row in shown.frame.iter_rows()}
    assert next(iter(counts)) == "cost_loss"
    assert counts["always"] == (3, 0, 1, 0)
    assert counts["never"] == (0, 3, 0, 1)
    assert counts["median"] == (1, 2, 0, 1)
    assert counts["cost_loss"] == (2, 1, 1, 0)
    for name, (hits, misses, false, _) in counts.items():
        assert policy.cost(act.options[name], came) == 4.0 * misses + hits + false
    assert shown.days["chance"].to_list() == pytest.approx([1.0, 0.3, 0.0, 1.0, 0.3])
    assert shown.days["event"].to_list() == [True, False, True, None, True]
    assert shown.threshold == 0.25
