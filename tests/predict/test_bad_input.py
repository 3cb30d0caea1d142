"""What cannot be forecast is refused in one sentence that names the series; the rest goes on."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from foreseal.errors import DataError, DataWarning, ModelError, UsageError
from foreseal.predict.cross_validation import cross_validation
from foreseal.predict.detect import detect
from foreseal.predict.forecast import forecast
from tests.conftest import require
from tests.predict.panels import START, long_frame

DAY = timedelta(days=1)


def daily(n=30, name="a", step=DAY):
    return long_frame(name, np.arange(float(n)) % 7, START, step)


def replaced(frame, row, value):
    y = frame["y"].to_list()
    y[row] = value
    return frame.with_columns(y=pl.Series(y, dtype=pl.Float64))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.concat([daily(), daily(5)]), "Series 'a' has more than one row at 2021-03-0"),
        (pl.concat([daily(), daily(40), daily(40, "b", 2 * DAY)]), "Mixed frequencies.*'b'"),
        (pl.concat([daily(name="b"), replaced(daily(), 3, np.inf)]), "Series 'a' is infinite at 2021-03-04"),
        (daily().with_columns(y=pl.lit("many")), "'y' holds String, not numbers"),
        (daily().with_columns(ds=pl.lit("today")), "'ds' holds String, not dates"),
        (daily().drop("y"), "no column 'y'"),
        (daily().head(0), "no rows"),
        (daily(1), "frequency cannot be inferred"),
        (daily().with_columns(unique_id=pl.lit(None, pl.String)), "30 rows have no unique_id"),
        (daily().with_columns(ds=pl.lit(None, pl.Datetime("us", "UTC"))), "30 rows have no ds"),
        (3, "int is not a data frame"),
    ],
)
def test_a_frame_that_cannot_be_right_is_refused(frame, message):
    with pytest.raises(DataError, match=message):
        forecast(frame, 3)


def test_a_horizon_beyond_what_is_made_is_refused_before_any_work():
    with pytest.raises(ModelError, match="longer than the 100000"):
        forecast(daily(), 100_000_000)


@pytest.mark.parametrize(
    ("unit", "h", "freq", "last"), [("ns", 90_000, "1d", "2262-04-11"), ("us", 8_000, "1y", "9999-12-31")]
)
def test_a_horizon_beyond_the_last_date_of_the_time_column_is_refused(unit, h, freq, last):
    frame = daily().with_columns(pl.col("ds").dt.cast_time_unit(unit))
    with pytest.raises(DataError, match=f"end after {last}.*'ds'"):
        forecast(frame, h, freq=freq, models=["naive"])


@pytest.mark.parametrize(("freq", "told"), [("1h", True), ("1d", False)])
def test_a_frequency_finer_than_the_series_is_warned_of(freq, told):
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        forecast(daily(), 2, freq=freq, models=["naive"])
    said = [str(each.message) for each in met if each.category is DataWarning]
    assert any("step by 1d, and freq='1h'" in text for text in said) == told


def test_quarters_among_months_are_refused_by_name():
    def calendar(name, every, n):
        ds = pl.datetime_range(START, datetime(2050, 1, 1, tzinfo=UTC), every, eager=True).head(n)
        return pl.DataFrame(
            {"unique_id": name, "ds": ds.cast(pl.Datetime("us", "UTC")), "y": np.arange(n) * 1.0}
        )

    both = pl.concat([calendar("m", "1mo", 40), calendar("n", "1mo", 40), calendar("q", "3mo", 14)])
    with pytest.raises(DataError, match=r"Mixed frequencies.*'q'"):
        forecast(both, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"h": 0}, "horizon of 0"),
        ({"h": -2}, "horizon of -2"),
        ({"h": "3"}, "horizon of '3'"),
        ({"h": 2.5}, "horizon of 2.5"),
        ({"h": True}, "horizon of True"),
        ({"preset": "bset"}, "no preset 'bset'"),
        ({"preset": None}, "no preset None"),
        ({"models": "ridge"}, "models='ridge' is no list"),
        ({"models": ["rigde"]}, "no model 'rigde'"),
        ({"models": [3]}, "3 is no model"),
        ({"models": ["logistic", "drift"]}, "not a model of series"),
        ({"quantiles": 0.5}, "quantiles=0.5 is no list"),
        ({"quantiles": [0.5, 0.5]}, "different numbers between 0 and 1"),
        ({"level": 80}, "level=80"),
        ({"level": ["wide"]}, "level="),
        ({"level": []}, "level="),
        ({"timezone": "Mars/Olympus"}, "no time zone 'Mars/Olympus'"),
        ({"cutoff": "soon"}, "cutoff='soon' is no time"),
        ({"n_jobs": 0}, "n_jobs=0"),
        ({"n_jobs": "all"}, "n_jobs='all'"),
        ({"engine": "spark"}, "no engine 'spark'"),
        ({"models": ["ridge(half_life='x')"]}, "half_life='x'"),
        ({"models": ["theta(season='a')"]}, "season='a'"),
        ({"models": ["chronos(5)"]}, "path=5"),
        ({"freq": 1}, "freq=1 is no frequency"),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(UsageError, match=message) as caught:
        forecast(daily(), **({"h": 3} | arguments))
    assert caught.value.hint


def test_a_horizon_may_be_a_number_of_numpy():
    assert forecast(daily(), np.int64(2), models=["seasonal_naive"]).forecast.frame.height == 2


def test_one_bad_series_of_all_missing_values_does_not_stop_the_rest():
    missing = daily(name="b").with_columns(y=pl.lit(float("nan")))
    with pytest.warns(DataWarning, match="1 series without any value left out: b"):
        made = forecast(pl.concat([daily(), missing, daily(name="c")]), 2, models=["seasonal_naive"])
    assert made.forecast.frame["unique_id"].unique().sort().to_list() == ["a", "c"]


@pytest.mark.parametrize("lost", [None, float("nan")])
def test_a_row_without_a_name_in_pandas_is_refused(lost):
    require("pandas")
    import pandas

    frame = pandas.DataFrame(daily().to_dict(as_series=False))
    frame.loc[4, "unique_id"] = lost
    with pytest.raises(DataError, match="1 rows have no unique_id"):
        forecast(frame, 2)


def test_times_of_two_zones_are_refused():
    require("pandas")
    import pandas

    stamps = [START + i * DAY for i in range(20)]
    mixed = [s if i % 2 else s.astimezone(ZoneInfo("Asia/Tokyo")) for i, s in enumerate(stamps)]
    frame = pandas.DataFrame(
        {"unique_id": "a", "ds": pandas.Series(mixed, dtype=object), "y": np.arange(20.0)}
    )
    with pytest.raises(DataError, match="'ds' mixes time zones: Asia/Tokyo, UTC"):
        forecast(frame, 2)


def test_a_column_of_numbers_and_words_is_refused():
    require("pandas")
    import pandas

    frame = pandas.DataFrame(daily().to_dict(as_series=False)).astype({"y": object})
    frame.loc[3, "y"] = "none"
    with pytest.raises(DataError, match="'y'"):
        forecast(frame, 2)


def test_only_a_forecast_can_be_drawn():
    require("bokeh")
    from foreseal import plot

    with pytest.raises(UsageError, match="int is no forecast"):
        plot(3)


def test_a_model_error_is_a_model_error():
    with pytest.raises(ModelError):
        forecast(daily(), 0)


@pytest.mark.parametrize("step", [DAY, DAY / 24, 7 * DAY])
@pytest.mark.parametrize("freq", ["1w", "1mo", "1q", "1y"])
def test_a_frequency_coarser_than_the_rows_is_refused(freq, step):
    if freq == "1w" and step == 7 * DAY:
        return
    with pytest.raises(DataError, match=f"'a' has instants between the steps of {freq}"):
        forecast(daily(400, step=step), 3, freq=freq, models=["naive"])


def dated(n=60):
    return daily(n).with_columns(pl.col("ds").cast(pl.Date))


@pytest.mark.parametrize(
    "ask",
    [
        lambda frame: forecast(frame, 3, freq="1h", models=["naive"]),
        lambda frame: cross_validation(frame, 3, freq="1h", presets=(), models=["naive"]),
        lambda frame: detect(frame, freq="1h"),
    ],
)
def test_dates_do_not_carry_hours(ask):
    with pytest.raises(DataError, match="'ds' holds dates, which cannot carry steps of 1h") as caught:
        ask(dated())
    assert "datetimes" in caught.value.hint


def test_dates_carry_days_and_weeks():
    made = forecast(dated(), 3, models=["naive"]).frame
    assert made["ds"].n_unique() == 3


@pytest.mark.parametrize("kind", ["pandas", "pyarrow"])
def test_two_columns_of_one_name_are_refused(kind):
    require(kind)
    columns = daily().to_dict(as_series=False)
    if kind == "pandas":
        import pandas

        given = pandas.DataFrame(columns)
        given = pandas.concat([given, given[["y"]]], axis=1)
    else:
        import pyarrow

        given = pyarrow.table(columns)
        given = given.append_column("y", given["y"])
    with pytest.raises(DataError, match="'y' more than once"):
        forecast(given, 3)


def working_days(n=60, name="a"):
    return daily(n, name).filter(pl.col("ds").dt.weekday() < 6)


def test_series_of_working_days_are_warned_of_weekends():
    frame = pl.concat([working_days(), daily(60, "b")])
    with pytest.warns(
        DataWarning, match="1 series without Saturdays and Sundays: 'a'. Weekends are forecast"
    ):
        forecast(frame, 7, models=["naive"])


@pytest.mark.parametrize(("n", "h"), [(26, 7), (57, 2)])
def test_a_short_series_or_a_horizon_without_a_weekend_is_not_warned_of_it(n, h):
    forecast(working_days(n), h, models=["naive"])


@pytest.mark.parametrize("vintages", [False, True])
def test_a_cutoff_far_beyond_the_data_is_warned_of(vintages):
    frame = daily(60)
    if vintages:
        frame = frame.with_columns(known_at=pl.col("ds") + DAY)
    last = frame["ds"][-1]
    forecast(frame, 3, models=["naive"], cutoff=last + 60 * DAY)
    with pytest.warns(DataWarning, match="is far beyond the data: the last value is at .* 300 steps of 1d"):
        forecast(frame, 3, models=["naive"], cutoff=last + 300 * DAY)


def test_months_that_end_on_other_days_are_months():
    ends = pl.date_range(START.date(), START.date().replace(year=2025), "1mo", eager=True).dt.month_end()
    frame = pl.DataFrame({"unique_id": "a", "ds": ends, "y": np.arange(float(len(ends)))})
    for freq in (None, "1mo"):
        made = forecast(frame, 3, models=["naive"], freq=freq).frame
        assert [str(ds) for ds in made["ds"]] == ["2025-04-30", "2025-05-31", "2025-06-30"]


def test_local_days_are_judged_and_cross_validated_across_the_change_of_clocks():
    start = datetime(2024, 1, 20, tzinfo=UTC).date()
    ds = pl.datetime_range(start, start + 119 * DAY, "1d", time_zone="Europe/Berlin", eager=True)
    frame = pl.DataFrame({"unique_id": "a", "ds": ds, "y": np.arange(120.0) % 7})
    assert detect(frame)["ds"].to_list() == ds.to_list()
    made = cross_validation(frame, 14, 3, presets=(), models=["naive"])
    assert str(made.freq) == "1d"
    assert made.scored.filter(forecaster="naive").height == 42
