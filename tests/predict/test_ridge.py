"""The closed forms of the ridge agree with refitting, and its forecasts with what generated the data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from foreseal.errors import ModelWarning
from foreseal.predict import ridge
from foreseal.predict.empirical import weighted_quantiles
from foreseal.predict.ridge import Ridge
from foreseal.rules import coverage, wis
from tests.predict.panels import CHICAGO, START, hourly, long_frame, panel

LEVELS = (0.1, 0.5, 0.9)
COLUMNS = ["q0.1", "q0.5", "q0.9"]


def predict(frame, h=24, freq="1h", **kwargs):
    model = Ridge(**kwargs.pop("model", {}))
    return model.fit(panel(frame, freq, **kwargs)).predict(h, LEVELS).frame


def test_leave_one_out_errors_are_those_of_refitting_without_each_row(monkeypatch):
    """At a fixed penalty, with the rows' mean and spread taken from all rows."""
    monkeypatch.setattr(ridge, "PENALTIES", np.array([0.05]))
    rng = np.random.default_rng(0)
    n, p = 40, 3
    x = rng.normal(size=(1, n + 1, p))
    x[:, :-1] -= x[:, :-1].mean(axis=1, keepdims=True)
    x[:, :-1] /= x[:, :-1].std(axis=1, keepdims=True)
    y = x[:, :-1] @ np.array([1.0, -2.0, 0.5]) + rng.normal(size=(1, n))
    fit = ridge._solve(x, y, np.ones((1, n)))
    errors = (y - fit.past)[0] / (1 - fit.leverage[0])
    design = np.column_stack([np.ones(n), x[0, :-1]])
    shrink = 0.05 * n * np.diag([0.0, 1.0, 1.0, 1.0])
    for i in range(n):
        keep = np.arange(n) != i
        beta = np.linalg.solve(design[keep].T @ design[keep] + shrink, design[keep].T @ y[0, keep])
        assert errors[i] == pytest.approx(y[0, i] - design[i] @ beta)


def test_the_penalty_is_the_minimum_of_generalised_cross_validation():
    rng = np.random.default_rng(1)
    n, p = 60, 8
    x, beta = rng.normal(size=(1, n + 1, p)), rng.normal(size=p)
    y = x[:, :-1] @ beta + 3.0 * rng.normal(size=(1, n))
    fit = ridge._solve(x, y, np.ones((1, n)))
    z = x[0, :-1] - x[0, :-1].mean(axis=0)
    z /= z.std(axis=0)
    v = y[0] - y[0].mean()
    scores, fitted = [], []
    for penalty in ridge.PENALTIES:
        hat = z @ np.linalg.solve(z.T @ z + n * penalty * np.eye(p), z.T)
        scores.append(np.mean((v - hat @ v) ** 2) / (1 - (1 + np.trace(hat)) / n) ** 2)
        fitted.append(hat @ v + y[0].mean())
    np.testing.assert_allclose(fit.past[0], fitted[int(np.argmin(scores))], rtol=1e-8)


def test_weighted_quantiles_of_equal_weights_are_hazens():
    x = np.random.default_rng(2).normal(size=(3, 41))
    got = weighted_quantiles(x, np.ones_like(x), np.array(LEVELS))
    np.testing.assert_allclose(got, np.quantile(x, LEVELS, axis=1, method="hazen").T)


def test_a_row_of_no_weight_changes_no_quantile():
    x = np.array([[1.0, 2.0, 3.0, 1e9]])
    w = np.array([[1.0, 1.0, 1.0, 0.0]])
    got = weighted_quantiles(x, w, np.array([0.5, 0.99]))
    np.testing.assert_allclose(got, [[2.0, 3.0]])


def test_a_clean_season_is_continued():
    frame = hourly(60, noise=0.0)
    y = frame["y"].to_numpy()
    got = predict(frame.head(24 * 59))
    np.testing.assert_allclose(got["q0.5"].to_numpy(), y[-24:], atol=0.5)


def test_intervals_hold_their_share_of_what_comes():
    frame = hourly(130, noise=5.0)
    y = frame["y"].to_numpy()
    hits, ours, ideal = [], [], []
    for day in range(90, 130):
        known = long_frame("a", y[: 24 * day])
        got = predict(known).select(COLUMNS).to_numpy()
        truth = y[24 * day : 24 * day + 24]
        hits.append(coverage(truth, got[:, 0], got[:, 2]))
        ours.append(wis(truth, got, LEVELS).mean())
        centre = 100 + 40 * np.sin(2 * np.pi * np.arange(24) / 24) - 30 * (day % 7 >= 5)
        best = centre[:, None] + 5.0 * np.array([-1.2816, 0.0, 1.2816])
        ideal.append(wis(truth, best, LEVELS).mean())
    assert 0.72 < np.mean(hits) < 0.88
    assert np.mean(ours) < 1.25 * np.mean(ideal)


def test_a_covariate_known_in_advance_is_used_at_the_hour_it_is_for():
    rng = np.random.default_rng(3)
    n = 24 * 120
    event = (rng.random(n + 24) < 0.1).astype(float)
    event[n + 10], event[n + 11] = 1.0, 0.0
    y = hourly(121, noise=1.0)["y"].to_numpy() + 50 * event
    covariates = pl.DataFrame({"ds": [START + timedelta(hours=i) for i in range(n + 24)], "event": event})
    covariates = covariates.with_columns(pl.col("ds").cast(pl.Datetime("us", "UTC")))
    got = predict(long_frame("a", y[:n]), covariates=covariates)["q0.5"].to_numpy()
    np.testing.assert_allclose(got[10:12], y[n + 10 : n + 12], atol=6.0)


def test_a_holiday_is_known_in_advance():
    """Thanksgiving 2022 looks like the holidays before it, not like a Thursday."""
    from foreseal.predict.holidays import united_states

    n = 24 * 724  # 2020-12-01 to Thanksgiving 2022
    start = START.replace(year=2020, month=12)
    days = [(start + timedelta(days=i)).date() for i in range(725)]
    off = np.repeat([day in united_states(day.year) for day in days], 24)
    y = np.resize(hourly(7, noise=0.0)["y"].to_numpy(), len(off)) - 60 * off
    y += np.random.default_rng(0).normal(size=len(y))
    frame = long_frame("a", y[24 * 0 : n - 24], start)
    day = (start + timedelta(hours=n - 24)).date()
    frame = long_frame("a", y[: 24 * days.index(day)], start)
    plain = predict(frame)["q0.5"].to_numpy()
    aware = predict(frame, model={"holidays": "US"})["q0.5"].to_numpy()
    truth = y[n - 24 : n]
    assert day in united_states(2022)
    assert np.abs(aware - truth).mean() < 0.5 * np.abs(plain - truth).mean()


def test_a_series_in_a_panel_is_forecast_as_it_would_be_alone():
    frame = hourly(40, series=3)
    together = predict(frame).filter(pl.col("unique_id") == "s2").select(COLUMNS).to_numpy()
    alone = predict(frame.filter(pl.col("unique_id") == "s2")).select(COLUMNS).to_numpy()
    np.testing.assert_allclose(together, alone, rtol=1e-9)


def test_scaling_a_series_scales_its_forecast():
    frame = hourly(90)
    one = predict(frame).select(COLUMNS).to_numpy()
    many = predict(frame.with_columns(pl.col("y") * 1000 + 5e4)).select(COLUMNS).to_numpy()
    np.testing.assert_allclose(many, one * 1000 + 5e4, rtol=1e-6)


def test_the_same_panel_gives_the_same_bytes():
    frame = hourly(90, series=2)
    first, second = predict(frame), predict(frame.sample(fraction=1.0, shuffle=True, seed=1))
    assert first.equals(second)


def test_gaps_are_no_obstacle():
    frame = hourly(60)
    rng = np.random.default_rng(4)
    holes = frame.with_columns(y=pl.when(pl.Series(rng.random(frame.height) < 0.3)).then(None).otherwise("y"))
    got = predict(holes.filter(pl.Series(rng.random(frame.height) < 0.9)).vstack(frame.tail(0)))
    truth = hourly(60, noise=0.0)["y"].to_numpy()[-24:]
    assert np.isfinite(got.select(COLUMNS).to_numpy()).all()
    assert np.abs(got["q0.5"].to_numpy() - truth).mean() < 40


def test_a_series_too_short_is_forecast_naively_and_said_so():
    frame = pl.concat([hourly(40), long_frame("tiny", np.array([1.0, 2.0, 3.0]))])
    with pytest.warns(ModelWarning, match="1 series too short for a regression.*tiny"):
        forecast = Ridge().fit(panel(frame)).predict(3, LEVELS)
    assert forecast.ran["naive"] == "1"
    assert forecast.frame.filter(pl.col("unique_id") == "tiny")["q0.5"].to_list() == [3.0] * 3


def test_years_of_months_with_a_trend_are_continued():
    t = np.arange(120)
    y = 100 + 2.0 * t + 20 * np.sin(2 * np.pi * t / 12)
    frame = pl.DataFrame(
        {
            "unique_id": "a",
            "ds": pl.datetime_range(
                pl.datetime(2010, 1, 1, time_zone="UTC"),
                pl.datetime(2019, 12, 1, time_zone="UTC"),
                "1mo",
                eager=True,
            ),
            "y": y,
        }
    )
    got = predict(frame.head(108), 12, "1mo")["q0.5"].to_numpy()
    np.testing.assert_allclose(got, y[108:], rtol=0.05)


def test_a_covariate_known_in_advance_counts_on_the_night_the_clock_skips_an_hour():
    zone = ZoneInfo(CHICAGO)
    cutoff = datetime(2021, 3, 14, tzinfo=zone).astimezone(UTC)
    n = 24 * 100
    event = (np.random.default_rng(3).random(n + 24) < 0.1).astype(float)
    event[n + 10] = 1.0
    start = cutoff - n * timedelta(hours=1)
    y = np.resize(hourly(7, noise=1.0)["y"].to_numpy(), n) + 50 * event[:n]
    covariates = pl.DataFrame({"ds": [start + timedelta(hours=i) for i in range(n + 24)], "event": event})
    covariates = covariates.with_columns(pl.col("ds").cast(pl.Datetime("us", "UTC")))
    frame = long_frame("a", y, start)
    plain = predict(frame, timezone=CHICAGO)["q0.5"].to_numpy()
    aware = predict(frame, covariates=covariates, timezone=CHICAGO)["q0.5"].to_numpy()
    assert aware[10] - plain[10] > 40
