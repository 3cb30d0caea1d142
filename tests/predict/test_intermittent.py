"""Intermittent demand: a distribution of counts for every series, from its own past and the panel's."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

import foreseal
from foreseal.clock import Frequency
from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import UTC_TIME
from foreseal.predict.intermittent import METHODS, Intermittent
from tests.predict.panels import panel

LEVELS = (0.5, 0.75, 0.9, 0.95, 0.99)
MONTH = Frequency.parse("1mo")


def monthly(y: np.ndarray) -> pl.DataFrame:
    times = [MONTH.shift(datetime(2000, 1, 1, tzinfo=UTC), k) for k in range(y.shape[1])]
    return pl.DataFrame(
        {
            "unique_id": np.repeat([f"s{k:04}" for k in range(len(y))], y.shape[1]),
            "ds": times * len(y),
            "y": y.ravel(),
        },
        schema={"unique_id": pl.String, "ds": UTC_TIME, "y": pl.Float64},
    )


def said(y: np.ndarray, method: str | None = None, h: int = 1) -> np.ndarray:
    """Quantiles (series, h, levels)."""
    made = Intermittent(method).fit(panel(monthly(y), "1mo")).predict(h, LEVELS)
    return made.frame.select(f"q{level:g}" for level in LEVELS).to_numpy().reshape(len(y), h, -1)


def shop(series: int = 300, length: int = 40, seed: int = 0) -> np.ndarray:
    """Negative binomial demand of parts that sell from once in two years to several a month."""
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.normal(-1.0, 1.2, series))
    return rng.negative_binomial(0.7, 0.7 / (0.7 + mean[:, None]), (series, length)).astype(float)


def loss(y: np.ndarray, quantiles: np.ndarray) -> float:
    off = y[:, None] - quantiles
    return float(np.maximum(np.array(LEVELS) * off, (np.array(LEVELS) - 1) * off).mean())


def test_learning_across_the_panel_beats_each_series_own_past():
    lost = {"pooled": 0.0, "empirical": 0.0}
    for seed in range(3):
        y = shop(seed=seed)
        for method in lost:
            lost[method] += loss(y[:, -1], said(y[:, :-1], method)[:, 0])
    assert lost["pooled"] < 0.99 * lost["empirical"]


@pytest.mark.parametrize("method", METHODS)
def test_quantiles_hold_what_they_say(method):
    y = shop(800, seed=5)
    inside = (y[:, -1:] <= said(y[:, :-1], method)[:, 0]).mean(axis=0)
    # Counts are lumpy, so a quantile holds at least its level; Croston is biased where demand is young.
    assert (inside > np.array(LEVELS) - 0.03).all()


@pytest.mark.parametrize("method", [*METHODS, None])
def test_quantiles_are_whole_finite_ordered_and_not_negative(method):
    rng = np.random.default_rng(1)
    y = shop(40)
    y[rng.random(y.shape) < 0.2] = np.nan
    y[0, 1:] = np.nan
    y[1] = 0.0
    y[2] = 4.0
    y[3, :-2] = np.nan
    y = y[np.isfinite(y).any(axis=1)]
    values = said(y, method, 14)
    assert np.isfinite(values).all()
    assert (values == np.floor(values)).all()
    assert (np.diff(values, axis=2) >= 0).all()
    assert values.min() >= 0


def test_the_method_with_the_least_past_loss_is_chosen():
    # Demand that stopped: the panel's last year tells, the average of two years does not.
    y = shop(200)
    y[:, -8:] = 0.0
    made = Intermittent().fit(panel(monthly(y), "1mo")).predict(1, LEVELS)
    assert made.ran["method"] in {"pooled", "tsb"}
    assert made.frame["q0.9"].mean() < np.quantile(y[:, -24:], 0.9, axis=1).mean()


def test_one_series_alone_keeps_to_its_own_past():
    y = np.tile([0.0, 0.0, 3.0, 0.0], 10)[None]
    values = said(y)[0, 0]
    assert values[0] == 0.0
    assert values[3] == 3.0


def test_fractions_and_large_numbers_are_counted_in_units():
    y = np.concatenate([2.5 * shop(30), 1e6 * shop(30, seed=1)])
    values = said(y, "pooled")[:, 0]
    assert np.isfinite(values).all()
    assert np.median(values[30:, 3]) > 1e5
    np.testing.assert_allclose(
        said(1e6 * shop(30, seed=1) + 0.5 * (shop(30, seed=1) > 0), "pooled")[:, 0, 3],
        values[30:, 3],
        rtol=1.0,
        atol=2e6,
    )


def test_the_future_changes_nothing_of_the_past():
    y = shop(50)
    frame = monthly(y)
    cut = frame["ds"].unique().sort()[30]
    told = Intermittent().fit(panel(frame, "1mo", cutoff=cut)).predict(1, LEVELS).frame
    known = Intermittent().fit(panel(frame.filter(pl.col("ds") < cut), "1mo")).predict(1, LEVELS).frame
    assert told.drop("cutoff").equals(known.drop("cutoff"))


def test_negative_values_are_no_demand_and_get_their_own_quantiles():
    y = shop(30)
    y[4] -= 2.0
    with pytest.warns(ModelWarning, match="1 series with negative values .*s0004"):
        values = said(y)
    np.testing.assert_allclose(values[4, 0], np.quantile(y[4, -24:], LEVELS))


def test_a_method_that_does_not_exist_is_named():
    with pytest.raises(ModelError, match="no method 'arima'"):
        Intermittent("arima").fit(panel(monthly(shop(3)), "1mo"))


def test_it_is_a_member_like_others():
    made = foreseal.forecast(monthly(shop(20)), h=3, models=["intermittent", "seasonal_naive(1)"])
    assert "intermittent" in made.ran["members"]
    assert np.isfinite(made.frame["q0.95"].to_numpy()).all()
