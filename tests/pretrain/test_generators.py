"""Synthetic series: reproducible, in their quotas, finite, and what their family's name says."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from pretrain.generators import BUCKETS, QUOTAS, STEPS, VERSION, batch
from pretrain.generators.clipped import clipped
from pretrain.generators.counts import counts
from pretrain.generators.double import double
from pretrain.generators.epidemic import epidemic
from pretrain.generators.noise import autoregressive, filtered, smooth, unit, white
from pretrain.generators.regime import regime
from pretrain.generators.rows import Rows
from pretrain.generators.season import season
from pretrain.generators.spectral import spectral
from pretrain.generators.trend import trend
from pretrain.generators.walk import walk

Floats = NDArray[np.float64]


def rows(count: int = 200, bucket: int = 512, seed: int = 0) -> Rows:
    return Rows(np.random.default_rng(seed), np.full(count, bucket), bucket)


def correlation(values: Floats, lag: Floats) -> Floats:
    """Of each row with itself ``lag`` columns later."""
    out = []
    for row, shift in zip(values, np.round(lag).astype(int), strict=True):
        out.append(np.corrcoef(row[:-shift], row[shift:])[0, 1])
    return np.array(out)


def test_a_batch_is_a_pure_function_of_seed_and_number() -> None:
    one, same, other = batch(5, 7, 64), batch(5, 7, 64), batch(5, 8, 64)
    for field in dataclasses.fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(same, field.name))
    assert other.bucket != one.bucket or not np.array_equal(one.target, other.target, equal_nan=True)


def test_version_8_gives_these_series() -> None:
    """Where this fails and generators were meant to change, raise VERSION and put the new digest here."""
    drawn, at = batch(1, 1), slice(None, None, 7)
    said = [f"{x:.4e}" for values in (drawn.context, drawn.target, drawn.hints) for x in values[at, at].flat]
    digest = hashlib.sha256(" ".join([*said, *drawn.family, *map(str, drawn.n)]).encode()).hexdigest()
    assert (VERSION, digest[:16]) == (8, "671f69bc262db744")


def test_other_seeds_give_other_series() -> None:
    assert not np.array_equal(batch(1, 1, 8, 64).target, batch(2, 1, 8, 64).target, equal_nan=True)


@pytest.mark.parametrize("bucket", BUCKETS)
def test_quotas_are_held_to_one_row(bucket: int) -> None:
    drawn = batch(3, 11, 200, bucket)
    total = sum(QUOTAS[bucket].values())
    for name, quota in QUOTAS[bucket].items():
        assert abs((drawn.family == name).sum() - 200 * quota / total) <= 1, name


@pytest.mark.parametrize("family", ["trend", "double", "mixup"])
def test_a_family_left_out_leaves_its_share_to_the_others(family: str) -> None:
    drawn = batch(3, 11, 200, 1024, without=family)
    quotas = {name: quota for name, quota in QUOTAS[1024].items() if name != family}
    assert family not in drawn.family
    for name, quota in quotas.items():
        assert abs((drawn.family == name).sum() - 200 * quota / sum(quotas.values())) <= 1, name


@pytest.mark.parametrize("bucket", BUCKETS)
def test_series_are_finite_where_they_are_seen_and_missing_before_they_start(bucket: int) -> None:
    drawn = batch(3, 12, 256, bucket)
    assert drawn.context.shape == (256, bucket)
    assert drawn.target.shape == (256, STEPS)
    assert not np.isinf(drawn.context).any()
    assert not np.isinf(drawn.target).any()
    before = np.arange(bucket) < bucket - drawn.n[:, None]
    assert np.isnan(drawn.context[before]).all()
    assert np.isnan(drawn.context[~before]).mean() < 0.06
    whole = ~np.isnan(np.where(before, 0.0, drawn.context)).any(axis=1)
    assert 0.7 < whole.mean() < 0.95


def test_lengths_fill_the_bucket() -> None:
    for bucket in BUCKETS:
        n = batch(3, 13, 400, bucket).n
        assert n.max() <= bucket
        assert n.min() > (bucket // 2 if bucket > 64 else 3)
        assert n.max() > 0.95 * bucket


def test_seven_tenths_are_told_their_seasons_and_a_quarter_nothing() -> None:
    drawn = batch(3, 14, 4000, 256)
    seasonal = np.isin(drawn.family, ["season", "double"]) & (drawn.periods[:, 0] > 0)
    told = np.isclose(drawn.hints[:, 0], drawn.periods[:, 0])
    assert 0.66 < told[seasonal].mean() < 0.76
    assert 0.2 < np.isnan(drawn.hints[:, 0]).mean() < 0.28
    assert (np.nan_to_num(drawn.hints) <= drawn.n[:, None]).all()


def test_contexts_of_every_bucket_are_drawn_in_their_shares() -> None:
    seen = [batch(4, k, 1).bucket for k in range(600)]
    for bucket, share in BUCKETS.items():
        assert abs(seen.count(bucket) / 600 - share) < 0.06


def test_white_noise_has_mean_zero_variance_one_and_no_memory() -> None:
    noise = white(rows(300, 1024))
    assert abs(noise.mean()) < 0.02
    assert noise.var() == pytest.approx(1.0, abs=0.05)
    assert abs(correlation(noise, np.ones(300)).mean()) < 0.01


def test_autoregressive_noise_has_the_autocorrelation_asked_for() -> None:
    phi = np.repeat([0.0, 0.5, 0.9], 100)[:, None]
    noise = autoregressive(rows(300, 1024), phi)
    for value in (0.0, 0.5, 0.9):
        some = noise[phi[:, 0] == value]
        assert correlation(some, np.ones(100)).mean() == pytest.approx(value, abs=0.03)
        assert some.var() == pytest.approx(1.0, abs=0.1)


def test_smooth_noise_decorrelates_at_its_length_scale() -> None:
    noise = smooth(rows(300, 1024), np.full((300, 1), 20.0))
    # exp(-(20/20)^2 / 2)
    assert np.mean(noise[:, :-20] * noise[:, 20:]) / noise.var() == pytest.approx(np.exp(-0.5), abs=0.08)


def test_the_filter_is_its_recursion() -> None:
    errors, phi = np.random.default_rng(0).normal(size=(3, 50)), np.array([[0.3], [0.9], [1.0]])
    expected = errors.copy()
    for row in range(3):
        for t in range(1, 50):
            expected[row, t] = phi[row, 0] * expected[row, t - 1] + errors[row, t]
    np.testing.assert_allclose(filtered(errors.copy(), phi), expected)


def test_seasons_repeat_at_their_period_more_than_elsewhere() -> None:
    some = rows(300)
    paths = season(some)
    values = unit(some, paths.values)
    changes = np.clip(np.diff(values, axis=1), -3, 3)
    at = correlation(changes, paths.periods[:, 0])
    off = correlation(changes, np.maximum(paths.periods[:, 0] * 0.6, 1))
    usable = paths.periods[:, 0] < 300
    assert (at > off)[usable].mean() > 0.8
    assert np.nanmedian(at[usable]) > 0.15


def test_double_seasons_are_alike_after_a_week_more_than_after_half_a_week() -> None:
    some = rows(300, 1024)
    paths = double(some)
    long = (paths.periods[:, 1] > 0) & (paths.periods[:, 1] < 400) & (paths.periods[:, 0] > 7)
    values = np.clip(unit(some, paths.values)[long], -4, 4)
    short, week = paths.periods[long, 0], paths.periods[long, 1]
    assert long.sum() > 100
    assert (correlation(values, week) > correlation(values, short * 3)).mean() > 0.6


def test_walks_have_uncorrelated_steps() -> None:
    some = rows(300, 1024)
    prices = walk(some).values
    positive = (prices > 0).all(axis=1)
    steps = np.diff(np.where(positive[:, None], np.log(np.maximum(prices, 1e-300)), prices), axis=1)
    memory = correlation(
        np.clip(steps, *np.quantile(steps, [0.001, 0.999], axis=1)[:, :, None]), np.ones(300)
    )
    # Rows that are returns instead of prices have steps with memory -1/2.
    assert np.median(np.abs(memory)) < 0.05
    assert 0.04 < (memory < -0.35).mean() < 0.22


def test_trends_leave_where_they_began_more_than_their_steps_explain() -> None:
    some = rows(400, 64)
    values = unit(some, trend(some).values)[:, :64]
    line = np.arange(64) - 31.5
    fit = np.abs(values @ line) / np.sqrt((line**2).sum() * (values**2).sum(axis=1))
    assert (fit > 0.8).mean() > 0.35


def test_counts_are_whole_numbers_and_many_are_zero_in_a_part() -> None:
    values = counts(rows(200)).values
    assert (values >= 0).all()
    np.testing.assert_array_equal(values, np.round(values))
    assert 0.2 < ((values == 0).mean(axis=1) > 0.3).mean() < 0.7


def test_clipped_series_sit_at_a_bound() -> None:
    values = clipped(rows(300)).values
    at = np.isclose(values, values.min(axis=1, keepdims=True)) | np.isclose(
        values, values.max(axis=1, keepdims=True)
    )
    assert (at.mean(axis=1) > 0.05).mean() > 0.5


def test_regimes_differ_in_level_from_each_other() -> None:
    some = rows(300)
    values = unit(some, regime(some).values)[:, :512].reshape(300, 16, 32)
    within = values.var(axis=2).mean(axis=1)
    assert np.median(within) < 0.75


def test_spectral_series_have_memory() -> None:
    some = rows(300)
    values = unit(some, spectral(some).values)
    assert np.median(correlation(np.clip(values, -4, 4), np.ones(300))) > 0.5


def test_epidemics_swing_by_factors_and_many_stay_away() -> None:
    values = epidemic(rows(300, 64)).values
    assert (values >= 0).all()
    early, late = values[:, :32].mean(axis=1), values[:, -20:].mean(axis=1)
    assert 0.15 < (late < early / 3).mean() < 0.6


def test_families_are_finite_at_the_shortest_lengths() -> None:
    for family in (trend, walk, season, spectral, counts, clipped, regime, double, epidemic):
        some = Rows(np.random.default_rng(1), np.full(64, 4), 64)
        assert np.isfinite(family(some).values).all(), family.__name__
