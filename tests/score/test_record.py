"""The track record leaves nothing out, and its intervals hold what they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from foreseal.records import Score
from foreseal.score.record import block_bootstrap, central_levels, interval_coverage, track_record

START = datetime(2024, 1, 1, tzinfo=UTC)
NAN = float("nan")


def score(seq: int, forecaster: str, mean: float, n: int = 10, status: str = "scored") -> Score:
    return Score("t", forecaster, seq, START + timedelta(days=seq), "wis", status, mean, n)


def test_skill_weighs_each_value_once() -> None:
    scores = [
        score(0, "us", 1.0, n=1),
        score(0, "baseline", 4.0, n=1),
        score(1, "us", 3.0, n=3),
        score(1, "baseline", 2.0, n=3),
    ]
    record = track_record("t", "us", scores, declared=5)
    assert record.mean == pytest.approx((1 * 1 + 3 * 3) / 4)
    assert record.baseline_mean == pytest.approx((4 * 1 + 2 * 3) / 4)
    assert record.skill == pytest.approx(1 - 2.5 / 2.5)
    assert (record.settled, record.pending) == (2, 3)


def test_a_missing_forecast_is_counted_and_weighs_as_the_target_says() -> None:
    scores = [score(0, "us", 4.0, status="missing"), score(0, "baseline", 4.0)]
    record = track_record("t", "us", scores, declared=1)
    assert record.not_scored() == {"missing": 1}
    assert record.skill == 0.0


def test_a_cutoff_without_any_outcome_does_not_spoil_the_mean() -> None:
    scores = [
        score(0, "us", 1.0),
        score(0, "baseline", 2.0),
        score(1, "us", NAN, n=0, status="missing"),
        score(1, "baseline", NAN, n=0, status="missing"),
    ]
    record = track_record("t", "us", scores, declared=2)
    assert record.ratio == 0.5
    assert record.settled == 2


def test_central_intervals_pair_levels_that_mirror_each_other() -> None:
    assert central_levels((0.05, 0.1, 0.25, 0.5, 0.75, 0.9)) == [(0.5, 0.25, 0.75), (0.8, 0.1, 0.9)]


def test_coverage_counts_outcomes_between_the_quantiles_ends_included() -> None:
    times = [START + timedelta(hours=k) for k in range(4)]
    key = {"unique_id": ["a"] * 4, "ds": times, "cutoff": [START] * 4}
    forecasts = pl.DataFrame({**key, "q0.1": [0.0] * 4, "q0.5": [1.0] * 4, "q0.9": [2.0] * 4})
    outcomes = pl.DataFrame({**key, "y": [0.0, 2.0, 2.5, -1.0]})
    (found,) = interval_coverage(forecasts, outcomes, (0.1, 0.5, 0.9))
    assert (found.level, found.observed, found.width, found.n) == (0.8, 0.5, 2.0, 4)
    assert np.isnan(found.low)


def test_block_bootstrap_is_wider_than_independence_would_have_it_where_days_depend_on_each_other() -> None:
    """For an AR(1) share with autocorrelation 0.9 the variance of the mean is far above the naive one."""
    rng = np.random.default_rng(7)
    x = np.zeros(400)
    for k in range(1, 400):
        x[k] = 0.9 * x[k - 1] + rng.normal()
    ones = np.ones_like(x)
    low, high = block_bootstrap(x, ones, block=40)
    naive = 2 * 1.96 * x.std() / 20
    assert high - low > 2 * naive
    assert low < x.mean() < high


def test_block_bootstrap_agrees_with_the_normal_interval_for_independent_values() -> None:
    x = np.random.default_rng(3).normal(size=600)
    low, high = block_bootstrap(x, np.ones_like(x), block=1, draws=4000)
    assert high - low == pytest.approx(2 * 1.96 * x.std() / np.sqrt(600), rel=0.06)
