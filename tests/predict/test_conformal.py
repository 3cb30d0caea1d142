"""Calibration makes quantiles hold what they promise, as far as the past can tell."""

from __future__ import annotations

import numpy as np
import pytest

from foreseal.predict.conformal import calibrate

LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
NORMAL = np.array([-1.645, -1.282, -0.674, 0.0, 0.674, 1.282, 1.645])


def sample(windows, spread, bias, seed, steps=24):
    """Forecasts of every size, wrong by a factor and a bias in units of that size."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(1, 100, windows * steps)
    y = size * rng.normal(size=len(size)) + 50
    values = 50 + size[:, None] * (bias + spread * NORMAL)
    return values.reshape(windows, 1, steps, 7), y.reshape(windows, 1, steps)


@pytest.mark.parametrize(("spread", "bias"), [(0.4, 0.0), (3.0, 0.0), (1.0, 0.8), (0.6, -0.5)])
def test_quantiles_of_new_outcomes_have_their_levels(spread, bias):
    values, y = sample(300, spread, bias, 0)
    calibration = calibrate(values, y, LEVELS)
    values, y = sample(300, spread, bias, 1)
    below = (y[..., None] <= calibration.apply(values)).mean(axis=(0, 1, 2))
    np.testing.assert_allclose(below, LEVELS, atol=0.03)


def test_a_calibrated_past_is_hardly_moved():
    values, y = sample(60, 1.0, 0.0, 0)
    assert np.abs(calibrate(values, y, LEVELS).moves).max() < 0.03


def test_few_windows_move_less_than_many():
    few = calibrate(*sample(2, 0.4, 0.0, 0, steps=240), LEVELS)
    many = calibrate(*sample(20, 0.4, 0.0, 0), LEVELS)
    assert few.moves[0, 0, -1] < 0.6 * many.moves[0, 0, -1]


def test_quantiles_stay_in_order():
    rng = np.random.default_rng(3)
    values = np.sort(rng.normal(size=(50, 1, 1, 7)), axis=-1)
    out = calibrate(values, rng.normal(size=(50, 1, 1)) ** 3, LEVELS).apply(values)
    assert (np.diff(out, axis=-1) >= 0).all()


def test_nothing_is_learnt_from_nothing_or_from_certainty():
    assert calibrate(np.empty((0, 1, 3, 7)), np.empty((0, 1, 3)), LEVELS) is None
    assert calibrate(np.ones((5, 1, 3, 7)), np.ones((5, 1, 3)), LEVELS) is None
