"""Climatology: the quantiles of the same season, and of the same hour."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from foreseal.errors import ModelError
from foreseal.predict.climatology import Climatology, season_distance
from tests.predict.panels import START, long_frame, panel

LEVELS = (0.1, 0.5, 0.9)
DAY = timedelta(days=1)


def test_quantiles_are_those_of_the_days_around_in_all_years() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=3 * 365)
    y[5] = np.nan
    frame = long_frame("x", y, step=DAY)
    said = Climatology(20).fit(panel(frame, "1d")).predict(3, LEVELS).frame
    for row in said.iter_rows(named=True):
        day = row["ds"].timetuple().tm_yday
        near = [
            value
            for k, value in enumerate(y)
            if min(
                abs((START + k * DAY).timetuple().tm_yday - day),
                365.25 - abs((START + k * DAY).timetuple().tm_yday - day),
            )
            <= 20
            and np.isfinite(value)
        ]
        assert [row[f"q{level:g}"] for level in LEVELS] == pytest.approx(np.quantile(near, LEVELS))


def test_hours_are_compared_with_the_same_hour() -> None:
    hours = np.tile(np.arange(24.0), 60)
    said = Climatology(30).fit(panel(long_frame("x", hours), "1h")).predict(24, LEVELS).frame
    assert said["q0.5"].to_list() == [float(ds.hour) for ds in said["ds"]]
    assert said.select((pl.col("q0.9") - pl.col("q0.1")).max()).item() == 0.0


def test_a_short_history_opens_the_window_to_the_whole_year() -> None:
    said = Climatology(0).fit(panel(long_frame("x", np.arange(40.0), step=DAY), "1d")).predict(1, LEVELS)
    assert said.frame["q0.5"][0] == pytest.approx(19.5)


def test_the_year_is_a_circle() -> None:
    assert season_distance(np.array([1.0]), np.array([364.25])) == pytest.approx(2.0)


def test_months_have_no_climatology_of_this_kind() -> None:
    with pytest.raises(ModelError, match="not of 1mo"):
        Climatology().fit(
            panel(
                pl.DataFrame(
                    {"unique_id": "x", "ds": [START], "y": [1.0]},
                    schema_overrides={"ds": pl.Datetime("us", "UTC")},
                ),
                "1mo",
            )
        ).predict(1, LEVELS)
