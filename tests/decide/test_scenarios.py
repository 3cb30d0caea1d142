from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreseal.decide.scenarios import Scenarios, quantile_weights
from foreseal.errors import ModelError
from foreseal.records import Forecast

START = datetime(2024, 1, 1, tzinfo=UTC)


def test_levels_in_the_middle_of_equal_parts_weigh_the_same() -> None:
    assert quantile_weights([0.1, 0.3, 0.5, 0.7, 0.9]) == pytest.approx([0.2] * 5)


@given(st.lists(st.integers(1, 999), min_size=1, max_size=30, unique=True).map(sorted))
def test_weights_are_positive_and_add_up_to_one(levels: list[int]) -> None:
    weights = quantile_weights([level / 1000 for level in levels])
    assert weights.min() > 0
    assert weights.sum() == pytest.approx(1)


def test_weights_integrate_the_linear_quantile_function() -> None:
    """Against a fine Riemann sum of the quantile function that is linear inside and flat outside."""
    levels, values = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95], [1.0, 2, 5, 7, 12, 30, 31]
    u = (np.arange(200_000) + 0.5) / 200_000
    assert quantile_weights(levels) @ values == pytest.approx(np.interp(u, levels, values).mean(), rel=1e-6)


@pytest.mark.parametrize("levels", [[], [0.0, 0.5], [0.5, 1.0], [0.5, 0.5], [0.9, 0.1]])
def test_levels_that_are_no_levels_are_refused(levels: list[float]) -> None:
    with pytest.raises(ModelError, match="levels"):
        quantile_weights(levels)


def two_series() -> Forecast:
    frame = pl.DataFrame(
        {
            "unique_id": ["a", "a", "b", "b"],
            "ds": [START + timedelta(hours=h) for h in (1, 0, 0, 1)],
            "q0.2": [2.0, 1.0, 10.0, 20.0],
            "q0.6": [4.0, 3.0, 30.0, 40.0],
        }
    )
    return Forecast(frame, (0.2, 0.6))


def test_instants_are_in_order_and_the_median_lies_between_its_neighbours() -> None:
    scenarios = Scenarios.of(two_series(), "a")
    assert scenarios.ds == (START, START + timedelta(hours=1))
    assert scenarios.values.tolist() == [[1, 3], [2, 4]]
    assert scenarios.median == pytest.approx([2.5, 3.5])


def test_a_forecast_of_several_series_needs_a_choice() -> None:
    with pytest.raises(ModelError, match="2 series") as caught:
        Scenarios.of(two_series())
    assert "one of: a, b" in caught.value.hint
    with pytest.raises(ModelError, match="no series 'c'"):
        Scenarios.of(two_series(), "c")
