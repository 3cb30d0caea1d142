"""The search, against every plan of the grid tried one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foreseal.decide.signal import Junction, best_greens, total_delay, webster_greens


def make_junction(shares: tuple[float, ...], phase: tuple[int, ...], cycles: tuple[float, ...]) -> Junction:
    return Junction(
        share=np.array(shares),
        flow=np.full(len(shares), 1800.0),
        phase=phase,
        cycles=np.array(cycles),
        min_green=8.0,
        change=5.0,
        lost=4.0,
        hours=1.0,
    )


def every_plan(junction: Junction) -> list[tuple[float, ...]]:
    greens = range(8, 60)
    return [
        plan
        for plan in itertools.product(greens, repeat=junction.phases)
        if sum(plan) + 5 * junction.phases in junction.cycles
    ]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0, 2500), min_size=4, max_size=4), st.integers(0, 2**32 - 1))
def test_no_plan_of_two_phases_is_better(volumes: list[float], seed: int) -> None:
    junction = make_junction((0.3, 0.25, 0.2, 0.25), (0, 0, 1, 1), (40, 47, 60))
    table = np.array(volumes).reshape(2, 2)
    weights = np.random.default_rng(seed).dirichlet([1, 1])
    best = best_greens(junction, table, weights)

    def cost(plan: tuple[float, ...]) -> float:
        return float((total_delay(junction, table, np.tile(plan, (2, 1))) @ weights).sum())

    assert tuple(best) in every_plan(junction)
    assert cost(tuple(best)) == pytest.approx(min(map(cost, every_plan(junction))), rel=1e-9)


def test_no_plan_of_three_phases_is_better() -> None:
    junction = make_junction((0.5, 0.2, 0.3), (0, 2, 1), (45, 60, 75))
    table = np.array([[900.0, 1200.0, 1500.0]])
    weights = np.array([0.25, 0.5, 0.25])

    def cost(plan: tuple[float, ...]) -> float:
        return float((total_delay(junction, table, np.array([plan], float)) @ weights).sum())

    best = best_greens(junction, table, weights)
    assert cost(tuple(best)) == pytest.approx(min(map(cost, every_plan(junction))), rel=1e-12)


def test_total_delay_counts_vehicles_times_delay() -> None:
    """One approach with all the volume at the textbook's lane group, over a quarter of an hour."""
    junction = Junction(np.array([1.0]), np.array([775 / 0.4]), (0,), np.array([90.0]), 8.0, 54.0, 54.0, 0.25)
    hours = total_delay(junction, np.array([[800.0]]), np.array([[36.0]]))
    assert hours[0, 0] == pytest.approx(800 * 0.25 * (27 + 40.897) / 3600, rel=1e-4)


def test_webster_greens_are_proportional_to_the_critical_flow_ratios() -> None:
    """Y = 0.4 + 0.2, L = 8 s: C = 17 / 0.4 = 42.5 s -> 45 s; 37 s of effective green split 2 : 1."""
    junction = make_junction((0.72, 0.1, 0.36), (0, 0, 1), tuple(range(40, 121, 5)))
    greens = webster_greens(junction, np.array([[1000.0], [400.0]]))
    assert greens.sum() + 10 == 45
    assert greens.tolist() == [24.0, 11.0]  # effective 24.67 - 1 and 12.33 - 1


def test_an_overloaded_junction_gets_the_longest_cycle_allowed() -> None:
    junction = make_junction((0.5, 0.5), (0, 1), (40.0, 90.0))
    for greens in (
        webster_greens(junction, np.array([[5000.0]])),
        best_greens(junction, np.array([[5000.0]]), np.ones(1)),
    ):
        assert greens.sum() + 10 == 90


def test_an_empty_road_still_gets_a_legal_plan() -> None:
    junction = make_junction((0.5, 0.5), (0, 1), (40.0, 90.0))
    for greens in (
        webster_greens(junction, np.zeros((1, 1))),
        best_greens(junction, np.zeros((1, 3)), np.full(3, 1 / 3)),
    ):
        assert greens.min() >= 8
        assert greens.sum() + 10 == 40
