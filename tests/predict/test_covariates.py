"""Covariates do not tell a backtest what nobody could have known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foreseal.errors import DataError, DataWarning
from foreseal.predict.covariates import Covariates
from foreseal.predict.cross_validation import cross_validation
from foreseal.predict.forecast import forecast
from tests.conftest import require

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIME = pl.Datetime("us", "UTC")


def hourly(n: int, first: datetime = START) -> pl.Series:
    return pl.Series("ds", [first + k * HOUR for k in range(n)], dtype=TIME)


def test_a_column_that_reaches_over_the_horizon_is_known_in_advance_and_others_are_cut() -> None:
    wide = pl.DataFrame({"ds": hourly(10), "plan": range(10), "rain": [*range(8), None, None]})
    found = Covariates.of(wide, pl.DataFrame({"unique_id": "a", "ds": hourly(10)[8:]}))
    assert found.ahead == {"plan"}
    starts = pl.DataFrame({"unique_id": ["a", "b"], "start": hourly(10)[[6, 4]]})
    cut = found.before(starts)
    assert cut["plan"].to_list() == list(range(10))
    assert cut["rain"].drop_nulls().to_list() == [0, 1, 2, 3]


def test_a_covariate_of_one_series_is_cut_where_that_series_starts() -> None:
    wide = pl.DataFrame(
        {"unique_id": ["a"] * 6 + ["b"] * 6, "ds": [*hourly(6), *hourly(6)], "rain": range(12)},
        schema_overrides={"ds": TIME},
    )
    future = pl.DataFrame(
        {"unique_id": ["a", "b"], "ds": [START + 6 * HOUR] * 2}, schema_overrides={"ds": TIME}
    )
    starts = pl.DataFrame({"unique_id": ["a", "b"], "start": hourly(10)[[2, 4]]})
    cut = Covariates.of(wide, future).before(starts)
    assert cut.filter(unique_id="a")["rain"].drop_nulls().to_list() == [0, 1]
    assert cut.filter(unique_id="b")["rain"].drop_nulls().to_list() == [6, 7, 8, 9]


def test_a_covariate_that_equals_the_target_but_ends_with_it_does_not_narrow_the_intervals() -> None:
    """Were it seen by the backtest, errors would look far smaller than those of the real forecast."""
    rng = np.random.default_rng(4)
    y = 50 + 10 * np.sin(np.arange(600) * 2 * np.pi / 24) + rng.normal(0, 5, 600)
    df = pl.DataFrame({"unique_id": "a", "ds": hourly(600), "y": y})
    leak = pl.DataFrame({"ds": hourly(600), "x": y})
    plain = forecast(df, 24, models=["ridge", "closed_form"])
    with pytest.warns(DataWarning, match="'x' is known for 0 of 24 steps ahead"):
        told = forecast(df, 24, models=["ridge", "closed_form"], X_df=leak)
    width = [(r.frame["q0.9"] - r.frame["q0.1"]).mean() for r in (plain, told)]
    assert width[1] == pytest.approx(width[0], rel=0.1)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(hours=st.integers(300, 380), half=st.booleans(), wild=st.sampled_from([1e6, -1e6]))
def test_nothing_after_the_cutoff_changes_a_forecast_not_even_its_frequency(
    hours: int, half: bool, wild: float
) -> None:
    cutoff = START + hours * HOUR
    ds = hourly(hours)
    df = pl.DataFrame({"unique_id": "a", "ds": ds, "y": [float(k % 24 + k % 7) for k in range(hours)]})
    rain = pl.DataFrame({"ds": ds, "rain": [float(k % 5) for k in range(hours)]})
    step = HOUR / 2 if half else HOUR
    later = pl.Series("ds", [cutoff + k * step for k in range(200)], dtype=TIME)
    more = pl.concat([df, pl.DataFrame({"unique_id": "a", "ds": later, "y": wild})])
    others = pl.concat([more, pl.DataFrame({"unique_id": "new", "ds": later, "y": wild})])
    with pytest.warns(DataWarning, match="'rain' is known for 0 of 6 steps ahead"):
        before = forecast(df, 6, cutoff=cutoff, X_df=rain, models=["ridge", "drift"])
    with pytest.warns(DataWarning, match="'rain' is known for 0 of 6 steps ahead"):
        after = forecast(others, 6, cutoff=cutoff, X_df=rain, models=["ridge", "drift"])
    assert after.frame.equals(before.frame)
    assert after.ran == before.ran


N, H = 60, 3


def target(*names: str) -> pl.DataFrame:
    return pl.concat(
        pl.DataFrame({"unique_id": name, "ds": hourly(N), "y": [float(k % 24) for k in range(N)]})
        for name in names
    )


def promo(*names: str, n: int = N + H, first: datetime = START) -> pl.DataFrame:
    """A covariate of each of the series named, or of all."""
    values = [float(k * k % 11) for k in range(n)]
    wide = pl.DataFrame({"ds": hourly(n, first), "promo": values})
    return (
        pl.concat(wide.select(pl.lit(name).alias("unique_id"), pl.all()) for name in names) if names else wide
    )


def test_a_column_known_for_all_steps_is_said_to_be_known_in_advance_without_a_warning() -> None:
    made = forecast(target("a", "b"), H, models=["ridge"], X_df=promo())
    assert made.ran["covariates"] == "known in advance: promo"
    assert "promo" in made.summary()


def test_without_covariates_a_run_says_nothing_of_them() -> None:
    assert "covariates" not in forecast(target("a"), H, models=["ridge"]).ran


SHORT = "'promo' is known for 2 of 3 steps ahead, so it counts as past only"


@pytest.mark.parametrize(
    ("wide", "says", "ran"),
    [
        (promo(n=N + 2), SHORT, "past only: promo"),
        (promo("a", "b", n=N + 2), SHORT, "past only: promo"),
        (
            promo()
            .with_columns(rain=pl.col("promo"), snow=pl.col("promo"))
            .with_columns(pl.when(pl.col("ds") < START + N * HOUR).then(pl.col("rain", "snow"))),
            "'rain', 'snow' are known for 0 of 3 steps ahead, so they count as past only",
            "known in advance: promo; past only: rain, snow",
        ),
        (
            promo().with_columns(promo=pl.lit(float("nan"))),
            "'promo' has no value at all, so it counts for nothing",
            "no effect: promo",
        ),
        (promo("x"), "'promo' matches no series and instant", "no effect: promo"),
        (promo(first=START + HOUR / 2), "'promo' matches no series and instant", "no effect: promo"),
        (
            promo(n=H, first=START + N * HOUR),
            "'promo' has no value in the past, so nothing can be learnt of it",
            "no effect: promo",
        ),
        (
            promo(n=2, first=START + N * HOUR),
            "'promo' is known for 2 of 3 steps ahead and has no value in the past",
            "no effect: promo",
        ),
        (
            pl.concat([promo("a"), promo("b", n=N)]),
            "'promo' is known for 0 of 3 steps ahead in 1 of 2 series, so it counts as past only",
            "past only: promo",
        ),
        (promo("a"), "in 1 of 2 series, so it counts as past only", "past only: promo"),
    ],
)
def test_a_column_that_does_less_than_it_seems_to_is_told_of(wide: pl.DataFrame, says: str, ran: str) -> None:
    with pytest.warns(DataWarning) as caught:
        made = forecast(target("a", "b"), H, models=["ridge"], X_df=wide)
    assert len(caught) == 1
    assert str(caught[0].message).startswith("X_df: ")
    assert says in str(caught[0].message)
    assert made.ran["covariates"] == ran


def test_covariates_of_vintages_are_told_of_too() -> None:
    known = target("a").with_columns(known_at=pl.col("ds") + HOUR)
    with pytest.warns(DataWarning, match="for 2 of 3 steps ahead"):
        made = forecast(known, H, cutoff=START + N * HOUR, models=["ridge"], X_df=promo(n=N + 2))
    assert made.ran["covariates"] == "past only: promo"


def test_months_are_met_whatever_their_day() -> None:
    ends = pl.datetime_range(
        datetime(2015, 1, 1, tzinfo=UTC), datetime(2019, 12, 1, tzinfo=UTC), "1mo", eager=True
    )
    ends = ends.dt.month_end()
    df = pl.DataFrame({"unique_id": "a", "ds": ends, "y": [float(k % 12) for k in range(len(ends))]})
    wide = pl.DataFrame({"ds": ends.dt.month_start(), "promo": [float(k % 5) for k in range(len(ends))]})
    with pytest.warns(DataWarning, match="known for 0 of 3 steps ahead, so it counts as past only"):
        forecast(df, H, models=["ridge"], X_df=wide)


@pytest.mark.parametrize("how", [{"preset": "fast"}, {"models": ["theta", "drift"]}])
def test_covariates_that_no_member_uses_are_told_of(how: dict[str, object]) -> None:
    if "models" in how:
        require("statsforecast")
    with pytest.warns(DataWarning, match="no member of .* uses covariates") as caught:
        made = forecast(target("a"), H, X_df=promo(), **how)  # type: ignore[arg-type]
    assert len(caught) == 1
    assert made.ran["covariates"] == "used by no member"


@pytest.mark.parametrize(("names", "series"), [((), ""), (("a",), "of series 'a' ")])
def test_an_infinite_covariate_is_refused_by_name_and_instant(names: tuple[str, ...], series: str) -> None:
    wide = promo(*names).with_columns(
        promo=pl.when(pl.col("ds") == START + (N + 1) * HOUR).then(float("inf")).otherwise("promo")
    )
    with pytest.raises(DataError) as caught:
        forecast(target("a"), H, models=["ridge"], X_df=wide)
    assert caught.value.message == f"Covariate 'promo' of X_df is infinite {series}at 2024-01-03T13:00:00Z."


def test_an_error_about_covariates_says_that_it_is_about_them() -> None:
    for wide, says in [
        (pl.concat([promo(), promo().head(1)]), "X_df has more than one row at 2024-01-01T00:00:00Z"),
        (pl.concat([promo("a"), promo("a")]), "X_df has more than one row of series 'a' at"),
        (promo().drop("ds"), "X_df: The frame has no column 'ds'"),
        (3, "X_df: int is not a data frame"),
    ]:
        with pytest.raises(DataError, match=says):
            forecast(target("a"), H, models=["ridge"], X_df=wide)


def test_a_cross_validation_tells_once_and_not_at_every_window() -> None:
    with pytest.warns(DataWarning) as caught:
        cross_validation(target("a"), H, 2, presets=(), models=["ridge"], X_df=promo(n=N + 2))
    assert [SHORT in str(each.message) for each in caught] == [True]
    with pytest.warns(DataWarning, match="no member of .* uses covariates") as caught:
        cross_validation(target("a"), H, 2, presets=["fast"], X_df=promo())
    assert len(caught) == 1
