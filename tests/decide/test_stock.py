from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foreseal.decide.stock import (
    best_levels,
    chances,
    expected_cost,
    long_run,
    newsvendor,
    run_levels,
    several,
)
from foreseal.errors import ModelError

DEMANDS = st.lists(st.integers(0, 20), min_size=2, max_size=8).filter(any)


def poisson(mean: float, top: int = 60) -> np.ndarray:
    found = [np.exp(-mean)]
    for k in range(1, top):
        found.append(found[-1] * mean / k)
    return np.array(found) / sum(found)


def of(counts: list[int]) -> np.ndarray:
    return np.array(counts, float) / sum(counts)


@given(DEMANDS, st.integers(1, 9), st.integers(1, 30))
def test_the_newsvendor_costs_no_more_than_any_other_stock(counts: list[int], over: int, under: int) -> None:
    demand = of(counts)
    cost = expected_cost(newsvendor(demand, over, under), demand, over, under)
    tried = [
        sum(p * (over * max(s - d, 0) + under * max(d - s, 0)) for d, p in enumerate(demand))
        for s in range(len(demand) + 3)
    ]
    assert cost == pytest.approx(min(tried))


def test_the_newsvendor_of_evenly_likely_demand_is_the_closed_form() -> None:
    """Uniform on 0..99: the critical ratio times a hundred, less one."""
    for under in (1, 3, 4, 9, 19):
        assert newsvendor(np.full(100, 0.01), 1.0, under) == round(100 * under / (under + 1)) - 1


def test_a_lead_time_adds_up_independent_periods() -> None:
    total = several([poisson(1.5)] * 3)
    assert total[:20] == pytest.approx(poisson(4.5)[:20], rel=1e-6)


def test_scenarios_become_probabilities_of_whole_pieces() -> None:
    assert chances([-1.0, 0.0, 1.2, 3.0], [0.1, 0.4, 0.3, 0.2]) == pytest.approx([0.5, 0.0, 0.3, 0.2])
    with pytest.raises(ModelError, match="more than"):
        chances([1e9], [1.0])


def test_published_levels_for_poisson_demand() -> None:
    """Snyder and Shen, Fundamentals of Supply Chain Theory, example 4.7."""
    found = best_levels(poisson(6), lead=0, fixed=5, over=1, under=4)
    assert (found.reorder, found.upto) == (4, 10)
    assert found.cost == pytest.approx(8.0341, abs=1e-4)


def dynamic_programme(demand: np.ndarray, lead: int, fixed: float, over: float, under: float) -> float:
    """Least long-run cost of any policy: relative value iteration over stock positions."""
    ahead = several([demand] * (lead + 1))
    low, high = -40, 40
    positions = np.arange(low, high + 1)
    period = np.array([expected_cost(y, ahead, over, under) for y in positions])
    value = np.zeros(len(positions))
    gain = 0.0
    for _ in range(3000):
        after = period.copy()
        for d, p in enumerate(demand):
            after += p * value[np.maximum(np.arange(len(positions)) - d, 0)]
        best_above = np.minimum.accumulate(after[::-1])[::-1]
        new = np.minimum(after, fixed + best_above)
        gain, value = (new - value)[len(positions) // 2], new - new[len(positions) // 2]
    return float(gain)


@pytest.mark.parametrize(
    ("counts", "lead", "fixed", "over", "under"),
    [
        ([6, 2, 1, 1], 0, 4.0, 1.0, 9.0),
        ([6, 2, 1, 1], 2, 4.0, 1.0, 9.0),
        ([1, 3, 2], 1, 12.0, 0.5, 3.0),
        ([9, 0, 0, 0, 1], 1, 6.0, 0.3, 5.0),
        ([1, 1], 0, 0.0, 1.0, 2.0),
    ],
)
def test_no_policy_beats_the_levels_in_a_dynamic_programme(
    counts: list[int], lead: int, fixed: float, over: float, under: float
) -> None:
    demand = of(counts)
    found = best_levels(demand, lead, fixed, over, under)
    assert found.cost == pytest.approx(dynamic_programme(demand, lead, fixed, over, under), rel=1e-4)


@settings(max_examples=25)
@given(DEMANDS, st.integers(0, 3), st.integers(0, 20), st.integers(1, 5), st.integers(1, 20))
def test_no_other_levels_nearby_are_cheaper(
    counts: list[int], lead: int, fixed: int, over: int, under: int
) -> None:
    demand = of(counts)
    if demand[0] == 1.0:
        return
    found = best_levels(demand, lead, fixed, over, under)
    ahead = several([demand] * (lead + 1))
    for reorder in range(found.reorder - 3, found.reorder + 4):
        for upto in range(max(reorder, found.upto - 3) + 1, found.upto + 4):
            cost = stationary(demand, ahead, reorder, upto, fixed, over, under)
            assert cost >= found.cost - 1e-7
            assert long_run((reorder, upto), demand, lead, fixed, over, under) == pytest.approx(cost)


def stationary(
    demand: np.ndarray, ahead: np.ndarray, reorder: int, upto: int, fixed: float, over: float, under: float
) -> float:
    """From the stationary distribution of the stock position after ordering, by linear algebra."""
    size = upto - reorder
    chain = np.zeros((size, size))
    orders = np.zeros(size)
    for k in range(size):
        for d, p in enumerate(demand):
            if k + d < size:
                chain[k, k + d] += p
            else:
                chain[k, 0] += p
                orders[k] += p
    system = np.vstack([chain.T - np.eye(size), np.ones(size)])
    share = np.linalg.lstsq(system, np.r_[np.zeros(size), 1.0], rcond=None)[0]
    costs = np.array([expected_cost(upto - k, ahead, over, under) for k in range(size)])
    return float(share @ (costs + fixed * orders))


def test_what_nobody_asks_for_is_not_stocked() -> None:
    found = best_levels(np.array([1.0]), 2, 5.0, 1.0, 9.0)
    assert (found.reorder, found.upto, found.cost) == (-1, 0, 0.0)


def test_a_run_of_levels_costs_what_a_ledger_by_hand_says() -> None:
    """s = 1, S = 4, two periods of lead: an order of 3 in the second period comes in the fourth."""
    cost = run_levels((1, 4), [[3, 0, 2, 1]], 4, lead=2, fixed=10.0, over=1.0, under=5.0)
    # At the ends: 1 left, 1 left, 1 owed, 1 left.
    assert cost.tolist() == [1 + (10 + 1) + 5 + 1]


def test_the_long_run_of_levels_is_the_expected_cost() -> None:
    demand = of([5, 3, 1, 1])
    found = best_levels(demand, 1, 6.0, 1.0, 9.0)
    path = np.random.default_rng(0).choice(4, 30_000, p=demand)[None, :].astype(float)
    mean = run_levels((found.reorder, found.upto), path, 4, 1, 6.0, 1.0, 9.0)[0] / path.shape[1]
    assert mean == pytest.approx(found.cost, rel=0.02)
