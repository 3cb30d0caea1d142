"""Shared and own coefficients beside the same regression written out."""

from __future__ import annotations

import numpy as np

from foreseal.predict.moments import OWN, SHARED, Moments


def test_slopes_are_those_of_one_ridge_and_of_ridges_on_what_it_leaves():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(3, 40, 2)), np.ones((3, 40, 1))], axis=2)
    y = rng.normal(size=(3, 40, 2)) + 5.0
    row = rng.random((3, 40)) < 0.8
    got = Moments.of(x, y, row).slope()
    pooled, outcome = x[row], y[row]
    root = np.sqrt(SHARED * row.sum()) * np.diag([1.0, 1.0, np.sqrt(1e-9)])
    shared = np.linalg.lstsq(np.r_[pooled, root], np.r_[outcome, np.zeros((3, 2))], rcond=None)[0]
    for k in range(3):
        left = y[k][row[k]] - x[k][row[k]] @ shared
        own = np.linalg.lstsq(
            np.r_[x[k][row[k]], np.sqrt(OWN) * np.eye(3)], np.r_[left, np.zeros((3, 2))], rcond=None
        )[0]
        np.testing.assert_allclose(got[k], shared + own, atol=1e-8)


def test_moments_without_some_rows_are_those_of_the_others():
    rng = np.random.default_rng(1)
    x, y, row = rng.normal(size=(2, 30, 3)), rng.normal(size=(2, 30, 1)), np.ones((2, 30), bool)
    whole, part = Moments.of(x, y, row), Moments.of(x[:, :10], y[:, :10], row[:, :10])
    np.testing.assert_allclose(
        whole.less(part).slope(), Moments.of(x[:, 10:], y[:, 10:], row[:, 10:]).slope()
    )
