"""Portfolios of least CVaR, against brute force."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from foreseal.decide.portfolio import CvarPortfolio, bounded, least_cvar
from foreseal.errors import ModelError, UsageError
from foreseal.records import Forecast, Setting, quantile_column
from tests.conftest import require

START = datetime(2024, 1, 1, tzinfo=UTC)
LEVELS = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)


@pytest.fixture(autouse=True)
def scipy() -> None:
    require("scipy", 'pip install "foreseal[finance]"')


def cvar(loss: np.ndarray, level: float) -> float:
    """Mean of the worst part, the edge counted in part."""
    worst, size = np.sort(loss)[::-1], (1 - level) * len(loss)
    whole = int(size)
    return float((worst[:whole].sum() + (size - whole) * worst[min(whole, len(loss) - 1)]) / size)


def history(names: str = "abc", days: int = 300, seed: int = 0) -> pl.DataFrame:
    """Normal returns, the first two alike; the third twice as wide."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((days, len(names)))
    if len(names) > 1:
        z[:, 1] = 0.8 * z[:, 0] + 0.6 * z[:, 1]
    z[:, -1] *= 2
    ds = [START + timedelta(days=k) for k in range(days)]
    return pl.concat(
        pl.DataFrame({"unique_id": [name] * days, "ds": ds, "y": z[:, k]}) for k, name in enumerate(names)
    )


def forecast(past: pl.DataFrame, scale: float = 1.0) -> Forecast:
    """Each series' own quantiles, times ``scale``, for the day after the last."""
    day = past["ds"].max() + timedelta(days=1)
    rows = []
    for (name,), part in past.group_by("unique_id", maintain_order=True):
        rows.append((name, day, day, *(scale * np.quantile(part["y"].to_numpy(), LEVELS)).tolist()))
    columns = ["unique_id", "ds", "cutoff", *map(quantile_column, LEVELS)]
    return Forecast(pl.DataFrame(rows, schema=columns, orient="row"), LEVELS)


def test_the_linear_program_finds_what_a_search_of_all_weights_finds() -> None:
    returns = np.random.default_rng(4).standard_normal((200, 3)) * [1.0, 1.5, 2.0] + [0.05, 0.1, 0.0]
    found = least_cvar(returns, 0.95, 0.5)
    steps = np.arange(0, 51) / 100
    best = min(
        cvar(-returns @ np.array([a, b, 1 - a - b]), 0.95)
        for a, b in itertools.product(steps, steps)
        if 0.5 <= a + b <= 1
    )
    assert found.sum() == pytest.approx(1)
    assert found.max() <= 0.5 + 1e-9
    assert cvar(-returns @ found, 0.95) <= best + 1e-9
    assert cvar(-returns @ found, 0.95) == pytest.approx(best, rel=0.01)


def test_the_expected_cost_of_every_option_is_its_cvar_and_the_chosen_one_has_the_least() -> None:
    past = history()
    policy = CvarPortfolio(limit=50.0)
    decision = policy.decide(forecast(past), past)
    _, _, returns, _ = policy.joint(forecast(past), past)
    assert decision.chosen == "least_cvar"
    for option in decision.options:
        held = {s.key: float(s.value) for s in option.action}
        weights = np.array([held[f"weight {name}"] for name in "abc"]) / 100
        assert weights.sum() == pytest.approx(1)
        assert option.expected_cost == pytest.approx(cvar(-returns @ weights, 0.975), rel=1e-4)
        assert option.expected_cost >= decision.expected_cost - 1e-9


def test_scenarios_keep_the_forecast_quantiles_and_the_past_ranks() -> None:
    past = history()
    made = forecast(past, scale=3.0)
    names, _, returns, _ = CvarPortfolio(limit=1.0).joint(made, past)
    old = past.pivot("unique_id", index="ds", values="y").select(names).to_numpy()
    assert (returns.argsort(axis=0) == old.argsort(axis=0)).all()
    assert np.quantile(returns, 0.05, axis=0) == pytest.approx(3 * np.quantile(old, 0.05, axis=0), rel=0.05)


def test_positions_are_cut_alike_so_that_cvar_keeps_the_limit_and_the_rest_is_cash() -> None:
    past = history()
    free = CvarPortfolio(limit=50.0).decide(forecast(past), past).option("equal")
    cut = CvarPortfolio(limit=1.0).decide(forecast(past), past).option("equal")
    before, after = ({s.key: float(s.value) for s in each.action} for each in (free, cut))
    share = 1.0 / before["CVaR"]
    assert after["CVaR"] == pytest.approx(1.0)
    assert after["cash"] == pytest.approx(100 * (1 - share))
    assert after["VaR"] == pytest.approx(share * before["VaR"], rel=1e-5)
    assert after["weight a"] == pytest.approx(share * before["weight a"])


def test_no_option_holds_more_of_one_position_than_is_allowed() -> None:
    past = history().with_columns(
        y=pl.col("y") * pl.when(pl.col("unique_id") == "a").then(0.03).otherwise(1.0)
    )
    options = CvarPortfolio(limit=50.0, max_weight=0.4).decide(forecast(past), past).options
    for option in options:
        held = [float(s.value) for s in option.action if s.key.startswith("weight")]
        assert max(held) <= 40.0
        assert sum(held) == pytest.approx(100.0)
    _, _, _, spread = CvarPortfolio(limit=50.0).joint(forecast(past), past)
    inverse = {s.key: float(s.value) for s in options[2].action}
    assert inverse["weight a"] == 40.0
    assert inverse["weight b"] / inverse["weight c"] == pytest.approx(spread[2] / spread[1], rel=1e-6)


def test_weights_above_the_bound_are_cut_and_the_others_keep_their_proportions() -> None:
    wanted = np.array([0.70, 0.16, 0.08, 0.04, 0.02])
    found = bounded(wanted, 0.35)
    # By hand: 0.35 for the first leaves 0.65 for the others, 0.347, 0.173, 0.087, 0.043.
    assert found == pytest.approx([0.35, *(0.65 * wanted[1:] / 0.30)])
    assert bounded(wanted, 0.30) == pytest.approx([0.30, 0.30, *(0.40 * wanted[2:] / 0.14)])
    assert bounded(wanted, 0.2) == pytest.approx(np.full(5, 0.2))
    assert bounded(wanted, 0.9) == pytest.approx(wanted)


def test_the_mean_cost_of_what_came_is_the_cvar_of_what_came_where_var_was_right() -> None:
    past = history(days=400)
    wide = past.pivot("unique_id", index="ds", values="y").select("a", "b", "c").to_numpy()
    loss = -wide @ np.array([0.5, 0.3, 0.2])
    tail = float(np.sort(loss)[int(np.ceil(0.975 * 400)) - 1])
    action = (
        Setting("weight a", 50.0, "%"),
        Setting("weight b", 30.0, "%"),
        Setting("weight c", 20.0, "%"),
        Setting("cash", 0.0, "%"),
        Setting("VaR", tail, "%"),
    )
    assert CvarPortfolio(limit=9.0).cost(action, past) == pytest.approx(cvar(loss, 0.975))


def test_cash_costs_the_limit_for_its_share_and_losses_beyond_var_cost_more() -> None:
    settings = {"weight a": 30.0, "weight b": 20.0, "cash": 50.0, "VaR": 1.0}
    action = tuple(Setting(key, value, "%") for key, value in settings.items())
    days = [START + timedelta(days=k) for k in range(2)]
    came = pl.DataFrame(
        {"unique_id": ["a", "b"] * 2, "ds": [days[k // 2] for k in range(4)], "y": [-4.0, -3.0, 2.0, 1.0]}
    )
    # Losses of 0.3 * 4 + 0.2 * 3 = 1.8 and -0.8; 0.8 beyond VaR on one day of two; half is in cash.
    assert CvarPortfolio(limit=2.0, level=0.95).cost(action, came) == pytest.approx(
        1 + 0.8 / 0.05 / 2 + 2 * 0.5
    )


def test_a_halted_series_has_not_moved_and_a_day_without_any_costs_nothing() -> None:
    past = history()
    decision = CvarPortfolio(limit=50.0).decide(forecast(past), past)
    action = decision.option("equal").action
    day = past.filter(pl.col("ds") == START)
    policy = CvarPortfolio(limit=50.0)
    halted = day.with_columns(y=pl.when(pl.col("unique_id") == "c").then(0.0).otherwise("y"))
    assert policy.cost(action, day.filter(pl.col("unique_id") != "c")) == pytest.approx(
        policy.cost(action, halted)
    )
    assert policy.cost(action, day.clear()) == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0.0}, "limit"),
        ({"limit": 1.0, "level": 0.2}, "level"),
        ({"limit": 1.0, "max_weight": 0.0}, "max_weight"),
        ({"limit": 1.0, "scenarios": 5}, "scenarios"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CvarPortfolio(**options)


def test_limits_that_no_portfolio_keeps_are_an_error_that_says_which() -> None:
    past = history()
    with pytest.raises(ModelError, match="cannot hold the whole") as error:
        CvarPortfolio(limit=1.0, max_weight=0.3).decide(forecast(past), past)
    assert "at least 0.334" in error.value.hint
    CvarPortfolio(limit=1.0, max_weight=0.334).decide(forecast(past), past)


def test_too_little_common_history_is_an_error_and_names_a_series_without_any() -> None:
    past = history(days=120)
    with pytest.raises(ModelError, match="50 days in common"):
        CvarPortfolio(limit=1.0).decide(
            forecast(past), past.filter(pl.col("ds") < START + timedelta(days=50))
        )
    with pytest.raises(ModelError) as error:
        CvarPortfolio(limit=1.0).decide(forecast(past), past.filter(pl.col("unique_id") != "b"))
    assert "'b'" in error.value.hint


def test_an_action_of_another_policy_is_refused() -> None:
    with pytest.raises(UsageError, match="no portfolio"):
        CvarPortfolio(limit=1.0).cost((Setting("cycle", 60.0, "s"),), history())
