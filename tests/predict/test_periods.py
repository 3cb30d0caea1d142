"""Seasons found in series that have them, and not in others."""

from __future__ import annotations

import numpy as np
import pytest

from foreseal.predict.periods import autocorrelation, choose, detect


def seasonal(period: int, length: int, count: int = 30, noise: float = 0.7, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(length)
    y = np.sin(2 * np.pi * t / period) + 0.4 * np.cos(4 * np.pi * t / period)
    drift = 0.02 * np.cumsum(rng.normal(size=(count, length)), axis=1)
    return y + drift + noise * rng.normal(size=(count, length))


def test_correlations_agree_with_a_loop():
    rng = np.random.default_rng(0)
    y = np.cumsum(rng.normal(size=60))
    r, span = autocorrelation(y[None])
    rest = y - np.polyval(np.polyfit(np.arange(60), y, 1), np.arange(60))
    for lag in (1, 5, 20, 39):
        expected = (rest[lag:] * rest[:-lag]).sum() / (62 - lag) / (rest**2).mean()
        np.testing.assert_allclose(r[0, lag], expected, rtol=1e-6)
    assert span.tolist() == [60]


@pytest.mark.parametrize(
    ("period", "length"), [(4, 60), (7, 120), (12, 96), (24, 300), (24, 1024), (168, 1024)]
)
def test_a_clear_season_is_found(period, length):
    found = detect(seasonal(period, length, noise=0.4))[:, 0]
    assert (np.abs(found - period) <= 0.02 * period).mean() > 0.9


def test_a_week_over_days_is_the_second_season():
    rng = np.random.default_rng(1)
    t = np.arange(1024)
    day = np.sin(2 * np.pi * t / 24)
    y = day * np.where(t // 24 % 7 >= 5, 0.3, 1.0) - (t // 24 % 7 >= 5) + 0.2 * rng.normal(size=(30, 1024))
    found = detect(y)
    assert ((found[:, 0] == 24) & (found[:, 1] == 168)).mean() > 0.9


def test_noise_and_walks_hardly_ever_have_a_season():
    rng = np.random.default_rng(2)
    for length in (64, 256, 1024):
        assert (detect(rng.normal(size=(200, length)))[:, 0] > 0).mean() < 0.1
        assert (detect(np.cumsum(rng.normal(size=(200, length)), 1))[:, 0] > 0).mean() < 0.25


def test_nothing_is_found_in_nothing():
    for y in (np.full((1, 64), np.nan), np.full((1, 64), 3.0), np.zeros((1, 5)), np.full((1, 40), 1e300)):
        assert detect(y).tolist() == [[0, 0, 0]]


def test_missing_values_and_an_outlier_do_not_hide_a_season():
    y = seasonal(12, 300, noise=0.2)
    y[:, 50] = 1e6
    y[np.random.default_rng(3).random(y.shape) < 0.2] = np.nan
    assert (detect(y)[:, 0] == 12).mean() > 0.9


def test_the_calendar_holds_unless_the_data_deny_it():
    days = np.concatenate([seasonal(24, 900, 20, 0.1), seasonal(23, 900, 20, 0.1, seed=1)])
    found = choose(days, (24, 168))
    assert (found[:20] == [24, 168, 0]).all()
    assert (found[20:, 0] == 23).all()
    noise = np.random.default_rng(4).normal(size=(20, 900))
    assert (choose(noise, (24, 168)) == [24, 168, 0]).all()


def test_a_season_longer_than_the_history_is_left_out():
    y = seasonal(24, 100)
    assert (choose(y, (24, 168)) == [24, 0, 0]).all()
    assert (choose(y[:, :30], (24, 168)) == 0).all()
    assert choose(y[:, :5], (4,)).tolist() == [[0, 0, 0]] * 30


def test_a_second_season_need_not_be_a_week():
    """Shifts of eight hours, five of them a cycle."""
    rng = np.random.default_rng(5)
    t = np.arange(800)
    pattern = rng.normal(size=5)
    y = np.sin(2 * np.pi * t / 8) * (1.5 + 0.2 * pattern[t // 8 % 5]) + 0.5 * pattern[t // 8 % 5]
    found = detect(y + 0.1 * rng.normal(size=(20, 800)))
    # Two of its cycles are one, too.
    assert ((found[:, 0] == 8) & np.isin(found[:, 1], (40, 80))).all()


@pytest.mark.parametrize(("shows", "calendar"), [(12, 24), (8, 24), (48, 24), (72, 24), (14, 7)])
def test_a_season_that_divides_the_calendars_or_holds_it_is_no_denial(shows, calendar):
    rng = np.random.default_rng(6)
    pattern = rng.normal(size=shows)
    y = np.tile(pattern, 1000 // shows) + 0.05 * rng.normal(size=(20, 1000 // shows * shows))
    assert (detect(y)[:, 0] == shows).mean() > 0.9
    assert (choose(y, (calendar,)) == [calendar, 0, 0]).all()


def test_fewer_than_four_cycles_deny_nothing():
    rng = np.random.default_rng(7)
    pattern = np.cumsum(rng.normal(size=17))
    for cycles, kept in ((3.5, True), (6, False)):
        y = np.tile(pattern, 7)[: int(17 * cycles)] + 0.02 * rng.normal(size=(10, int(17 * cycles)))
        assert (detect(y)[:, 0] == 17).all()
        assert (choose(y, (12,))[:, 0] == (12 if kept else 17)).all()
