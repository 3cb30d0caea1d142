"""Seasons taken out of series whose parts are known."""

from __future__ import annotations

import numpy as np
import pytest

from foreseal.predict.decomposition import at_phase, fill_gaps, season_of, second_of, smooth_of


def table(period: int, rng: np.random.Generator) -> np.ndarray:
    values = rng.normal(size=period)
    return (values - values.mean()).astype(np.float32)


def ahead(pattern: np.ndarray, length: int) -> np.ndarray:
    """A pattern that started at column 0, from column ``length`` on."""
    return pattern[(length + np.arange(len(pattern))) % len(pattern)]


@pytest.mark.parametrize(
    ("period", "length"), [(4, 20), (5, 43), (7, 100), (12, 36), (12, 30), (24, 1024), (30, 61), (168, 900)]
)
def test_a_straight_line_and_a_season_come_apart_exactly(period, length):
    rng = np.random.default_rng(period)
    pattern = table(period, rng)
    t = np.arange(length)
    x = (0.3 * t + pattern[t % period]).astype(np.float32)[None]
    season = season_of(x, None, np.array([length]), period)
    for part in (season.quick, season.slow):
        np.testing.assert_allclose(part[0], ahead(pattern, length), atol=2e-3)
    if period <= 128:
        np.testing.assert_allclose(season.smooth[0], ahead(pattern, length), atol=2e-3)
        np.testing.assert_allclose(smooth_of(x, None, np.array([length]), period), season.smooth, atol=1e-6)


def test_a_history_that_starts_late_gives_the_same_season():
    rng = np.random.default_rng(1)
    pattern = table(12, rng)
    t = np.arange(48)
    y = (0.1 * t + pattern[t % 12]).astype(np.float32)
    whole = season_of(y[None], None, np.array([48]), 12)
    late = season_of(np.concatenate([np.zeros(80, np.float32), y])[None], None, np.array([48]), 12)
    np.testing.assert_allclose(late.smooth, whole.smooth, atol=1e-3)


def test_the_moving_average_agrees_with_a_loop():
    """A season is the mean over cycles of deviations from it: one cycle of weight shows the trend itself."""
    rng = np.random.default_rng(2)
    for period in (6, 7, 52, 61):
        x = rng.normal(size=(1, period * 6)).astype(np.float32)
        half = period // 2
        weights = np.ones(period + 1 - period % 2)
        if period % 2 == 0:
            weights[[0, -1]] = 0.5
        trend = np.convolve(x[0].astype(float), weights / weights.sum(), "valid")
        middle = np.full(x.shape[1], np.nan)
        middle[half : half + len(trend)] = trend
        slope = (trend[-1] - trend[-1 - period]) / period
        right = np.arange(1, x.shape[1] - half - len(trend) + 1)
        middle[half + len(trend) :] = trend[-1] + slope * right
        whole = (trend[-1] - trend[0]) / (len(trend) - 1)
        middle[:half] = trend[0] + whole * np.arange(-half, 0)
        deviations = (x[0] - middle).reshape(6, period)
        # Half a cycle at the start, where the trend is a guess, does not count.
        weight = 0.98 ** np.arange(5, -1, -1)[:, None] * np.ones(period)
        weight[0, :half] = 0.0
        expected = (weight * deviations).sum(axis=0) / weight.sum(axis=0)
        season = season_of(x, None, np.array([x.shape[1]]), period)
        np.testing.assert_allclose(season.slow[0], expected - expected.mean(), atol=1e-4)


def test_smoothing_comes_closer_to_a_smooth_season_in_noise_than_plain_means_do():
    rng = np.random.default_rng(3)
    phase = 2 * np.pi * np.arange(168) / 168
    true = np.sin(phase) + 0.5 * np.cos(2 * phase)
    t = np.arange(168 * 5)
    x = (true[t % 168] + 0.8 * rng.normal(size=(40, len(t)))).astype(np.float32)
    season = season_of(x, None, np.full(40, len(t)), 168)
    error = [np.abs(part - true).mean() for part in (season.smooth, season.slow)]
    assert error[0] < 0.6 * error[1]


def test_two_kinds_of_days_are_told_apart_by_a_table_of_low_rank():
    rng = np.random.default_rng(4)
    work, rest = rng.normal(size=24), rng.normal(size=24)
    days = np.array([work] * 5 + [rest] * 2)
    days = days - days.mean(axis=0)
    t = np.arange(168 * 5)
    week = days.ravel()
    x = (week[t % 168] + 0.7 * rng.normal(size=(40, len(t)))).astype(np.float32)
    smooth, low_rank = second_of(x, None, np.full(40, len(t)), 168, 24)
    slow = season_of(x, None, np.full(40, len(t)), 168).slow
    assert np.abs(low_rank - week).mean() < 0.75 * np.abs(slow - week).mean()
    exact = second_of(week[t % 168][None].astype(np.float32), None, np.array([len(t)]), 168, 24)[1]
    np.testing.assert_allclose(exact[0], week, atol=1e-3)
    assert smooth.shape == low_rank.shape == (40, 168)


def test_missing_values_take_the_phase_of_the_cycle_before_else_after():
    x = np.array([[0.0, 2.0, 3.0, 1.5, 0.0, 0.0, 0.0, 2.2, 3.3]], np.float32)
    seen = np.array([[0, 1, 1, 1, 0, 0, 0, 1, 1]], np.float32)
    np.testing.assert_allclose(fill_gaps(x, seen, 3), [[2.0, 2.0, 3.0, 1.5, 2.0, 3.0, 1.5, 2.2, 3.3]])
    np.testing.assert_allclose(fill_gaps(x, seen, 0), [[2.0, 2.0, 3.0, 1.5, 1.5, 1.5, 1.5, 2.2, 3.3]])


def test_a_table_continues_where_the_history_ends():
    values = np.array([[1.0, 2.0, 3.0]], np.float32)
    assert at_phase(values, 0, 5).tolist() == [[1, 2, 3, 1, 2]]
    assert at_phase(values, -4, 4).tolist() == [[3, 1, 2, 3]]
