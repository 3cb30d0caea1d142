"""Draws: their margins are what was forecast, their order what was asked for."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from foreseal.predict import draws


def test_quantile_functions_pass_through_their_quantiles_and_have_logistic_tails() -> None:
    levels = np.array([0.05, 0.25, 0.5, 0.9])
    values = np.array([[1.0, 2.0, 2.5, 9.0]])
    made = draws.quantile_function(values, levels, 20_000)[0]
    assert (np.diff(made) >= 0).all()
    for level, value in zip(levels, values[0], strict=True):
        assert made[int(level * 20_000)] == pytest.approx(value, abs=1e-2)
    # A logistic distribution is met exactly, also beyond the levels given.
    logistic = np.log(levels / (1 - levels))
    made = draws.quantile_function(logistic[None], levels, 999)[0]
    at = (np.arange(999) + 0.5) / 999
    np.testing.assert_allclose(made, np.log(at / (1 - at)), atol=1e-9)


def test_one_quantile_is_a_certainty() -> None:
    assert (draws.quantile_function(np.array([[3.0]]), np.array([0.5]), 100) == 3.0).all()


def test_past_errors_lend_their_order_to_the_draws() -> None:
    rng = np.random.default_rng(0)
    factor = rng.normal(size=60)
    errors = np.stack([factor, factor + 0.1 * rng.normal(size=60), -factor, rng.normal(size=60)], axis=1)
    order = draws.like_past(errors, 1200, np.random.default_rng(1))
    for row in order:
        assert sorted(row) == list(range(1200))
    told = np.corrcoef(order)
    ranked = np.corrcoef(np.argsort(np.argsort(errors, axis=0), axis=0).T)
    np.testing.assert_allclose(told, ranked, atol=0.02)


def test_one_correlation_runs_from_independent_to_the_same() -> None:
    for correlation in (0.0, 0.5, 1.0):
        order = draws.alike(5, 4000, correlation, np.random.default_rng(2))
        told = np.corrcoef(order)[np.triu_indices(5, 1)]
        spearman = 6 / math.pi * math.asin(correlation / 2)
        np.testing.assert_allclose(told, spearman, atol=0.05)
    assert (order == order[0]).all()


def test_the_correlation_that_variances_imply_is_the_one_they_were_made_with() -> None:
    parts = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    deviation = np.array([[1.0], [2.0], [3.0]])
    for correlation in (0.0, 0.3, 1.0):
        covariance = correlation * np.outer(deviation, deviation)
        np.fill_diagonal(covariance, deviation[:, 0] ** 2)
        sums = np.diag(parts @ covariance @ parts.T)[:, None]
        found = draws.implied_correlation(parts, deviation**2, sums)
        assert found == pytest.approx(correlation, abs=1e-12)
    assert draws.implied_correlation(parts, deviation**2, np.full((2, 1), 1e9)) == 1.0
    assert draws.implied_correlation(parts, deviation**2, np.zeros((2, 1))) == 0.0
    assert draws.implied_correlation(parts, 0 * deviation, np.zeros((2, 1))) == 0.0


def test_normal_quantiles_give_nearly_normal_moments() -> None:
    levels = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])
    values = np.array([[NormalDist().inv_cdf(level) for level in levels]])
    made = draws.quantile_function(values, levels, 1000)[0]
    assert made.mean() == pytest.approx(0.0, abs=1e-9)
    assert made.std() == pytest.approx(1.0, abs=0.03)
