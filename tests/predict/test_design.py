"""Features of an origin rest on what was known before it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from foreseal.predict.design import Design
from foreseal.predict.grid import Grid
from tests.predict.panels import hourly, long_frame, panel

FRAME = hourly(100)
Y = FRAME["y"].to_numpy()


def steps(y, columns=30):
    grid = Grid.of(panel(long_frame("a", y)))
    design = Design.of(grid, np.array([0]), {}, columns)
    return design.origins, list(design.steps())


ORIGINS, STEPS = steps(Y)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, len(Y) - 2), st.floats(-1e6, 1e6), st.booleans())
def test_a_change_at_one_hour_leaves_all_earlier_origins_as_they_were(at, value, missing):
    y = Y.copy()
    y[at] = np.nan if missing else value
    before = at >= ORIGINS
    for step, changed in zip(STEPS, steps(y)[1], strict=True):
        np.testing.assert_array_equal(step.x[:, before], changed.x[:, before])
        np.testing.assert_array_equal(step.base[:, before], changed.base[:, before])


def test_origins_lie_a_day_apart_at_the_hour_of_the_forecast():
    assert ORIGINS[-1] == len(Y)
    assert set(np.diff(ORIGINS)) == {24}


def test_a_short_history_takes_origins_closer_together():
    assert set(np.diff(steps(Y[: 24 * 10])[0])) == {1}
    assert set(np.diff(steps(Y[: 24 * 40])[0])) == {3}


def test_the_base_is_the_median_of_the_last_eight_weeks_at_the_same_hour():
    for k in (0, 5, 23):
        target = len(Y) + k
        expected = np.median([Y[target - 168 * week] for week in range(1, 9)])
        assert STEPS[k].base[0, -1] == expected


def test_the_deviation_to_learn_is_the_value_less_its_base():
    step = STEPS[3]
    np.testing.assert_allclose(step.y[0, 40:-1] + step.base[0, 40:-1], Y[ORIGINS[40:-1] + 3])
    assert np.isnan(step.y[0, -1])


def test_features_are_never_missing():
    y = Y.copy()
    y[np.random.default_rng(0).random(len(y)) < 0.4] = np.nan
    y[-1] = 1.0
    assert all(np.isfinite(step.x).all() for step in steps(y)[1])
