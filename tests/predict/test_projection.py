"""Matrices that reconcile, against other ways to say the same algebra."""

from __future__ import annotations

import numpy as np
import pytest

from foreseal.predict import projection
from foreseal.predict.structure import Structure

CITY = Structure.of({"city": ["north", "south"], "north": ["a", "b"], "south": ["c", "d", "e"]})


def covariance(n: int, seed: int) -> np.ndarray:
    a = np.random.default_rng(seed).normal(size=(n, 2 * n))
    return a @ a.T


def test_generalised_least_squares_are_the_nearest_coherent_forecasts() -> None:
    S, W = CITY.matrix, covariance(8, 0)
    found = S @ projection.least_squares(S, W)
    forecast = np.random.default_rng(1).normal(size=8)
    # Brute force: whatever leaves are tried, none comes nearer in the metric of W.
    metric = np.linalg.inv(W)

    def distance(coherent: np.ndarray) -> float:
        return float((forecast - coherent) @ metric @ (forecast - coherent))

    best = distance(found @ forecast)
    chance = np.random.default_rng(2)
    leaves = (found @ forecast)[3:]
    for size in (1e-3, 1e-1, 10.0):
        assert all(distance(S @ (leaves + size * chance.normal(size=5))) > best for _ in range(200))
    # The same in the form of constraints C y = 0.
    C = np.hstack([np.eye(3), -S[:3]])
    np.testing.assert_allclose(found, np.eye(8) - W @ C.T @ np.linalg.inv(C @ W @ C.T) @ C, atol=1e-9)


def test_variances_are_a_diagonal_covariance_and_equal_ones_are_ordinary_least_squares() -> None:
    S, variances = CITY.matrix, np.random.default_rng(3).uniform(0.1, 9.0, size=8)
    np.testing.assert_allclose(
        projection.least_squares(S, variances), projection.least_squares(S, np.diag(variances)), atol=1e-12
    )
    ordinary = np.linalg.inv(S.T @ S) @ S.T
    np.testing.assert_allclose(projection.least_squares(S, np.ones(8)), ordinary, atol=1e-12)


def test_coherent_forecasts_stay_as_they_are() -> None:
    S = CITY.matrix
    for weight in (np.ones(8), np.geomspace(1e-6, 1e6, 8), covariance(8, 4)):
        np.testing.assert_allclose(projection.least_squares(S, weight) @ S, np.eye(5), atol=1e-9)


def test_the_shrinkage_is_that_of_schaefer_and_strimmer_where_every_row_is_an_origin() -> None:
    rng = np.random.default_rng(5)
    errors = rng.normal(size=(30, 6)) @ rng.normal(size=(6, 6))
    found, share = projection.shrunk(errors, np.arange(30))
    unit = errors / np.sqrt((errors**2).mean(axis=0))
    noise = squares = 0.0
    for i in range(6):
        for j in range(6):
            if i != j:
                w = unit[:, i] * unit[:, j]
                noise += 30 / 29**3 * ((w - w.mean()) ** 2).sum() * 29**2 / 30**2
                squares += w.mean() ** 2
    assert share == pytest.approx(noise / squares, rel=1e-9)
    plain = errors.T @ errors / 30
    np.testing.assert_allclose(np.diag(found), np.diag(plain))
    apart = ~np.eye(6, dtype=bool)
    np.testing.assert_allclose(found[apart], (1 - share) * plain[apart])


def test_rows_that_share_their_fate_count_as_one() -> None:
    errors = np.random.default_rng(7).normal(size=(30, 6)) @ np.random.default_rng(8).normal(size=(6, 6))
    once = projection.shrunk(errors, np.arange(30))
    again = projection.shrunk(np.repeat(errors, 12, axis=0), np.repeat(np.arange(30), 12))
    np.testing.assert_allclose(again[0], once[0])
    assert again[1] == pytest.approx(once[1])
    single = projection.shrunk(errors, np.zeros(30, np.int64))
    assert single[1] == 1.0
    np.testing.assert_allclose(single[0], np.diag((errors**2).mean(axis=0)))


def test_few_errors_of_many_series_or_errors_that_add_up_still_have_an_inverse() -> None:
    rng = np.random.default_rng(6)
    few = rng.normal(size=(10, 40))
    np.linalg.cholesky(projection.shrunk(few, np.arange(10))[0])
    leaves = rng.normal(size=(500, 5))
    leaves[:, 2] = 0.0
    coherent = leaves @ CITY.matrix.T
    found = projection.least_squares(CITY.matrix, projection.shrunk(coherent, np.arange(500))[0])
    np.testing.assert_allclose(found @ CITY.matrix, np.eye(5), atol=1e-6)


def test_shares_are_those_of_the_means_and_equal_where_all_are_zero() -> None:
    means = np.array([[1.0, 0.0], [3.0, 0.0], [5.0, 2.0]])
    parts = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert projection.top_down(means, parts).tolist() == [[0.25, 0.5], [0.75, 0.5], [1.0, 1.0]]
