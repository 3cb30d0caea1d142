"""Count distributions beside formulas written out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from foreseal.predict.counts import histogram, negative_binomial, pinball, quantiles

LEVELS = np.array([0.5, 0.9])


@pytest.mark.parametrize(("mean", "size"), [(0.3, 0.2), (4.0, 2.5), (2.0, 100.0), (0.0, 1.0)])
def test_negative_binomial_is_its_formula(mean, size):
    got = negative_binomial(np.array([mean]), np.array([size]), 200)[0]
    mean = max(mean, 1e-9)
    want = [
        math.exp(
            math.lgamma(k + size)
            - math.lgamma(size)
            - math.lgamma(k + 1)
            + size * math.log(size / (size + mean))
            + k * math.log(mean / (size + mean))
        )
        for k in range(200)
    ]
    np.testing.assert_allclose(got[:200], want, atol=1e-12)
    assert got.sum() == pytest.approx(1.0)
    assert got @ np.arange(201) == pytest.approx(mean)


def test_quantiles_are_those_of_the_step_function():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 7, (5, 40))
    chances = histogram(counts, np.ones((5, 40)), 9)
    want = np.quantile(counts, LEVELS, axis=1, method="inverted_cdf").T
    np.testing.assert_array_equal(quantiles(chances, LEVELS), want)


def test_weights_count_and_no_weight_is_zero_for_certain():
    got = histogram(np.array([[1, 2, 2], [5, 5, 5]]), np.array([[2.0, 1.0, 1.0], [0.0, 0.0, 0.0]]), 3)
    np.testing.assert_allclose(got, [[0.0, 0.5, 0.5, 0.0], [1.0, 0.0, 0.0, 0.0]])


def test_pinball_is_the_mean_over_levels():
    certain = histogram(np.array([[3]]), np.ones((1, 1)), 9)
    assert pinball(certain, np.array([5]), LEVELS)[0] == pytest.approx((0.5 * 2 + 0.9 * 2) / 2)
    assert pinball(certain, np.array([1]), LEVELS)[0] == pytest.approx((0.5 * 2 + 0.1 * 2) / 2)
