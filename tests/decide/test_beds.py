"""Beds: the plan of least expected cost, with patients moved to neighbours."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from foreseal.decide.beds import Beds
from foreseal.decide.moves import Moves
from foreseal.decide.policy import Policy, make_policy
from foreseal.decide.regret import regret
from foreseal.errors import SettingsError, UsageError
from foreseal.records import Forecast, Setting, quantile_column
from tests.conftest import require

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
CUTOFF = datetime(2024, 11, 20, 20, tzinfo=UTC)
WEEKS = tuple(datetime(2024, 11, 23, tzinfo=UTC) + timedelta(weeks=k) for k in range(2))
TIME = pl.Datetime("us", "UTC")


@pytest.fixture(autouse=True)
def _scipy() -> None:
    require("scipy", 'pip install "foreseal[medicine]"')


def forecast(**middle: float) -> Forecast:
    rows = [
        (uid, ds, CUTOFF, *(value * (1 + 0.8 * (level - 0.5)) for level in LEVELS))
        for uid, value in middle.items()
        for ds in WEEKS
    ]
    names = ["unique_id", "ds", "cutoff", *map(quantile_column, LEVELS)]
    frame = pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("ds", "cutoff").cast(TIME))
    return Forecast(frame, LEVELS)


def history(**last: float) -> pl.DataFrame:
    rows = [(uid, WEEKS[0] - timedelta(weeks=1), y) for uid, y in last.items()]
    return pl.DataFrame(rows, schema=["unique_id", "ds", "y"], orient="row").with_columns(
        pl.col("ds").cast(TIME)
    )


def outcome(**y: float) -> pl.DataFrame:
    rows = [(uid, ds, value) for uid, value in y.items() for ds in WEEKS]
    return pl.DataFrame(rows, schema=["unique_id", "ds", "y"], orient="row").with_columns(
        pl.col("ds").cast(TIME)
    )


def brute(room: list[float], demand: list[float], idle: float, short: float, move: float) -> float:
    """Two neighbours, whole beds: every number moved from one to the other is tried."""
    best = float("inf")
    for moved in range(-20, 21):
        loads = demand[0] - moved, demand[1] + moved
        gaps = [r - load for r, load in zip(room, loads, strict=True)]
        cost = sum(idle * max(g, 0) + short * max(-g, 0) for g in gaps) + move * abs(moved)
        best = min(best, cost)
    return best


def test_moves_cost_what_trying_them_all_finds() -> None:
    both = Moves.among(("a", "b"), {"a": ("b",), "b": ("a",)}, 1.0, 6.0, 2.0)
    cases = list(itertools.product((0, 5, 12), (3, 9), (0, 7, 14), (2, 15)))
    for a, b, x, y in cases:
        found = both.costs(np.array([a, b], float), np.array([[x, y]], float))[0]
        assert found == pytest.approx(brute([a, b], [x, y], 1.0, 6.0, 2.0))


def test_patients_move_only_where_the_arcs_lead() -> None:
    one_way = Moves.among(("a", "b"), {"a": ("b",), "b": ()}, 1.0, 6.0, 2.0)
    room = np.array([0.0, 10.0])
    assert one_way.costs(room, np.array([[4.0, 0.0]]))[0] == pytest.approx(4 * 2 + 6 * 1)
    assert one_way.costs(room[::-1].copy(), np.array([[0.0, 4.0]]))[0] == pytest.approx(4 * 6 + 10 * 1)


def test_without_neighbours_the_best_is_the_newsvendors_quantile() -> None:
    demand = np.arange(1.0, 36.0)[:, None]
    alone = Moves.among(("a",), {"a": ()}, 1.0, 6.0, 2.0)
    best = float(alone.best(demand)[0])
    costs = [np.mean(np.maximum(b - demand, 0) + 6 * np.maximum(demand - b, 0)) for b in range(1, 36)]
    assert alone.costs(np.array([best]), demand).mean() == pytest.approx(min(costs))


def test_neighbours_that_lend_each_other_beds_need_fewer() -> None:
    policy = Beds({"a": ("b",), "b": ("a",)}, correlation=0.0)
    alone = Beds({"a": (), "b": ()}, correlation=0.0)
    made, apart = (each.decide(forecast(a=200, b=220), history(a=190, b=230)) for each in (policy, alone))
    assert made.expected_cost < apart.expected_cost
    assert made.expected_cost == min(option.expected_cost for option in made.options)
    assert [option.name for option in made.options] == ["expected", "newsvendor", "point", "last_week"]
    assert made.cost_unit == "{bed}.wk"
    assert made.regret_kind == "modelled"


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_scenarios_of_regions_are_correlated_as_stated(correlation: float) -> None:
    """Ranks of normal variables with correlation r have 6 / pi asin(r / 2)."""
    ranks = Beds({"a": ()}, correlation=correlation, scenarios=2000)._ranks(3)
    assert np.sort(ranks, axis=1) == pytest.approx(np.tile((np.arange(2000) + 0.5) / 2000, (3, 1)))
    found = np.corrcoef(ranks)[np.triu_indices(3, 1)]
    assert found == pytest.approx(np.full(3, 6 / np.pi * np.arcsin(correlation / 2)), abs=0.06)


def test_neighbours_whose_patients_come_together_can_lend_each_other_less() -> None:
    costs = [
        Beds({"a": ("b",), "b": ("a",)}, correlation=each)
        .decide(forecast(a=200, b=220), history(a=190, b=230))
        .expected_cost
        for each in (0.0, 0.95)
    ]
    assert costs[0] < 0.9 * costs[1]


def test_the_cost_of_an_action_is_that_of_its_beds_under_the_outcome() -> None:
    policy = Beds({"a": ("b",), "b": ("a",)}, stay=7.0)
    action = tuple(Setting(f"beds {uid}", 10.0, "{bed}", ds) for ds in WEEKS for uid in ("a", "b"))
    assert policy.cost(action, outcome(a=14, b=4)) == pytest.approx(2 * (4 * 2 + 2 * 1))
    half = outcome(a=14, b=4).filter(pl.col("unique_id") == "a")
    assert policy.cost(action, half) == pytest.approx(2 * 4 * 6)
    assert policy.cost(action, outcome(c=5)) == 0.0


def test_regret_is_the_cost_beyond_the_cheapest_option() -> None:
    policy = Beds({"a": ("b",), "b": ("a",)})
    made = policy.decide(forecast(a=100, b=100, US=200), history(a=70, b=70, US=140))
    found = regret(policy, made, outcome(a=72, b=69, US=141))
    assert found.best == "last_week"
    assert found.value == pytest.approx(found.cost - found.costs["last_week"])
    assert not any("US" in setting.key for setting in made.option("expected").action)


def test_options_are_checked_at_the_door() -> None:
    assert isinstance(make_policy("beds", {"neighbours": {"a": ["b"], "b": []}}), Policy)
    for options, message in (
        ({"neighbours": {}}, "names no region"),
        ({"neighbours": {"a": ["x"]}}, "'x', which is no other region"),
        ({"neighbours": {"a": ["a"]}}, "no other region"),
        ({"neighbours": {"a": []}, "short": 0}, "short must be above 0"),
        ({"neighbours": {"a": []}, "correlation": 1}, "correlation"),
        ({"neighbours": {"a": []}, "scenarios": 1}, "scenarios"),
    ):
        with pytest.raises(SettingsError, match=message):
            make_policy("beds", options)


def test_a_forecast_without_the_regions_is_refused() -> None:
    with pytest.raises(UsageError, match="none of the regions"):
        Beds({"x": ()}).decide(forecast(a=10), history(a=10))
    with pytest.raises(UsageError, match="sets no beds"):
        Beds({"a": ()}).cost((Setting("cycle", 1.0),), outcome(a=1))
