"""What comes in goes out in the same form, and what cannot be a panel is refused by name."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreseal.clock import Frequency
from foreseal.errors import DataError
from foreseal.frame import Panel, first_step, infer_frequency, read, refuse_repeats, shift
from tests.conftest import require

NAIVE = [datetime.fromisoformat("2021-01-01"), datetime.fromisoformat("2021-01-02")]
FIRST, LAST = datetime.fromisoformat("2015-01-01"), datetime.fromisoformat("2022-01-01")


def polars_frame(ds=None, **columns):
    return pl.DataFrame(
        {"unique_id": ["a", "a"], "ds": NAIVE if ds is None else ds, "y": [1.0, 2.0], **columns}
    )


def with_cutoff(frame):
    """A result has the frame's ds and a cutoff in UTC."""
    return frame.select("unique_id", "ds", cutoff=pl.col("ds"), **{"q0.5": pl.col("y")})


def as_kind(kind, frame):
    if kind == "polars":
        return frame
    require(kind)
    if kind == "pyarrow":
        return frame.to_arrow()
    import pandas

    return pandas.DataFrame({name: frame[name].to_list() for name in frame.columns})


KINDS = pytest.mark.parametrize("kind", ["polars", "pandas", "pyarrow"])


@KINDS
def test_a_frame_of_any_kind_is_read_into_utc_and_given_back_as_it_was(kind):
    given = as_kind(kind, polars_frame())
    frame, layout = read(given)
    assert frame["ds"].to_list() == [d.replace(tzinfo=UTC) for d in NAIVE]
    back = layout.give(with_cutoff(frame))
    assert type(back) is type(given)
    again, _ = read(back, target_col=None)
    assert again["ds"].to_list() == frame["ds"].to_list()
    times = back["ds"].to_pylist() if kind == "pyarrow" else back["ds"].to_list()
    assert [t.tzinfo for t in times] == [None, None]


@KINDS
def test_a_time_zone_is_kept(kind):
    zone = ZoneInfo("America/Chicago")
    given = as_kind(kind, polars_frame(pl.Series(NAIVE).dt.replace_time_zone("America/Chicago")))
    frame, layout = read(given)
    assert frame["ds"].to_list() == [d.replace(tzinfo=zone).astimezone(UTC) for d in NAIVE]
    back = layout.give(with_cutoff(frame))
    times = back["cutoff"].to_pylist() if kind == "pyarrow" else back["cutoff"].to_list()
    assert [t.isoformat() for t in times] == [d.replace(tzinfo=zone).isoformat() for d in NAIVE]


@KINDS
def test_names_of_series_that_are_numbers_stay_numbers(kind):
    given = as_kind(kind, polars_frame().with_columns(unique_id=pl.Series([9, 10])))
    frame, layout = read(given)
    assert frame["unique_id"].to_list() == ["9", "10"]
    back = layout.give(with_cutoff(frame))
    ids = back["unique_id"].to_pylist() if kind == "pyarrow" else back["unique_id"].to_list()
    assert ids == [9, 10]


def test_dates_stay_dates_and_other_column_names_are_kept():
    given = polars_frame([date(2021, 1, 1), date(2021, 1, 2)]).rename(
        {"unique_id": "sensor", "ds": "day", "y": "n"}
    )
    frame, layout = read(given, id_col="sensor", time_col="day", target_col="n")
    back = layout.give(with_cutoff(frame))
    assert back.columns == ["sensor", "day", "cutoff", "q0.5"]
    assert back.schema["day"] == pl.Date


def test_missing_values_of_pandas_are_missing():
    require("pandas")
    given = as_kind("pandas", polars_frame())
    given["y"] = [np.nan, 1]
    assert read(given)[0]["y"].fill_nan(None).null_count() == 1


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (polars_frame().drop("y"), "no column 'y'"),
        (polars_frame().with_columns(y=pl.Series(["1", "2"])), "not numbers"),
        (polars_frame().with_columns(ds=pl.Series([1, 2])), "not dates or times"),
        (polars_frame().with_columns(y=pl.Series([1.0, np.inf])), "'a' is infinite at 2021-01-02"),
        (polars_frame().with_columns(ds=pl.Series([NAIVE[0], None])), "1 rows have no"),
        ([1, 2, 3], "list is not a data frame"),
    ],
)
def test_a_frame_that_is_no_series_is_refused_with_what_and_where(frame, message):
    with pytest.raises(DataError, match=message) as caught:
        read(frame)
    assert caught.value.hint


def test_two_rows_of_one_instant_are_refused_by_name():
    frame, _ = read(polars_frame([NAIVE[0], NAIVE[0]]))
    with pytest.raises(DataError, match="'a' has more than one row at 2021-01-01T00:00:00Z"):
        refuse_repeats(frame)


def regular(freq, n=8, start=datetime(2021, 1, 31, tzinfo=UTC), name="a"):
    step = Frequency.parse(freq)
    return pl.DataFrame({"unique_id": name, "ds": [step.shift(start, i) for i in range(n)]})


@pytest.mark.parametrize("freq", ["1s", "5min", "15min", "1h", "6h", "1d", "1w", "1mo", "1q", "1y"])
def test_the_frequency_is_inferred(freq):
    frame = regular(freq)
    assert str(infer_frequency(frame)) == freq
    assert str(infer_frequency(frame.sort("ds", descending=True))) == freq


@pytest.mark.parametrize("freq", ["1h", "1d", "1mo"])
def test_gaps_do_not_change_the_frequency(freq):
    frame = pl.concat([regular(freq, 30)[[0, 1, 2, 5, 6, 7, 20, 21, 29]], regular(freq, 3, name="b")[[0, 2]]])
    assert str(infer_frequency(frame)) == freq


def test_months_on_their_first_day_are_months():
    assert str(infer_frequency(regular("1mo", start=datetime(2020, 1, 1, tzinfo=UTC)))) == "1mo"


def test_a_series_of_another_frequency_is_named():
    frame = pl.concat([regular("1h", 50), regular("1h", 50, name="b"), regular("1d", 9, name="odd")])
    with pytest.raises(DataError, match="series 'odd' by 1d"):
        infer_frequency(frame)


@pytest.mark.parametrize(
    ("every", "n", "freq"), [("1d", 100, "1d"), ("1w", 60, "1w"), ("2d", 60, "2d"), ("1mo", 30, "1mo")]
)
@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Europe/London", "Pacific/Auckland"])
def test_local_days_weeks_and_months_are_inferred_across_the_change_of_clocks(zone, every, n, freq):
    ds = pl.datetime_range(date(2024, 1, 20), date(2030, 1, 1), every, time_zone=zone, eager=True).head(n)
    frame, _ = read(pl.DataFrame({"unique_id": "a", "ds": ds, "y": 1.0}))
    assert str(infer_frequency(frame, zone)) == freq


def test_days_cut_in_utc_stay_days_in_any_zone():
    assert str(infer_frequency(regular("1d", 400), "America/New_York")) == "1d"


def test_one_irregular_series_is_said_to_be_irregular():
    seconds = np.cumsum([0, 85_850, 85_847, 85_850, 85_850, 90_000])
    ds = [datetime(2021, 1, 1, tzinfo=UTC) + timedelta(seconds=int(s)) for s in seconds]
    with pytest.raises(DataError) as caught:
        infer_frequency(pl.DataFrame({"unique_id": "a", "ds": ds}))
    assert "Series 'a' has no regular step: its commonest is 23h50m50s (3 of 5)" in caught.value.message
    assert "others are 23h50m47s, 1d1h." in caught.value.message
    assert "Round the times" in caught.value.hint


def test_single_values_have_no_frequency():
    with pytest.raises(DataError, match="cannot be inferred"):
        infer_frequency(regular("1h", 1))


def test_days_step_on_the_wall_clock_of_their_time_zone():
    """Local midnight stays local midnight across both clock changes."""
    zone = ZoneInfo("America/Chicago")
    start = datetime(2018, 3, 10, tzinfo=zone).astimezone(UTC)
    for steps in range(300):
        moved = shift(start, Frequency(1, "d"), steps, "America/Chicago").astimezone(zone)
        assert moved == datetime(2018, 3, 10, tzinfo=zone) + timedelta(days=steps)
        assert (moved.hour, moved.minute) == (0, 0)


def test_a_time_that_the_clock_skips_moves_an_hour_later():
    before = datetime(2018, 3, 10, 2, 30, tzinfo=ZoneInfo("America/Chicago")).astimezone(UTC)
    moved = shift(before, Frequency(1, "d"), 1, "America/Chicago")
    assert moved.astimezone(ZoneInfo("America/Chicago")).strftime("%d %H:%M") == "11 03:30"


@given(
    st.sampled_from(["7min", "1h", "1d", "1w", "1mo", "1q"]),
    st.datetimes(FIRST, LAST),
    st.datetimes(FIRST, LAST),
    st.sampled_from(["UTC", "America/Chicago", "Australia/Lord_Howe"]),
)
def test_the_first_step_is_at_or_after_the_cutoff_and_the_one_before_is_not(freq, anchor, cutoff, zone):
    frequency = Frequency.parse(freq)
    anchor, cutoff = anchor.replace(tzinfo=UTC), cutoff.replace(tzinfo=UTC)
    first = first_step(anchor, frequency, cutoff, zone)
    assert first >= cutoff
    if frequency.step is not None and zone == "UTC":
        assert first - cutoff < frequency.step
        assert (first - anchor) % frequency.step == timedelta(0)


def test_a_panel_of_the_wrong_types_is_refused():
    with pytest.raises(DataError, match="ds: Datetime"):
        Panel(polars_frame(), Frequency(1, "d"))
