"""Anomalies from predictive intervals: what is found, what is not, and that nothing looks ahead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import foreseal
from foreseal.errors import DataError, DataWarning, ModelError
from tests.predict.panels import CHICAGO, START, hourly, long_frame


def disturbed(days: int = 60) -> pl.DataFrame:
    """A day, a week and noise of 5; a spike of 60 at hour 1000 and a slump of half a day from hour 1200."""
    y = hourly(60)["y"].to_numpy().copy()
    y[1000] += 60.0
    y[1200:1212] -= 40.0
    return long_frame("s0", y[: 24 * days])


@pytest.fixture(scope="module")
def judged() -> pl.DataFrame:
    found = foreseal.detect(disturbed())
    assert isinstance(found, pl.DataFrame)
    return found


def test_a_spike_and_a_slump_are_events_of_their_own(judged: pl.DataFrame) -> None:
    late = judged.with_row_index().filter((pl.col("index") >= 900) & pl.col("anomaly"))
    spike = late.filter(pl.col("index") == 1000)
    assert spike.height == 1
    assert spike["score"].item() > 3.0
    slump = late.filter(pl.col("index").is_between(1200, 1211))
    assert slump.height >= 6
    assert slump["event"].n_unique() == 1
    assert slump["event"][0] != spike["event"][0]


def test_the_frame_says_what_was_expected_when_it_was_said_and_how_far_off_the_value_is(
    judged: pl.DataFrame,
) -> None:
    assert judged.columns == [
        "unique_id", "ds", "y", "cutoff", "q0.005", "q0.995", "score", "anomaly", "event",
    ]  # fmt: skip
    assert judged.select("unique_id", "ds", "y").equals(disturbed())
    told = judged.drop_nulls("score")
    assert told.height > 1200
    assert (told["cutoff"] <= told["ds"]).all()
    outside = ~told["y"].is_between(told["q0.005"], told["q0.995"])
    assert outside.equals(told["anomaly"])
    assert (told["score"] > 2.0).equals(told["anomaly"])
    assert judged["event"].is_not_null().equals(judged["anomaly"])
    silent = judged.filter(pl.col("score").is_null())
    assert silent["q0.005"].null_count() == silent["cutoff"].null_count() == silent.height
    assert not silent["anomaly"].any()


def test_later_rows_change_nothing(judged: pl.DataFrame) -> None:
    changed = disturbed().with_columns(
        pl.when(pl.col("ds") < START + timedelta(hours=1100)).then("y").otherwise(-1e6).alias("y")
    )
    for other in (foreseal.detect(changed), foreseal.detect(disturbed()[:1100])):
        same = [frame[:1100].drop("unique_id") for frame in (other, judged)]
        numbers = [part.select(pl.col(pl.Float64)).to_numpy() for part in same]
        np.testing.assert_allclose(*numbers, rtol=1e-4)  # the stage computes in single precision
        assert (
            same[0].select("anomaly", "event", "cutoff").equals(same[1].select("anomaly", "event", "cutoff"))
        )


def test_series_do_not_touch_each_other_and_need_not_start_together(judged: pl.DataFrame) -> None:
    other = hourly(40, seed=5).with_columns(
        unique_id=pl.lit("a"), ds=pl.col("ds") + timedelta(days=9, hours=3)
    )
    both = foreseal.detect(pl.concat([disturbed(), other]).sample(fraction=1.0, shuffle=True, seed=1))
    again = both.filter(pl.col("unique_id") == "s0")
    np.testing.assert_allclose(
        again["score"].fill_null(-1).to_numpy(),
        judged["score"].fill_null(-1).to_numpy(),
        rtol=1e-3,
        atol=1e-4,
    )


def test_about_as_many_values_are_called_anomalies_as_the_level_says() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for k in range(6):
        y = np.zeros(700)
        for t in range(1, 700):
            y[t] = 0.7 * y[t - 1] + rng.standard_t(5)
        rows.append(long_frame(f"s{k}", y + 30 * np.sin(np.arange(700) / 24 * 2 * np.pi)))
    for level, low, high in ((99, 0.004, 0.025), (95, 0.03, 0.09)):
        told = foreseal.detect(pl.concat(rows), level).drop_nulls("score")
        assert low < told["anomaly"].mean() < high


def test_anomalies_up_to_the_gap_apart_are_one_event() -> None:
    y = hourly(40)["y"].to_numpy().copy()
    y[[900, 904]] += 90.0
    frame = long_frame("s0", y)[500:]
    for gap, events in ((4, 1), (3, 2)):
        told = foreseal.detect(frame, 99.9, gap=gap, h=1).with_row_index()
        hit = told.filter(pl.col("index").is_in([400, 404]))
        assert hit["anomaly"].all()
        assert hit["event"].n_unique() == events


def test_missing_values_have_no_score_and_do_no_harm(judged: pl.DataFrame) -> None:
    gone = disturbed().with_columns(
        pl.when(pl.int_range(pl.len()) % 5 == 2).then(None).otherwise("y").alias("y")
    )
    found = foreseal.detect(gone.filter(pl.int_range(pl.len()) % 7 != 3), freq="1h")
    assert found.filter(pl.col("y").is_null())["score"].null_count() == found["y"].null_count()
    assert found.filter(pl.col("ds") == START + timedelta(hours=1000))["anomaly"].item()
    assert found["anomaly"].mean() < 0.06


def test_a_blip_of_a_constant_series_is_an_anomaly_and_soon_forgotten() -> None:
    y = np.full(200, 7.0)
    y[150] = 7.5
    found = foreseal.detect(long_frame("s0", y, step=timedelta(days=1)))
    called = found["anomaly"].arg_true().to_list()
    assert called[0] == 150
    assert called[-1] < 160


def test_pandas_names_and_local_time_come_back(judged: pl.DataFrame) -> None:
    local = disturbed(20).with_columns(pl.col("ds").dt.convert_time_zone(CHICAGO))
    given = pd.DataFrame(
        {"road": local["unique_id"].to_list(), "at": local["ds"].to_list(), "cars": local["y"].to_list()}
    )
    given["at"] = pd.to_datetime(given["at"], utc=True).dt.tz_convert(CHICAGO)
    found = foreseal.detect(given, id_col="road", time_col="at", target_col="cars")
    assert isinstance(found, pd.DataFrame)
    assert list(found.columns)[:4] == ["road", "at", "y", "cutoff"]
    assert str(found["at"].dt.tz) == str(found["cutoff"].dt.tz) == CHICAGO
    assert (found["at"] == given["at"]).all()
    assert found["score"].notna().sum() > 300


def test_months_and_local_days_are_judged_too() -> None:
    rng = np.random.default_rng(3)
    months = pl.datetime_range(START, START.replace(year=2035), "1mo", eager=True, time_zone="UTC")
    y = 100 + 20 * np.sin(np.arange(len(months)) / 12 * 2 * np.pi) + rng.normal(size=len(months))
    y[130] += 40.0
    frame = pl.DataFrame({"unique_id": ["m"] * len(y), "ds": months, "y": y})
    assert foreseal.detect(frame)["anomaly"][130]
    days = pl.datetime_range(START, START + timedelta(days=300), "1d", eager=True).dt.replace_time_zone(None)
    local = days.dt.truncate("1d").dt.replace_time_zone(CHICAGO)
    y = 100 + rng.normal(size=len(days))
    y[250] += 20.0
    found = foreseal.detect(pl.DataFrame({"unique_id": ["d"] * len(y), "ds": local, "y": y}), freq="1d")
    assert found["anomaly"][250]
    assert found["ds"].equals(local)


def test_the_hour_that_comes_twice_is_judged_twice() -> None:
    start = datetime(2021, 10, 20, tzinfo=UTC)
    ds = pl.datetime_range(start, start + timedelta(days=25), "1h", eager=True)
    y = 50 + np.random.default_rng(0).normal(size=len(ds))
    frame = pl.DataFrame({"unique_id": ["a"] * len(y), "ds": ds.dt.convert_time_zone(CHICAGO), "y": y})
    found = foreseal.detect(frame)
    assert found["ds"].equals(frame["ds"])
    night = found.filter(pl.col("ds").dt.date() == pl.date(2021, 11, 7))
    assert night.height == 25
    assert night["score"].null_count() == 0


def test_a_series_too_short_is_named_and_the_rest_goes_on() -> None:
    short = long_frame("brief", np.arange(30.0))
    with pytest.warns(DataWarning, match=r"1 series too short to tell anomalies: 'brief'"):
        found = foreseal.detect(pl.concat([short, disturbed(20)]))
    assert found.filter(pl.col("unique_id") == "brief")["score"].null_count() == 30
    assert found.filter(pl.col("unique_id") == "s0")["score"].null_count() < 300


def test_what_cannot_be_judged_is_refused_in_one_sentence() -> None:
    frame = disturbed(10)
    for level in (100, 50, -1, float("nan"), "99%", True):
        with pytest.raises(ModelError, match="is no percentage from 90"):
            foreseal.detect(frame, level)  # type: ignore[arg-type]
    for argument in ({"h": 0}, {"h": 1.5}, {"gap": 0}, {"gap": True}):
        with pytest.raises(ModelError, match="is impossible"):
            foreseal.detect(frame, **argument)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="more than one row"):
        foreseal.detect(pl.concat([frame, frame[:1]]), freq="1h")
    with pytest.raises(DataError, match="known_at"):
        foreseal.detect(frame.with_columns(known_at=pl.col("ds")))
    with pytest.raises(DataError, match="no rows"):
        foreseal.detect(frame[:0])
    with pytest.raises(DataError, match="No series has any value"):
        foreseal.detect(frame.with_columns(y=pl.lit(None, pl.Float64)))


def test_labelled_anomalies_of_taxi_rides_are_found(shared: Path) -> None:
    rows = pl.read_csv(shared / "traffic/nab/nyc_taxi.csv", try_parse_dates=True)
    frame = rows.select(pl.lit("taxi").alias("unique_id"), ds="timestamp", y=pl.col("value").cast(pl.Float64))
    recent = frame.filter(pl.col("ds").dt.date() >= pl.date(2014, 9, 15)).filter(
        pl.col("ds").dt.date() < pl.date(2014, 11, 20)
    )
    found = foreseal.detect(recent)
    marathon = found.filter(pl.col("ds").dt.date() == pl.date(2014, 11, 2))
    assert marathon["anomaly"].any()
