"""Weights go to those who deserved them, and the guard does not trust a single good or bad day."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from tests.predict.panels import START

from foreseal.frame import UTC_TIME
from foreseal.predict.backtest import Past
from foreseal.predict.combine import Mixture, guard, weigh
from foreseal.rules import wis

LEVELS = (0.1, 0.5, 0.9)
SPREAD = np.array([-1.28, 0.0, 1.28])


def past(members, windows=20, series=("a",), steps=12, seed=0):
    """Outcomes are standard normal; each member is a function (window, series number) -> (bias, spread)."""
    rng = np.random.default_rng(seed)
    rows = [(w, s, k) for w in range(windows) for s in range(len(series)) for k in range(steps)]
    index = pl.DataFrame(
        {
            "window": [w for w, _, _ in rows],
            "unique_id": [series[s] for _, s, _ in rows],
            "ds": [START + timedelta(hours=w * steps + k) for w, _, k in rows],
            "cutoff": [START + timedelta(hours=w * steps) for w, _, _ in rows],
            "y": rng.normal(size=len(rows)),
        },
        schema_overrides={"ds": UTC_TIME, "cutoff": UTC_TIME},
    )
    values = {
        name: np.array([bias + spread * SPREAD for bias, spread in (make(w, s) for w, s, _ in rows)])
        for name, make in members.items()
    }
    return Past(index, values, tuple(series), LEVELS)


GOOD = lambda w, s: (0.0, 1.0)  # noqa: E731
BIASED = lambda w, s: (2.0, 1.0)  # noqa: E731
OTHER_WAY = lambda w, s: (-2.0, 1.0)  # noqa: E731
ALL = np.arange(20)


def test_a_good_member_gets_nearly_all_the_weight():
    mixture = weigh(past({"base": BIASED, "good": GOOD}), ALL, "base")
    assert mixture.weights[0, 1] > 0.9
    assert mixture.weights.sum() == pytest.approx(1.0)


def test_members_that_err_in_opposite_directions_share_the_weight():
    mixture = weigh(past({"base": BIASED, "other": OTHER_WAY}), ALL, "base")
    np.testing.assert_allclose(mixture.weights[0], [0.5, 0.5], atol=0.07)


def test_weights_are_near_the_best_on_a_grid():
    record = past({"base": lambda w, s: (1.0, 2.0), "other": lambda w, s: (-0.5, 0.7)}, windows=200)
    weights = weigh(record, np.arange(200), "base").weights[0]

    def loss(w):
        mixed = w * record.values["base"] + (1 - w) * record.values["other"]
        return wis(record.y, mixed, LEVELS).mean()

    best = min(loss(w) for w in np.linspace(0, 1, 201))
    assert loss(weights[0]) < 1.01 * best


def test_without_a_past_the_baseline_stands_alone():
    mixture = weigh(past({"base": BIASED, "good": GOOD}, windows=0), ALL, "base")
    assert mixture.pooled.tolist() == [1.0, 0.0]


def test_little_evidence_of_a_series_leaves_it_near_the_weights_of_all():
    def better_for_a(w, s):
        return (0.0, 1.0) if s == 0 else (1.5, 1.0)

    def better_for_b(w, s):
        return (1.5, 1.0) if s == 0 else (0.0, 1.0)

    members = {"base": better_for_a, "other": better_for_b}
    few = weigh(past(members, windows=2, series=("a", "b")), np.arange(2), "base").weights
    many = weigh(past(members, windows=200, series=("a", "b")), np.arange(200), "base").weights
    assert few[0, 0] - few[1, 0] < 0.35
    assert many[0, 0] - many[1, 0] > 0.8


def mixture_of(record, weights, names=("base", "good")):
    return Mixture(names, record.ids, np.array([weights] * len(record.ids)), np.array(weights))


def test_the_guard_keeps_what_beats_the_baseline_and_drops_what_does_not():
    record = past({"base": BIASED, "good": GOOD})
    assert guard(mixture_of(record, [0.0, 1.0]), record, ALL, "base").guarded == ()
    record = past({"base": GOOD, "good": BIASED})
    guarded = guard(mixture_of(record, [0.0, 1.0]), record, ALL, "base")
    assert guarded.guarded == ("a",)
    assert guarded.weights.tolist() == [[1.0, 0.0]]
    assert guarded.pooled.tolist() == [1.0, 0.0]


def test_one_disastrous_day_does_not_decide():
    record = past({"base": BIASED, "good": lambda w, s: (300.0 if w == 7 else 0.0, 1.0)}, windows=12)
    assert guard(mixture_of(record, [0.0, 1.0]), record, ALL, "base").guarded == ()


def test_a_series_with_little_evidence_is_judged_with_the_others():
    """It lost two windows out of luck; nineteen series of the same kind say otherwise."""
    names = tuple(f"s{i:02d}" for i in range(20))
    unlucky = {"base": lambda w, s: (0.6, 1.0), "good": lambda w, s: (0.8 if s == 0 else 0.0, 1.0)}
    record = past(unlucky, windows=2, series=names)
    assert guard(mixture_of(record, [0.0, 1.0]), record, ALL, "base").guarded == ()


def test_a_series_never_seen_before_gets_the_weights_of_all():
    mixture = Mixture(("base", "good"), ("a",), np.array([[1.0, 0.0]]), np.array([0.0, 1.0]))
    values = {"base": np.zeros((2, 3)), "good": np.ones((2, 3))}
    assert mixture.combine(["a", "new"], values).tolist() == [[0.0] * 3, [1.0] * 3]
