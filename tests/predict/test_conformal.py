"""Calibration makes quantiles hold what they promise, as far as the past can tell."""

from __future__ import annotations

import numpy as np
import pytest

from foreseal.predict.backtest import Past
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


def past(values, y, fresh=1.0):
    ids = tuple(f"s{i}" for i in range(y.shape[1]))
    return Past(ids, tuple(LEVELS), np.zeros(y.shape[:2], np.int64), y, {"all": values}, fresh)


def learnt(made):
    return calibrate(made[0], past(*made))


@pytest.mark.parametrize(("spread", "bias"), [(0.4, 0.0), (3.0, 0.0), (1.0, 0.8), (0.6, -0.5)])
def test_quantiles_of_new_outcomes_have_their_levels(spread, bias):
    values, y = sample(2000, spread, bias, 0)
    calibration = calibrate(values, past(values, y))
    values, y = sample(2000, spread, bias, 1)
    below = (y[..., None] <= calibration.apply(values)).mean(axis=(0, 1, 2))
    np.testing.assert_allclose(below, LEVELS, atol=0.03)


def test_a_calibrated_past_is_hardly_moved():
    values, y = sample(200, 1.0, 0.0, 0)
    assert np.abs(calibrate(values, past(values, y)).moves).max() < 0.05


def test_few_windows_move_less_than_many():
    few = learnt(sample(2, 0.4, 0.0, 0, steps=240))
    many = learnt(sample(20, 0.4, 0.0, 0))
    assert few.moves[0, 0, -1] < 0.6 * many.moves[0, 0, -1]


def test_quantiles_stay_in_order():
    rng = np.random.default_rng(3)
    values = np.sort(rng.normal(size=(50, 1, 1, 7)), axis=-1)
    out = calibrate(values, past(values, rng.normal(size=(50, 1, 1)) ** 3)).apply(values)
    assert (np.diff(out, axis=-1) >= 0).all()


def test_nothing_is_learnt_from_nothing_or_from_certainty():
    assert learnt((np.empty((0, 1, 3, 7)), np.empty((0, 1, 3)))) is None
    assert learnt((np.ones((5, 1, 3, 7)), np.ones((5, 1, 3)))) is None


def test_windows_that_overlap_say_less():
    values, y = sample(20, 0.4, 0.0, 0)
    apart, alike = (calibrate(values, past(values, y, fresh)).moves[0, 0, -1] for fresh in (1.0, 0.1))
    assert 0.0 < alike < 0.7 * apart


def test_a_series_unlike_the_others_is_moved_otherwise():
    """Nine are well calibrated, one is too narrow; with enough windows it is widened alone."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=(60, 10, 12))
    values = np.broadcast_to(NORMAL, (60, 10, 12, 7)) * np.where(np.arange(10) == 3, 0.4, 1.0)[:, None, None]
    moves = calibrate(values, past(values, y)).moves[:, :, -1].mean(axis=1)
    assert moves[3] > 0.5
    assert np.abs(np.delete(moves, 3)).max() < 0.15


def test_late_steps_have_moves_of_their_own():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(200, 1, 12)) * np.linspace(1.0, 3.0, 12)
    values = np.broadcast_to(NORMAL, (200, 1, 12, 7))
    moves = calibrate(values, past(values, y)).moves[0, :, -1]
    assert moves[0] < 0.25 < 0.4 < moves[-1]
