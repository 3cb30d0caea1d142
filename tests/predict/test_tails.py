"""Tails of past errors, against the distributions they come from."""

from __future__ import annotations

import math

import numpy as np
import pytest

from foreseal.predict.tails import LEAST, START, Tails


def test_edges_are_the_quantiles_of_exponential_and_heavier_tails() -> None:
    rng = np.random.default_rng(0)
    laplace = rng.laplace(size=(200, 1000))
    low, high = Tails.of(laplace).edges(0.005)
    exact = -math.log(2 * 0.005)
    assert np.median(high) == pytest.approx(exact, rel=0.05)
    assert np.median(low) == pytest.approx(-exact, rel=0.05)
    heavy = rng.standard_t(4, size=(200, 1000))
    _, high = Tails.of(heavy).edges(0.0005)
    assert np.median(high) == pytest.approx(8.61, rel=0.15)  # Student's t, 4 degrees of freedom


def test_as_many_new_errors_lie_outside_as_the_level_says_and_fewer_while_errors_are_few() -> None:
    rng = np.random.default_rng(1)
    for n, least in ((LEAST, 0.001), (200, 0.004), (1000, 0.012)):
        tails = Tails.of(rng.normal(size=(500, n)))
        new = rng.normal(size=(500, 100))
        low, high = tails.edges(0.01)
        outside = ((new < low[:, None]) | (new > high[:, None])).mean()
        assert least < outside < 0.03, n


def test_a_probability_below_the_level_and_a_place_outside_the_edges_are_the_same() -> None:
    rng = np.random.default_rng(2)
    tails = Tails.of(rng.gamma(2.0, size=(20, 300)))
    new = rng.gamma(2.0, size=(20, 400)) * rng.choice([-1, 1, 3], size=(20, 400))
    for tail in (START, 0.01, 0.0005):
        low, high = tails.edges(tail)
        outside = (new < low[:, None]) | (new > high[:, None])
        np.testing.assert_array_equal(outside, tails.probability(new) < 2 * tail)


def test_one_enormous_error_does_not_widen_the_tails() -> None:
    errors = np.random.default_rng(3).normal(size=(1, 500))
    before = Tails.of(errors).edges(0.005)
    errors[0, 250] = 1e9
    after = Tails.of(errors).edges(0.005)
    np.testing.assert_allclose(np.array(after), np.array(before), rtol=0.1)


def test_few_errors_say_nothing_and_missing_ones_do_not_count() -> None:
    errors = np.random.default_rng(4).normal(size=(2, 2 * LEAST))
    errors[0, : LEAST + 1] = np.nan
    errors[1, ::2] = np.nan
    tails = Tails.of(errors)
    assert np.isnan(tails.probability(np.array([[9.0], [9.0]]))).tolist() == [[True], [False]]
    compact = Tails.of(errors[1:, 1::2])
    assert compact.edges(0.01)[1][0] == tails.edges(0.01)[1][1]


def test_errors_that_were_all_zero_expect_zero() -> None:
    tails = Tails.of(np.zeros((1, 100)))
    nothing, rounding, jump = tails.probability(np.array([[0.0, 1e-12, 1.0]]))[0]
    assert nothing == 1.0
    assert rounding > 0.01
    assert jump < 1e-6
