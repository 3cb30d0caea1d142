"""The formulas, against published worked examples, a simulated queue and their own limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreseal.decide.delay import control_delay, incremental_delay, uniform_delay, webster_cycle


def queue_delay(volume: float, flow: float, green: float, cycle: float) -> float:
    """Mean delay of an even stream at a signal whose cycle starts with red, by counting the queue."""
    step = 1e-3
    queue = waited = 0.0
    for t in np.arange(0, cycle, step):
        queue += volume / 3600 * step
        if t >= cycle - green:
            queue = max(0.0, queue - flow / 3600 * step)
        waited += queue * step
    return waited / (volume / 3600 * cycle)


@pytest.mark.parametrize(
    ("lost", "ratios", "seconds"),
    [
        (16, (500 / 1600, 300 / 1600), 58),  # 29 / 0.5
        (12, (1000 / 2500, 900 / 3000), 77),  # 23 / 0.3 = 76.7
    ],
)
def test_webster_cycle_of_two_examination_examples(
    lost: float, ratios: tuple[float, ...], seconds: int
) -> None:
    """Two-phase examples of the Indian graduate examination in civil engineering."""
    assert math.ceil(webster_cycle(lost, np.array(sum(ratios)))) == seconds


def test_a_junction_without_spare_capacity_has_no_finite_webster_cycle() -> None:
    assert np.isinf(webster_cycle(8.0, np.array([1.0, 1.2]))).all()


def test_uniform_delay_of_the_oversaturated_approach_in_the_nptel_notes() -> None:
    """v = 1700, s = 2650 veh/h, C = 102 s, g/C = 0.55: the notes find 22.95 s."""
    saturation = 1700 / (2650 * 0.55)
    assert uniform_delay(np.array(102.0), np.array(0.55), np.array(saturation)) == pytest.approx(22.95)


def test_control_delay_of_a_textbook_lane_group_near_capacity() -> None:
    """Roess, Prassas and McShane: v = 800, c = 775 veh/h, g/C = 0.4, C = 90 s, T = 0.25 h.

    By hand: d1 = 0.5 * 90 * 0.6**2 / (1 - 0.4) = 27; X - 1 = 1/31 and 4X/(cT) = 128/6006.25, so
    d2 = 225 * (0.032258 + sqrt(0.00104058 + 0.0213111)) = 225 * 0.181763 = 40.897.
    """
    delay = control_delay(np.array(800.0), np.array(775 / 0.4), np.array(36.0), np.array(90.0), 0.25)
    assert delay == pytest.approx(27 + 40.897, abs=2e-3)


@pytest.mark.parametrize(("volume", "flow", "green", "cycle"), [(400, 1800, 25, 60), (700, 3600, 20, 90)])
def test_uniform_delay_is_that_of_a_counted_queue(
    volume: float, flow: float, green: float, cycle: float
) -> None:
    ratio = green / cycle
    formula = uniform_delay(np.array(cycle), np.array(ratio), np.array(volume / (flow * ratio)))
    assert formula == pytest.approx(queue_delay(volume, flow, green, cycle), rel=2e-3)


def test_far_above_capacity_the_incremental_delay_is_that_of_a_growing_queue() -> None:
    """The mean wait of a queue that grows by (X - 1) c for T hours is T (X - 1) / 2 hours."""
    assert incremental_delay(np.array(1e7), np.array(1.5), 2.0) == pytest.approx(2 * 0.5 / 2 * 3600, rel=1e-5)


@given(st.floats(0, 3000), st.floats(0.1, 500), st.integers(5, 80))
def test_more_vehicles_never_wait_less_and_more_green_never_makes_them_wait_longer(
    volume: float, more: float, green: int
) -> None:
    def delay(v: float, g: float) -> float:
        return float(control_delay(np.array(v), np.array(1800.0), np.array(g), np.array(90.0), 1.0))

    assert delay(volume + more, green) >= delay(volume, green) - 1e-9
    assert delay(volume, green + 1) <= delay(volume, green) + 1e-9
