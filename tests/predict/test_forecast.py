"""``forecast(df, h)`` just works: any kind of frame, any length, with or without a cutoff."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from foreseal.errors import DataError, DataWarning, ModelError, UsageError
from foreseal.predict.forecast import forecast
from tests.conftest import require
from tests.predict.panels import START, hourly, long_frame

DAY = timedelta(days=1)
COLUMNS = ["q0.05", "q0.1", "q0.25", "q0.5", "q0.75", "q0.9", "q0.95"]


def naive(frame):
    return frame.with_columns(pl.col("ds").dt.replace_time_zone(None))


def daily(n, name="a", start=START, seed=0):
    y = 50 + 10 * np.sin(2 * np.pi * np.arange(n) / 7) + np.random.default_rng(seed).normal(size=n)
    return long_frame(name, y, start, DAY)


def test_each_series_is_forecast_from_its_own_end():
    df = naive(pl.concat([daily(80, "a"), daily(40, "b")]))
    out = forecast(df, 7).frame
    assert out.columns == ["unique_id", "ds", "cutoff", *COLUMNS]
    first = out.group_by("unique_id").agg(pl.col("ds").min(), pl.col("cutoff").first()).sort("unique_id")
    ends = [(START + n * DAY).replace(tzinfo=None) for n in (80, 40)]
    assert first["ds"].to_list() == first["cutoff"].to_list() == ends
    assert out.height == 14


def test_a_seasonal_series_is_continued():
    out = forecast(daily(100), 14).frame
    truth = 50 + 10 * np.sin(2 * np.pi * np.arange(100, 114) / 7)
    assert np.abs(out["q0.5"].to_numpy() - truth).mean() < 1.0


@pytest.mark.parametrize("kind", ["pandas", "pyarrow"])
def test_the_frame_comes_back_in_its_own_kind_with_the_same_numbers(kind):
    require(kind)
    df = naive(daily(60))
    reference = forecast(df, 5).frame
    given = df.to_arrow()
    if kind == "pandas":
        import pandas

        given = pandas.DataFrame({name: df[name].to_list() for name in df.columns})
    out = forecast(given, 5).frame
    assert type(out) is type(given)
    for name in COLUMNS:
        values = out[name].to_pylist() if kind == "pyarrow" else out[name].to_list()
        np.testing.assert_array_equal(values, reference[name].to_list())


def test_the_names_of_columns_are_the_users():
    df = daily(60).rename({"unique_id": "sensor", "ds": "time", "y": "volume"})
    out = forecast(df, 2, id_col="sensor", time_col="time", target_col="volume").frame
    assert out.columns[:3] == ["sensor", "time", "cutoff"]


@pytest.mark.filterwarnings("ignore::foreseal.errors.ModelWarning")
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 15, 30])
@pytest.mark.parametrize("preset", ["fast", "balanced"])
def test_short_series_are_forecast(n, preset):
    out = forecast(daily(n), 5, freq="1d", preset=preset).frame
    values = out.select(COLUMNS).to_numpy()
    assert np.isfinite(values).all()
    assert (np.diff(values, axis=1) >= 0).all()


def test_a_constant_series_stays_constant():
    out = forecast(long_frame("a", np.full(200, 5.0)), 24).frame
    assert (out.select(COLUMNS).to_numpy() == 5.0).all()


def test_a_series_full_of_gaps_is_forecast():
    df = hourly(40)
    rng = np.random.default_rng(0)
    df = df.with_columns(y=pl.when(pl.Series(rng.random(df.height) < 0.3)).then(None).otherwise("y"))
    out = forecast(df.filter(pl.Series(rng.random(df.height) < 0.7)), 24).frame
    truth = hourly(41, noise=0.0)["y"].to_numpy()[-24:]
    assert np.abs(out["q0.5"].to_numpy() - truth).mean() < 15


def test_rows_in_any_order_give_the_same_forecast():
    df = pl.concat([daily(80, "a"), daily(80, "b", seed=1)])
    shuffled = df.sample(fraction=1.0, shuffle=True, seed=3)
    assert forecast(df, 7).frame.equals(forecast(shuffled, 7).frame)


def test_a_series_without_any_value_is_left_out_with_a_warning():
    df = pl.concat([daily(60), daily(60, "empty").with_columns(y=pl.lit(None, pl.Float64))])
    with pytest.warns(DataWarning, match="1 series without any value left out: empty"):
        out = forecast(df, 2).frame
    assert out["unique_id"].unique().to_list() == ["a"]


def test_a_frame_without_any_value_is_refused():
    with pytest.raises(DataError, match="No series has any value"):
        forecast(daily(9).with_columns(y=pl.lit(None, pl.Float64)), 1)


def test_a_cutoff_without_known_at_knows_the_steps_that_have_ended():
    df, cutoff = daily(100), START + 80 * DAY
    out = forecast(df, 5, cutoff=cutoff)
    assert out.frame["ds"].min() == cutoff
    assert out.history["ds"].max() == cutoff - DAY
    changed = df.with_columns(y=pl.when(pl.col("ds") >= cutoff).then(1e6).otherwise("y"))
    assert forecast(changed, 5, cutoff=cutoff).frame.equals(out.frame)


def test_known_at_decides_what_a_cutoff_may_see():
    """A revision that came after the cutoff is not used; the first value is."""
    cutoff = START + 80 * DAY
    first = daily(80).with_columns(known_at=pl.col("ds") + DAY)
    later = first.with_columns(y=pl.col("y") + 1000, known_at=pl.lit(cutoff + timedelta(seconds=1)))
    reference = forecast(first, 5, cutoff=cutoff).frame
    assert forecast(pl.concat([later, first]), 5, cutoff=cutoff).frame.equals(reference)
    after = forecast(pl.concat([later, first]), 5, cutoff=cutoff + timedelta(seconds=2)).frame
    assert after["q0.5"].min() > 900


def test_a_cutoff_may_be_text_and_naive_like_the_frame():
    out = forecast(naive(daily(60)), 2, cutoff="2021-04-20").frame
    assert out["cutoff"].unique().to_list() == [datetime.fromisoformat("2021-04-20")]
    with pytest.raises(DataError, match="has no time zone"):
        forecast(daily(60), 2, cutoff="2021-04-20")


def test_known_at_without_a_cutoff_is_refused():
    with pytest.raises(DataError, match="known_at"):
        forecast(daily(9).with_columns(known_at=pl.col("ds")), 1)


def test_levels_are_short_for_quantiles():
    out = forecast(daily(60), 2, level=[50, 80]).frame
    assert out.columns[3:] == ["q0.1", "q0.25", "q0.5", "q0.75", "q0.9"]
    with pytest.raises(ModelError, match="twice"):
        forecast(daily(60), 2, level=[80], quantiles=[0.5])
    with pytest.raises(ModelError, match="percentages"):
        forecast(daily(60), 2, level=[120])
    with pytest.raises(ModelError, match="less than one percent") as refused:
        forecast(daily(60), 2, level=[0.8])
    assert "level=[80.0]" in str(refused.value.hint)


def test_a_single_quantile_is_enough():
    assert forecast(daily(60), 2, quantiles=[0.5]).frame.columns[3:] == ["q0.5"]


def test_covariates_known_for_the_horizon_help():
    rng = np.random.default_rng(1)
    promotion = (rng.random(210) < 0.2).astype(float)
    promotion[[202, 205, 206]] = 1.0
    df = daily(210).with_columns(y=pl.col("y") + 30 * pl.Series(promotion))
    X = df.select("ds", promotion=pl.Series(promotion))
    plain = forecast(df.head(200), 10).frame["q0.5"].to_numpy()
    aware = forecast(df.head(200), 10, X_df=X).frame["q0.5"].to_numpy()
    truth = df["y"].to_numpy()[200:]
    assert np.abs(aware - truth).mean() < 0.5 * np.abs(plain - truth).mean()


def test_words_are_no_covariates():
    with pytest.raises(DataError, match="'weather' holds String"):
        forecast(daily(30), 1, X_df=daily(31).select("ds", weather=pl.lit("rain")))


def test_months_keep_their_last_day():
    ds = pl.datetime_range(
        datetime(2015, 1, 1, tzinfo=UTC), datetime(2019, 12, 1, tzinfo=UTC), "1mo", eager=True
    )
    ends = ds.dt.month_end()
    df = pl.DataFrame({"unique_id": "a", "ds": ends, "y": np.arange(60.0)})
    out = forecast(df, 3).frame
    assert [d.strftime("%m-%d") for d in out["ds"]] == ["01-31", "02-29", "03-31"]


def test_two_rows_of_one_instant_are_refused_by_name():
    with pytest.raises(DataError, match="'a' has more than one row"):
        forecast(pl.concat([daily(5), daily(5)]), 1)


@pytest.mark.parametrize("freq", ["fortnight", "0d"])
def test_a_frequency_that_is_none_is_refused(freq):
    with pytest.raises(UsageError, match="not a frequency"):
        forecast(daily(5), 1, freq=freq)


def test_the_summary_says_what_was_done():
    result = forecast(daily(100), 7)
    text = str(result)
    assert "7 forecasts: 1 series, 7 steps of 1d, 2021-06-09T00:00:00Z to 2021-06-15T00:00:00Z" in text
    assert "balanced" in text
    assert "ridge=" in text
    assert "calibrated  yes" in text


@pytest.mark.filterwarnings("ignore::foreseal.errors.ModelWarning")
def test_all_kinds_of_series_together_are_forecast_without_being_told():
    """Counts, constants, negatives, zeros, gaps, single values and late starts in one frame."""
    rng = np.random.default_rng(4)
    late = START + 90 * DAY
    kinds = {
        "constant": long_frame("constant", np.full(120, 7.0), START, DAY),
        "counts": long_frame("counts", rng.poisson(0.4, 120).astype(float), START, DAY),
        "late": long_frame("late", 40 + rng.normal(size=30), late, DAY),
        "negative": long_frame("negative", -500 + 3 * rng.normal(size=120), START, DAY),
        "single": long_frame("single", np.array([3.0]), START + 119 * DAY, DAY),
        "week": daily(120, "week"),
        "zeros": long_frame("zeros", np.zeros(120), START, DAY),
    }
    gaps = kinds["week"].with_columns(unique_id=pl.lit("gaps")).sample(70, seed=1)
    out = forecast(pl.concat([*kinds.values(), gaps]), 14).forecast.frame
    values = {str(key[0]): part.select(COLUMNS).to_numpy() for key, part in out.group_by("unique_id")}
    assert set(values) == {*kinds, "gaps"}
    assert all(np.isfinite(v).all() and (np.diff(v, axis=1) >= 0).all() for v in values.values())
    assert values["counts"].min() >= 0.0
    assert values["counts"][:, 3].max() < 2.0
    assert values["negative"].max() < -400
    assert np.unique(values["constant"]).tolist() == [7.0]
    assert np.unique(values["zeros"]).tolist() == [0.0]
    truth = daily(134, "week")["y"].to_numpy()[120:]
    assert np.abs(values["week"][:, 3] - truth).mean() < 2.0


@pytest.mark.filterwarnings("ignore::foreseal.errors.ModelWarning")
def test_a_horizon_longer_than_the_history_is_forecast():
    out = forecast(daily(40), 100).forecast.frame.select(COLUMNS).to_numpy()
    assert out.shape == (100, 7)
    assert np.isfinite(out).all()
    spread = out[:, -1] - out[:, 0]
    assert spread[-7:].mean() >= 0.8 * spread[:7].mean()


def test_short_series_are_calibrated_by_what_all_of_them_show():
    """Random walks of 24 years: intervals from few errors are too narrow; sixty series together know."""
    rng = np.random.default_rng(0)
    walks = rng.normal(size=(60, 30)).cumsum(axis=1) + 50
    ds = pl.datetime_range(START, datetime(2100, 1, 1, tzinfo=UTC), "1y", eager=True).head(24)
    known = pl.concat(
        pl.DataFrame({"unique_id": f"s{i:02d}", "ds": ds, "y": walk[:24]}) for i, walk in enumerate(walks)
    )
    made = forecast(known, 6)
    assert made.ran["calibrated"] == "yes"
    values = made.forecast.frame.select("q0.1", "q0.9").to_numpy().reshape(60, 6, 2)
    held = (values[..., 0] <= walks[:, 24:]) & (walks[:, 24:] <= values[..., 1])
    assert 0.7 < held.mean() < 0.92


def test_a_cutoff_after_the_end_of_a_series_is_forecast_from_the_cutoff():
    out = forecast(pl.concat([daily(60, "a"), daily(50, "b")]), 3, cutoff=START + 60 * DAY).forecast.frame
    assert out.group_by("unique_id").agg(pl.col("ds").min())["ds"].to_list() == [START + 60 * DAY] * 2


@pytest.mark.parametrize("freq", [None, "given"])
@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Europe/London"])
@pytest.mark.parametrize(("every", "n"), [("1d", 48), ("1d", 100), ("1w", 6), ("1w", 30)])
def test_local_days_and_weeks_stay_at_local_midnight(every, n, zone, freq):
    whole = pl.datetime_range(date(2024, 1, 20), date(2026, 1, 1), every, time_zone=zone, eager=True).head(
        n + 14
    )
    frame = pl.DataFrame({"unique_id": "a", "ds": whole.head(n), "y": np.arange(float(n))})
    made = forecast(frame, 14, models=["naive"], freq=freq and every).frame
    assert made["ds"].to_list() == whole.tail(14).to_list()
