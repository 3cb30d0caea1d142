"""Quantiles of residuals in like states."""

from __future__ import annotations

import numpy as np

from foreseal.predict.states import States

LEVELS = np.array([0.1, 0.5, 0.9])


def test_states_tell_calm_from_restless_and_low_from_high():
    rng = np.random.default_rng(0)
    first, second = rng.random(40_000), rng.random(40_000)
    residuals = rng.normal(size=40_000) * (0.5 + 2 * second) + 3 * first
    states = States.of(first, second, residuals, LEVELS)
    got = states.at(np.array([0.1, 0.9, 0.5, 0.5]), np.array([0.5, 0.5, 0.1, 0.9]))
    assert abs(got[0, 1] - 0.3) < 0.3
    assert abs(got[1, 1] - 2.7) < 0.3
    width = got[:, 2] - got[:, 0]
    assert width[3] > 2 * width[2]


def test_few_residuals_make_one_state():
    residuals = np.arange(50.0)
    got = States.of(np.arange(50.0), np.ones(50), residuals, LEVELS).at(np.array([-5.0]), np.array([1.0]))
    np.testing.assert_allclose(got[0], np.quantile(residuals, LEVELS))


def test_ties_leave_no_state_without_numbers():
    got = States.of(np.zeros(5000), np.zeros(5000), np.arange(5000.0), LEVELS)
    assert np.isfinite(got.at(np.array([-1.0, 0.0, 1.0]), np.array([1.0, 0.0, -1.0]))).all()
