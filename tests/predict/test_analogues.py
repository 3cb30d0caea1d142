"""What followed where history looked alike."""

from __future__ import annotations

import numpy as np

from foreseal.predict.analogues import Analogues, features


def test_likes_are_told_apart_by_their_past():
    rng = np.random.default_rng(0)
    rate = np.repeat([0.1, 3.0], 2000)
    counts = rng.poisson(rate[:, None], (4000, 31))
    known = np.ones((4000, 30))
    model = Analogues.of(features(counts[:, :30], known), counts[:, 30], 20)
    mean = model.at(features(counts[:, :30], known)) @ np.arange(21)
    assert abs(mean[:2000].mean() - 0.1) < 0.07
    assert abs(mean[2000:].mean() - 3.0) < 0.2


def test_one_kind_follows_as_all_did():
    model = Analogues.of(np.zeros((50, 3)), np.arange(50) % 5, 9)
    np.testing.assert_allclose(model.at(np.zeros((1, 3)))[0, :5], 0.2, atol=0.03)


def test_histories_without_demand_have_finite_features():
    counts = np.zeros((2, 12), np.int64)
    known = np.ones((2, 12))
    known[1] = 0.0
    assert np.isfinite(features(counts, known)).all()
