"""Each rule agrees with an independent implementation, an integral or a brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreseal import exact, rules
from foreseal.errors import UsageError
from tests.conftest import require

LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
finite = st.floats(-1e3, 1e3)


def integral(values, x):
    return float(np.sum((values[1:] + values[:-1]) / 2 * np.diff(x)))


def normal_cdf(x):
    return np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])


@given(finite, st.lists(finite, min_size=7, max_size=7))
def test_wis_of_symmetric_levels_is_the_mean_of_interval_scores_and_the_median_error(y, q):
    """Equation 1 of Bracher et al. (2021): weights alpha/2 for intervals, 1/2 for the median."""
    q = np.sort(q)
    total = 0.5 * abs(y - q[3])
    for lower, upper, alpha in ((q[2], q[4], 0.5), (q[1], q[5], 0.2), (q[0], q[6], 0.1)):
        total += alpha / 2 * float(rules.interval_score(y, lower, upper, alpha))
    assert float(rules.wis(y, q, LEVELS)) == pytest.approx(total / 3.5, rel=1e-9, abs=1e-9)


@given(st.integers(-9999, 9999), st.lists(st.integers(-9999, 9999), min_size=7, max_size=7))
def test_wis_agrees_with_the_exact_integers_that_are_sealed(y, q):
    scaled, digits = exact.scale_levels([f"{level:g}" for level in LEVELS])
    total = exact.wis_sum(scaled, 10**digits, sorted(q), y)
    assert float(rules.wis(y, np.sort(q), LEVELS)) * 7 * 10**digits == pytest.approx(
        total, rel=1e-12, abs=1e-6
    )


def test_the_pinball_loss_of_a_level_is_smallest_at_the_quantile_of_that_level():
    y = np.random.default_rng(1).exponential(size=4001)
    candidates = np.linspace(0, 4, 401)
    for level in LEVELS:
        loss = [rules.pinball(y, np.full((len(y), 1), c), [level]).mean() for c in candidates]
        assert candidates[int(np.argmin(loss))] == pytest.approx(np.quantile(y, level), abs=0.02)


def test_crps_normal_agrees_with_properscoring_and_with_its_own_integral():
    require("properscoring")
    from properscoring import crps_gaussian

    rng = np.random.default_rng(2)
    y, mean, sd = rng.normal(size=50), rng.normal(size=50), rng.exponential(size=50) + 0.01
    np.testing.assert_allclose(rules.crps_normal(y, mean, sd), crps_gaussian(y, mean, sd), rtol=1e-10)
    x = np.linspace(-12, 12, 200_001)
    square = (normal_cdf(x) - (x >= 0.7)) ** 2
    assert float(rules.crps_normal(0.7, 0.0, 1.0)) == pytest.approx(integral(square, x), abs=1e-4)


def test_crps_normal_without_spread_is_the_absolute_error():
    assert rules.crps_normal([1.0, 2.0], [3.0, 2.0], 0.0).tolist() == [2.0, 0.0]


def test_crps_ensemble_agrees_with_properscoring_and_with_all_pairs():
    require("properscoring")
    from properscoring import crps_ensemble

    rng = np.random.default_rng(3)
    y, members = rng.normal(size=(4, 5)), rng.normal(size=(4, 5, 9))
    got = rules.crps_ensemble(y, members)
    np.testing.assert_allclose(got, crps_ensemble(y, members), rtol=1e-10, atol=1e-12)
    pairs = np.abs(members[..., :, None] - members[..., None, :]).mean(axis=(-1, -2))
    np.testing.assert_allclose(got, np.abs(members - y[..., None]).mean(axis=-1) - pairs / 2, atol=1e-12)


def test_crps_from_many_quantiles_approaches_that_of_the_distribution():
    levels = np.arange(1, 2000) / 2000
    grid = np.linspace(-6, 6, 120_001)
    quantiles = np.interp(levels, normal_cdf(grid), grid)
    got = rules.crps_quantiles(0.3, quantiles, levels)
    assert float(got) == pytest.approx(float(rules.crps_normal(0.3, 0.0, 1.0)), abs=2e-3)


def test_the_log_score_of_a_density_is_the_negative_log_of_a_density_that_integrates_to_one():
    x = np.linspace(-30, 40, 100_001)
    assert integral(np.exp(-rules.log_score_normal(x, 2.0, 3.0)), x) == pytest.approx(1.0, abs=1e-9)


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_log_and_brier_scores_are_proper(p, q):
    """Whoever believes p expects no better score from saying q."""
    for rule in (rules.log_score, rules.brier):
        honest = p * rule(1, p) + (1 - p) * rule(0, p)
        assert p * rule(1, q) + (1 - p) * rule(0, q) >= honest - 1e-12


def test_scores_of_probabilities_agree_with_scikit_learn():
    require("sklearn")
    from sklearn.metrics import brier_score_loss, log_loss

    rng = np.random.default_rng(4)
    y, p = rng.integers(0, 2, 200), rng.uniform(0.01, 0.99, 200)
    assert rules.log_score(y, p).mean() == pytest.approx(log_loss(y, p))
    assert rules.brier(y, p).mean() == pytest.approx(brier_score_loss(y, p))


def test_a_certain_mistake_has_an_infinite_log_score():
    assert rules.log_score([1, 0, 1], [0.0, 0.0, 1.0]).tolist() == [math.inf, 0.0, 0.0]


def test_mase_is_one_for_the_seasonal_naive_forecast_of_a_steady_walk():
    history = np.tile([0.0, 5.0, 1.0], 5) + np.repeat(np.arange(5.0), 3)
    assert rules.mase(history[-3:] + 1, history[-3:], history, season=3) == pytest.approx(1.0)
    assert math.isnan(rules.mase([1.0], [2.0], [3.0, 3.0, 3.0]))


def test_coverage_counts_both_ends_and_leaves_out_missing_outcomes():
    assert rules.coverage(
        [1.0, 2.0, np.nan, 4.0], [1.0, 0.0, 0.0, 0.0], [2.0, 2.0, 9.0, 3.0]
    ) == pytest.approx(2 / 3)
    assert math.isnan(rules.coverage([np.nan], [0.0], [1.0]))


def test_a_missing_outcome_has_a_missing_score():
    assert np.isnan(rules.wis([np.nan], [[1.0, 2.0]], [0.1, 0.9])).all()
    assert np.isnan(rules.crps_ensemble([np.nan], [[1.0, 2.0]])).all()
    assert np.isnan(rules.log_score([np.nan], [0.5])).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: rules.pinball(1.0, [1.0, 2.0], [0.5]),
        lambda: rules.wis(1.0, [1.0, 2.0], [0.9, 0.1]),
        lambda: rules.wis(1.0, [1.0], [1.0]),
        lambda: rules.interval_score(1.0, 0.0, 2.0, 0.0),
        lambda: rules.crps_normal(1.0, 0.0, -1.0),
        lambda: rules.crps_ensemble(1.0, []),
        lambda: rules.log_score_normal(1.0, 0.0, 0.0),
        lambda: rules.brier([2], [0.5]),
        lambda: rules.log_score([1], [1.5]),
        lambda: rules.mase([1.0], [1.0], [1.0], season=1),
    ],
)
def test_arguments_that_mean_nothing_are_refused(call):
    with pytest.raises(UsageError):
        call()


@pytest.fixture(scope="module")
def watched():
    """Times, events and survival curves of 300 cases, and times to score them at."""
    rng = np.random.default_rng(5)
    life, lost = rng.exponential(3.0, 300), rng.uniform(0.0, 8.0, 300)
    at = np.linspace(0.5, 5.0, 19)
    survival = np.exp(-np.outer(rng.uniform(0.2, 0.5, 300), at))
    return np.minimum(life, lost), (life <= lost).astype(float), survival, at


def test_the_integrated_brier_score_of_survival_agrees_with_scikit_survival(watched):
    metrics = pytest.importorskip("sksurv.metrics")
    time, event, survival, at = watched
    train = np.array(
        list(zip(event[:200] == 1, time[:200], strict=True)), dtype=[("event", bool), ("time", float)]
    )
    test = np.array(
        list(zip(event[200:] == 1, time[200:], strict=True)), dtype=[("event", bool), ("time", float)]
    )
    weights = (time[:200], event[:200])
    _, each = metrics.brier_score(train, test, survival[200:], at)
    np.testing.assert_allclose(
        rules.brier_survival(time[200:], event[200:], survival[200:], at, weights), each
    )
    assert rules.integrated_brier(time[200:], event[200:], survival[200:], at, weights) == pytest.approx(
        metrics.integrated_brier_score(train, test, survival[200:], at)
    )


def test_kaplan_and_meier_at_the_very_time_of_an_event_count_it() -> None:
    """By hand: of four one goes at 1; of three one at 2, where another is lost; the last at 3."""
    found = rules.survival_estimate([1.0, 2.0, 2.0, 3.0], [1, 1, 0, 1], [0.5, 1.0, 1.5, 2.0, 3.0, 9.0])
    assert found == pytest.approx([1.0, 0.75, 0.75, 0.5, 0.0, 0.0])


def test_with_nobody_lost_the_brier_score_of_survival_is_that_of_probabilities(watched):
    time, _, survival, at = watched
    score = rules.brier_survival(time, np.ones(len(time)), survival, at)
    alive = (time[:, None] > at).astype(float)
    np.testing.assert_allclose(score, rules.brier(alive, survival).mean(axis=0))
    with pytest.raises(UsageError, match="Nobody was watched"):
        rules.brier_survival(time, np.zeros(len(time)), survival, at, (time / 100.0, 0.0 * time))


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 100)), min_size=1, max_size=40),
    st.sampled_from([0.05, 0.1, 0.2, 0.5, 0.8]),
)
def test_net_benefit_is_the_saving_of_a_matrix_of_costs(cases, threshold):
    """Vickers and Elkin (2006) by counting; and what acting saves against acting on nobody, per case."""
    y = np.array([float(label) for label, _ in cases])
    p = np.array([each / 100 for _, each in cases])
    hits = sum(label and each / 100 >= threshold for label, each in cases)
    false = sum(not label and each / 100 >= threshold for label, each in cases)
    expected = hits / len(cases) - false / len(cases) * threshold / (1 - threshold)
    assert rules.net_benefit(y, p, threshold) == pytest.approx(expected)
    cost = np.where(p >= threshold, (1 - y) * threshold / (1 - threshold), y).sum()
    assert rules.net_benefit(y, p, threshold) == pytest.approx((y.sum() - cost) / len(cases))
