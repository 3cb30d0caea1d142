"""Weights go to those who deserved them, and the guard does not trust a single good or bad day."""

from __future__ import annotations

import numpy as np
import pytest

from foreseal.predict.backtest import Past
from foreseal.predict.combine import Mixture, guard, weigh, wis_by_step
from foreseal.rules import wis

LEVELS = (0.1, 0.5, 0.9)
SPREAD = np.array([-1.28, 0.0, 1.28])


def past(members, windows=20, series=1, steps=12, seed=0):
    """Outcomes are standard normal; each member is a function (window, series number) -> (bias, spread)."""
    y = np.random.default_rng(seed).normal(size=(windows, series, steps))
    values = {}
    for name, make in members.items():
        table = np.array([[make(w, s) for s in range(series)] for w in range(windows)], float)
        table = table.reshape(windows, series, 2)
        made = table[:, :, :1] + table[:, :, 1:] * SPREAD
        values[name] = np.repeat(made[:, :, None], steps, axis=2)
    ids = tuple(f"s{i:02d}" for i in range(series))
    return Past(ids, LEVELS, np.zeros((windows, series), np.int64), y, values)


GOOD = lambda w, s: (0.0, 1.0)  # noqa: E731
BIASED = lambda w, s: (2.0, 1.0)  # noqa: E731
OTHER_WAY = lambda w, s: (-2.0, 1.0)  # noqa: E731


def test_a_good_member_gets_nearly_all_the_weight():
    mixture = weigh(past({"base": BIASED, "good": GOOD}), "base")
    assert mixture.weights[0, 1] > 0.9
    assert mixture.weights.sum() == pytest.approx(1.0)


def test_a_hopeless_member_cannot_spoil_the_combination_through_the_prior():
    hopeless = lambda w, s: (60.0, 1.0)  # noqa: E731
    record = past({"base": BIASED, "good": GOOD, "hopeless": hopeless}, windows=3)
    mixture = guard(weigh(record, "base"), past({"base": BIASED, "good": GOOD, "hopeless": hopeless}), "base")
    assert not mixture.guarded.any()
    assert mixture.weights[0, 2] < 0.01


def test_members_that_err_in_opposite_directions_share_the_weight():
    mixture = weigh(past({"base": BIASED, "other": OTHER_WAY}, windows=100), "base")
    np.testing.assert_allclose(mixture.weights[0], [0.5, 0.5], atol=0.07)


def test_weights_are_near_the_best_on_a_grid():
    record = past({"base": lambda w, s: (1.0, 2.0), "other": lambda w, s: (-0.5, 0.7)}, windows=200)
    weights = weigh(record, "base").weights[0]

    def loss(w):
        mixed = w * record.values["base"] + (1 - w) * record.values["other"]
        return wis(record.y, mixed, LEVELS).mean()

    best = min(loss(w) for w in np.linspace(0, 1, 201))
    assert loss(weights[0]) < 1.01 * best


def test_without_a_past_the_baseline_stands_alone():
    mixture = weigh(past({"base": BIASED, "good": GOOD}, windows=0), "base")
    assert mixture.weights.tolist() == [[1.0, 0.0]]


def test_little_evidence_of_a_series_leaves_it_near_the_weights_of_all():
    def better_for_a(w, s):
        return (0.0, 1.0) if s == 0 else (1.5, 1.0)

    def better_for_b(w, s):
        return (1.5, 1.0) if s == 0 else (0.0, 1.0)

    members = {"base": better_for_a, "other": better_for_b}
    few = weigh(past(members, windows=2, series=2), "base").weights
    many = weigh(past(members, windows=200, series=2), "base").weights
    assert few[0, 0] - few[1, 0] < 0.35
    assert many[0, 0] - many[1, 0] > 0.8


def mixture_of(record, weights, names=("base", "good")):
    count = len(record.ids)
    return Mixture(names, np.array([weights] * count), np.zeros(count, bool))


def test_the_guard_keeps_what_beats_the_baseline_and_drops_what_does_not():
    record = past({"base": BIASED, "good": GOOD})
    assert not guard(mixture_of(record, [0.0, 1.0]), record, "base").guarded.any()
    record = past({"base": GOOD, "good": BIASED})
    guarded = guard(mixture_of(record, [0.0, 1.0]), record, "base")
    assert guarded.guarded.tolist() == [True]
    assert guarded.weights.tolist() == [[1.0, 0.0]]


def test_one_disastrous_day_does_not_decide():
    record = past({"base": BIASED, "good": lambda w, s: (300.0 if w == 7 else 0.0, 1.0)}, windows=12)
    assert not guard(mixture_of(record, [0.0, 1.0]), record, "base").guarded.any()


def off_by(base, good):
    """Members that miss every outcome of a window by so much: WIS is in proportion to it."""
    record = past({"base": GOOD, "good": GOOD})
    for name, sizes in (("base", base), ("good", good)):
        record.values[name][:] = record.y[..., None] + np.broadcast_to(sizes, 20)[:, None, None, None]
    return record


@pytest.mark.parametrize(("worse", "guarded"), [(1.01, False), (1.05, True)])
def test_a_loss_of_a_hundredth_is_chance_and_one_of_a_twentieth_is_not(worse, guarded):
    record = off_by(1.0, worse)
    assert guard(mixture_of(record, [0.0, 1.0]), record, "base").guarded.tolist() == [guarded]


def test_one_perfect_day_does_not_decide_either():
    record = off_by(1.0, [1e-9, *[1.2] * 19])
    assert guard(mixture_of(record, [0.0, 1.0]), record, "base").guarded.all()


def test_a_series_with_little_evidence_is_judged_with_the_others():
    """It lost two windows out of luck; nineteen series of the same kind say otherwise."""
    unlucky = {"base": lambda w, s: (0.6, 1.0), "good": lambda w, s: (0.8 if s == 0 else 0.0, 1.0)}
    record = past(unlucky, windows=2, series=20)
    assert not guard(mixture_of(record, [0.0, 1.0]), record, "base").guarded.any()


def test_rounding_on_constant_series_does_not_guard_the_others():
    """Five series are constant: the baseline hits them exactly, the combination but for rounding."""
    record = past({"base": BIASED, "good": GOOD}, series=6)
    record.y[:, 1:] = 7.0
    record.values["base"][:, 1:] = 7.0
    record.values["good"][:, 1:] = 7.0 + 1e-14
    guarded = guard(mixture_of(record, [0.0, 1.0]), record, "base").guarded
    assert guarded.tolist() == [False, True, True, True, True, True]


def test_a_series_without_any_past_gets_the_weights_of_all():
    record = past({"base": BIASED, "good": GOOD}, series=3)
    record.y[:, 2] = np.nan
    weights = weigh(record, "base").weights
    assert weights[2, 1] > 0.9
    assert weights[2].sum() == pytest.approx(1.0)


def test_a_missing_forecast_of_a_member_without_weight_is_not_missed():
    mixture = mixture_of(past({"base": GOOD, "good": GOOD}), [1.0, 0.0])
    values = {"base": np.ones((1, 2, 3)), "good": np.full((1, 2, 3), np.nan)}
    assert mixture.combine(values).tolist() == np.ones((1, 2, 3)).tolist()


def test_the_score_is_the_weighted_interval_score():
    record = past({"base": BIASED})
    np.testing.assert_allclose(
        wis_by_step(record.y, record.values["base"], LEVELS), wis(record.y, record.values["base"], LEVELS)
    )
