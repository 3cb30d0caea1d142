"""The baselines are what their sentences say, checked by brute force."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from foreseal.errors import ModelError, ModelWarning
from foreseal.predict import naive
from foreseal.predict.naive import Drift, Naive, SeasonalNaive
from tests.predict.panels import hourly, long_frame, panel

LEVELS = (0.1, 0.5, 0.9)
COLUMNS = ["q0.1", "q0.5", "q0.9"]


def predict(model, frame, h, freq="1h"):
    return model.fit(panel(frame, freq)).predict(h, LEVELS).frame.select(COLUMNS).to_numpy()


def test_seasonal_naive_adds_the_quantiles_of_its_own_errors_at_the_same_hour(monkeypatch):
    frame = hourly(60)
    y = frame["y"].to_numpy()
    got = predict(SeasonalNaive(168), frame, 30)
    for k in range(30):
        errors = [y[t] - y[t - 168] for t in range(len(y)) if t >= 168 and (t - len(y) - k) % 24 == 0]
        np.testing.assert_allclose(got[k], y[len(y) + k - 168] + np.quantile(errors, LEVELS))
    monkeypatch.setattr(naive, "MIN_PHASE_ERRORS", 10_000)
    pooled = np.quantile(y[168:] - y[:-168], LEVELS)
    np.testing.assert_allclose(predict(SeasonalNaive(168), frame, 1)[0], y[-168] + pooled)


def test_beyond_one_season_errors_are_those_of_two_seasons_before():
    y = np.random.default_rng(1).normal(size=90).cumsum()
    got = predict(SeasonalNaive(7), long_frame("a", y), 10)
    np.testing.assert_allclose(got[9], y[-7 + 2] + np.quantile(y[14:] - y[:-14], LEVELS))


def test_a_missing_hour_is_replaced_by_the_same_hour_one_season_earlier():
    y = hourly(30)["y"].to_numpy().copy()
    y[-24:] = np.nan
    got = predict(SeasonalNaive(24), long_frame("a", y), 24)
    assert np.isfinite(got).all()
    whole = predict(SeasonalNaive(24), long_frame("a", np.where(np.isnan(y), np.roll(y, 24), y)), 24)
    assert np.abs(got - whole).max() < 15


def test_without_a_season_the_longest_one_that_the_history_holds_twice_is_used():
    frame = pl.concat([hourly(20), long_frame("short", hourly(3)["y"].to_numpy())])
    model = SeasonalNaive().fit(panel(frame))
    assert model.predict(1, LEVELS).ran["season"] == "24, 168"


def test_drift_continues_a_line_exactly_and_without_spread():
    got = predict(Drift(), long_frame("a", 3.0 + 2.0 * np.arange(20)), 5)
    np.testing.assert_allclose(got, (3.0 + 2.0 * np.arange(20, 25))[:, None] * np.ones(3), atol=1e-9)


def test_drift_spreads_like_its_own_errors_at_each_distance():
    y = np.random.default_rng(2).normal(size=200).cumsum()
    got = predict(Drift(), long_frame("a", y), 6)
    slope = (y[-1] - y[0]) / 199
    errors = y[6:] - y[:-6] - 6 * slope
    np.testing.assert_allclose(got[5], y[-1] + 6 * slope + np.quantile(errors, LEVELS))


def test_a_few_errors_count_with_their_mirror_images():
    """Two values say how far a step may go, not in which direction."""
    got = predict(SeasonalNaive(1), long_frame("a", np.array([1.0, 4.0])), 1)
    np.testing.assert_allclose(got[0], 4.0 + np.quantile([3.0, -3.0], LEVELS))


@pytest.mark.parametrize("model", [SeasonalNaive(), Drift()])
def test_a_single_value_is_repeated_with_a_warning(model):
    with pytest.warns(ModelWarning, match="'a' has fewer than two values"):
        got = predict(model, long_frame("a", np.array([5.0])), 3)
    assert (got == 5.0).all()


def test_a_series_in_a_panel_is_forecast_as_it_would_be_alone():
    frame = hourly(30, series=3)
    together = SeasonalNaive(24).fit(panel(frame)).predict(24, LEVELS).frame
    alone = SeasonalNaive(24).fit(panel(frame.filter(pl.col("unique_id") == "s1"))).predict(24, LEVELS).frame
    assert together.filter(pl.col("unique_id") == "s1").equals(alone)


def test_a_season_of_nothing_is_refused():
    with pytest.raises(ModelError, match="impossible"):
        SeasonalNaive(0).fit(panel(hourly(2)))


def test_predicting_before_fitting_is_refused():
    with pytest.raises(ModelError, match="has not been fitted"):
        Drift().predict(1, LEVELS)


def test_naive_is_the_last_value_with_changes_over_as_many_steps():
    rng = np.random.default_rng(0)
    y = np.cumsum(rng.normal(size=400))
    made = Naive().fit(panel(long_frame("a", y))).predict(3, (0.1, 0.5, 0.9)).frame
    for k, row in enumerate(made.select("q0.1", "q0.5", "q0.9").iter_rows(), start=1):
        np.testing.assert_allclose(row, y[-1] + np.quantile(y[k:] - y[:-k], (0.1, 0.5, 0.9)))
