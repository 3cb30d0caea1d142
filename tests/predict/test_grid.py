"""Dense arrays that count the steps of local clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from foreseal.errors import DataError
from foreseal.predict.grid import Grid
from tests.predict.panels import CHICAGO, START, hourly, long_frame, panel


def test_values_stand_at_their_steps_aligned_at_the_right():
    frame = pl.concat([long_frame("a", np.arange(5.0)), long_frame("b", np.array([7.0, np.nan, 9.0]))])
    grid = Grid.of(panel(frame))
    np.testing.assert_array_equal(grid.y, [[0, 1, 2, 3, 4], [np.nan, np.nan, 7, np.nan, 9]])
    assert grid.starts == (START + timedelta(hours=5), START + timedelta(hours=3))
    assert not grid.shared


def test_with_a_cutoff_every_series_starts_at_its_first_step_from_there():
    frame = pl.concat(
        [long_frame("a", np.arange(5.0)), long_frame("b", np.arange(3.0), START + timedelta(minutes=30))]
    )
    cutoff = START + timedelta(hours=4)
    grid = Grid.of(panel(frame, cutoff=cutoff))
    assert grid.starts == (cutoff, cutoff + timedelta(minutes=30))
    np.testing.assert_array_equal(grid.y, [[0, 1, 2, 3], [0, 1, 2, np.nan]])
    assert set(grid.cutoffs) == {cutoff}


def test_the_same_local_hour_of_last_week_is_168_columns_back_across_a_clock_change():
    zone = ZoneInfo(CHICAGO)
    start = datetime(2018, 3, 1, tzinfo=zone).astimezone(UTC)
    hours = np.arange(24 * 15)
    local_hour = np.array([(start + timedelta(hours=int(i))).astimezone(zone).hour for i in hours])
    grid = Grid.of(panel(long_frame("a", local_hour.astype(float), start), timezone=CHICAGO))
    assert grid.wall
    skipped = int(np.flatnonzero(np.isnan(grid.y[0]))[0])
    assert skipped == 10 * 24 + 2
    same = grid.y[:, 168:] == grid.y[:, :-168]
    assert (same | np.isnan(grid.y[:, 168:]) | np.isnan(grid.y[:, :-168])).all()
    np.testing.assert_array_equal(
        grid.local(-3, 0)[0].astype("datetime64[h]").astype(int) % 24, local_hour[-3:]
    )


def test_the_repeated_hour_is_the_mean_of_both_and_is_forecast_twice():
    zone = ZoneInfo(CHICAGO)
    start = datetime(2018, 11, 3, tzinfo=zone).astimezone(UTC)
    grid = Grid.of(panel(long_frame("a", np.arange(30.0), start), timezone=CHICAGO))
    assert grid.y[0, 25] == 25.5
    ahead = Grid.of(panel(long_frame("a", np.arange(24.0), start), timezone=CHICAGO))
    frame, columns = ahead.future(5)
    assert columns[0].tolist() == [0, 1, 1, 2, 3]
    assert frame["ds"].diff().drop_nulls().unique().to_list() == [timedelta(hours=1)]
    values = np.arange(4.0)[None, :, None]
    assert ahead.to_frame(values, 5, [0.5])["q0.5"].to_list() == [0, 1, 1, 2, 3]


def test_a_horizon_over_a_skipped_hour_reaches_one_column_further():
    start = datetime(2018, 3, 10, tzinfo=ZoneInfo(CHICAGO)).astimezone(UTC)
    grid = Grid.of(panel(long_frame("a", np.arange(24.0), start), timezone=CHICAGO))
    assert grid.future(4)[1][0].tolist() == [0, 1, 3, 4]
    assert grid.reach(4) == 5


def test_days_cut_at_local_midnight_are_days_across_a_clock_change():
    zone = ZoneInfo(CHICAGO)
    ds = [datetime(2018, 3, d, tzinfo=zone).astimezone(UTC) for d in range(8, 14)]
    frame = pl.DataFrame({"unique_id": "a", "ds": ds, "y": np.arange(6.0)}).with_columns(
        pl.col("ds").cast(pl.Datetime("us", "UTC"))
    )
    grid = Grid.of(panel(frame, "1d", timezone=CHICAGO))
    np.testing.assert_array_equal(grid.y, [np.arange(6.0)])
    assert [t.astimezone(zone).hour for t in grid.future(3)[0]["ds"]] == [0, 0, 0]


def test_days_cut_in_utc_stay_in_utc_whatever_the_calendar():
    frame = long_frame("a", np.arange(20.0), datetime(2018, 3, 1, tzinfo=UTC), timedelta(days=1))
    grid = Grid.of(panel(frame, "1d", timezone=CHICAGO))
    assert not grid.wall
    np.testing.assert_array_equal(grid.y, [np.arange(20.0)])


def test_month_ends_step_to_month_ends():
    ds = [datetime(2020, m, d, tzinfo=UTC) for m, d in ((10, 31), (11, 30), (12, 31))]
    frame = pl.DataFrame({"unique_id": "a", "ds": ds, "y": [1.0, 2.0, 3.0]}).with_columns(
        pl.col("ds").cast(pl.Datetime("us", "UTC"))
    )
    grid = Grid.of(panel(frame, "1mo"))
    assert [t.strftime("%m-%d") for t in grid.future(3)[0]["ds"]] == ["01-31", "02-28", "03-31"]
    assert grid.local(-1, 2)[0].astype("datetime64[D]").astype(str).tolist() == [
        "2020-12-31",
        "2021-01-31",
        "2021-02-28",
    ]


def test_covariates_stand_at_their_steps_and_reach_into_the_future():
    covariates = pl.DataFrame(
        {"ds": [START + timedelta(hours=i) for i in (1, 3, 4)], "temp": [1.0, None, 4.0]},
        schema_overrides={"ds": pl.Datetime("us", "UTC")},
    )
    p = panel(
        pl.concat([long_frame("a", np.arange(3.0)), long_frame("b", np.arange(3.0))]), covariates=covariates
    )
    np.testing.assert_array_equal(Grid.of(p).covariates(p, 2)["temp"], [[np.nan, 1, np.nan, np.nan, 4.0]])
    own = p.covariates.with_columns(unique_id=pl.lit("b"))
    p = panel(p.frame, covariates=own)
    got = Grid.of(p).covariates(p, 2)["temp"]
    assert np.isnan(got[0]).all()
    np.testing.assert_array_equal(got[1], [np.nan, 1, np.nan, np.nan, 4.0])


def test_instants_between_the_steps_are_refused_by_name():
    frame = pl.concat(
        [long_frame("good", np.arange(4.0)), long_frame("bad", np.arange(4.0), step=timedelta(minutes=90))]
    )
    with pytest.raises(DataError, match="'bad' has instants between the steps of 1h"):
        Grid.of(panel(frame))


def test_a_frequency_far_too_fine_is_refused_instead_of_filling_memory():
    frame = long_frame("a", np.arange(400.0), step=timedelta(days=1))
    with pytest.raises(DataError, match="steps, with 400 rows"):
        Grid.of(panel(frame, "1s"))


def test_quantiles_come_out_sorted():
    grid = Grid.of(panel(hourly(2)))
    frame = grid.to_frame(np.array([[[3.0, 1.0, 2.0]]]), 1, (0.1, 0.5, 0.9))
    assert frame.select("q0.1", "q0.5", "q0.9").row(0) == (1.0, 2.0, 3.0)
