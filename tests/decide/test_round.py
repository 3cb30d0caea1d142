from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from foreseal.decide.policy import Policy
from foreseal.decide.regret import regret
from foreseal.decide.round import Round
from foreseal.errors import ModelError, ModelWarning, SettingsError
from foreseal.options import build
from foreseal.records import Forecast
from tests.conftest import require

WEEK = datetime(2026, 3, 2, tzinfo=UTC)
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
SITES = {"north": (0.0, 9.0), "east": (12.0, 0.0), "west": (-7.0, 1.0)}
NOTHING = pl.DataFrame(schema={"unique_id": pl.String, "ds": pl.Datetime("us", "UTC"), "y": pl.Float64})


def forecast(rows: dict[str, tuple[float, ...]]) -> Forecast:
    frame = pl.DataFrame(
        {
            "unique_id": list(rows),
            "ds": [WEEK] * len(rows),
            "cutoff": [WEEK] * len(rows),
            **{f"q{p:g}": [values[k] for values in rows.values()] for k, p in enumerate(LEVELS)},
        },
        schema_overrides={"ds": pl.Datetime("us", "UTC"), "cutoff": pl.Datetime("us", "UTC")},
    )
    return Forecast(frame, LEVELS)


def outcome(values: dict[str, float]) -> pl.DataFrame:
    return pl.DataFrame(
        {"unique_id": list(values), "ds": [WEEK] * len(values), "y": list(values.values())},
        schema_overrides={"ds": pl.Datetime("us", "UTC")},
    )


DEMAND = forecast(
    {
        "belt@north": (0, 0, 1, 2, 4),
        "belt@east": (0, 0, 0, 1, 2),
        "pump@west": (1, 2, 3, 4, 6),
    }
)


def policy(**options: object) -> Round:
    require("pyvrp", 'pip install "foreseal[supply]"')
    return Round(sites=SITES, home=(0.0, 0.0), vehicles=2, capacity=10, **options)  # type: ignore[arg-type]


def test_it_is_a_policy_that_stocks_the_critical_quantile() -> None:
    made = policy(over=1.0, under=9.0)
    assert isinstance(made, Policy)
    decision = made.decide(DEMAND, NOTHING)
    stock = {each.key: each.value for each in decision.option("distribution").action}
    assert (stock["belt@north"], stock["belt@east"], stock["pump@west"]) == (4, 2, 6)
    point = {each.key: each.value for each in decision.option("point").action}
    assert (point["belt@north"], point["belt@east"], point["pump@west"]) == (1, 1, 3)


def test_costs_are_pieces_left_and_short_and_kilometres_driven() -> None:
    made = policy(over=2.0, under=5.0, per_km=0.5)
    decision = made.decide(DEMAND, NOTHING)
    came = {"belt@north": 6.0, "belt@east": 0.0, "pump@west": 6.0, "belt@elsewhere": 9.0}
    for option in decision.options:
        stock = {each.key: float(each.value) for each in option.action if "@" in each.key}
        wrong = sum(2 * max(stock[k] - came[k], 0) + 5 * max(came[k] - stock[k], 0) for k in stock)
        driven = 0.0
        for each in option.action:
            if each.key.startswith("tour"):
                stops = [(0.0, 0.0), *(SITES[name] for name in str(each.value).split(" > ")), (0.0, 0.0)]
                driven += sum(math.dist(a, b) for a, b in itertools.pairwise(stops))
        assert made.cost(option.action, outcome(came)) == pytest.approx(wrong + 0.5 * driven, abs=0.01)


def test_tours_are_the_shortest_and_the_simple_rule_is_no_shorter() -> None:
    decision = policy(per_km=1.0).decide(DEMAND, NOTHING)
    expected = {option.name: option.expected_cost for option in decision.options}
    assert expected["distribution"] <= expected["nearest"]
    assert decision.chosen == "distribution"


@pytest.mark.parametrize("vehicles", [2, 3])
def test_no_option_takes_more_vans_than_there_are(vehicles: int) -> None:
    # Two vans are enough, 6 + 4 each, but the nearest first fills one with 4 + 4 and needs a third.
    sites = {"a": (0.0, 20.0), "b": (1.0, 20.0), "c": (0.0, -15.0), "d": (1.0, -15.0)}
    rows = {f"belt@{site}": (n,) * 5 for site, n in zip("abcd", (6.0, 6.0, 4.0, 4.0), strict=True)}
    require("pyvrp", 'pip install "foreseal[supply]"')
    made = Round(sites, home=(0.0, 0.0), vehicles=vehicles, capacity=10)
    decision = made.decide(forecast(rows), NOTHING)
    assert [option.name for option in decision.options] == ["distribution", "point", "nearest"]
    for option in decision.options:
        tours = [str(each.value).split(" > ") for each in option.action if each.key.startswith("tour")]
        assert len(tours) <= vehicles
        assert sorted(itertools.chain(*tours)) == list("abcd")
        assert max(sum(int(rows[f"belt@{site}"][0]) for site in tour) for tour in tours) <= 10
        assert option.expected_cost >= decision.expected_cost
    nearest = [str(s.value) for s in decision.option("nearest").action if s.key.startswith("tour")]
    assert nearest == (["c > d", "a", "b"] if vehicles == 3 else ["c > a", "d > b"])


def test_the_expected_cost_is_the_mean_over_what_may_come() -> None:
    made = policy()
    decision = made.decide(DEMAND, NOTHING)
    weights = np.diff([0.0, 0.175, 0.375, 0.625, 0.825, 1.0])
    total = 0.0
    rows = DEMAND.frame.select("q0.1", "q0.25", "q0.5", "q0.75", "q0.9").rows()
    for chosen in itertools.product(range(5), repeat=3):
        values = {
            uid: rows[k][c] for k, (uid, c) in enumerate(zip(DEMAND.frame["unique_id"], chosen, strict=True))
        }
        total += float(np.prod(weights[list(chosen)])) * made.cost(
            decision.option("distribution").action, outcome(values)
        )
    assert decision.expected_cost == pytest.approx(total)


def test_regret_is_against_the_cheapest_option_listed() -> None:
    made = policy()
    decision = made.decide(DEMAND, NOTHING)
    found = regret(made, decision, outcome({"belt@north": 0.0, "belt@east": 0.0, "pump@west": 1.0}))
    assert found.best == "point"
    assert found.value > 0
    assert found.kind == "modelled"


def test_a_negative_demand_counts_as_none() -> None:
    made = policy()
    action = made.decide(DEMAND, NOTHING).option("distribution").action
    zero, less = ({"belt@north": y, "belt@east": 0.0, "pump@west": 0.0} for y in (0.0, -3.0))
    assert made.cost(action, outcome(less)) == made.cost(action, outcome(zero))


def test_an_unknown_depot_is_left_out_with_a_warning_and_the_rest_goes_on() -> None:
    rows = {"belt@north": (0.0, 0.0, 1.0, 2.0, 4.0), "belt@atlantis": (1.0, 1.0, 1.0, 1.0, 1.0)}
    with pytest.warns(ModelWarning, match="1 series of sites that are not listed .* belt@atlantis"):
        decision = policy().decide(forecast(rows), NOTHING)
    assert [each.key for each in decision.option("distribution").action] == ["belt@north", "tour 1"]
    with pytest.warns(ModelWarning), pytest.raises(ModelError, match="No series is of a site"):
        policy().decide(forecast({"belt@atlantis": (1.0, 1.0, 1.0, 1.0, 1.0)}), NOTHING)


def test_vans_that_cannot_carry_the_stock_are_an_error_with_numbers() -> None:
    small = Round(sites=SITES, home=(0.0, 0.0), vehicles=1, capacity=6)
    with pytest.raises(ModelError, match="12 pieces are more than 1 vehicles of 6"):
        small.decide(DEMAND, NOTHING)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"home": [1.0]}, "two coordinates"),
        ({"over": 0.0}, "above 0"),
        ({"capacity": 0}, "at least 1"),
        ({"sites": {"a b": [0.0, 1.0]}}, "no space"),
    ],
)
def test_impossible_options_are_refused_at_the_door(options: dict[str, object], message: str) -> None:
    table = {"sites": {"north": [0.0, 9.0]}, "home": [0.0, 0.0], "vehicles": 2, "capacity": 10, **options}
    with pytest.raises(SettingsError, match=message):
        build(Round, table, "[decisions.x.options]")
