"""Covariates do not tell a backtest what nobody could have known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foreseal.predict.covariates import Covariates
from foreseal.predict.forecast import forecast

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
    plain, told = forecast(df, 24, preset="fast"), forecast(df, 24, preset="fast", X_df=leak)
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
    before = forecast(df, 6, cutoff=cutoff, X_df=rain, models=["ridge", "drift"])
    after = forecast(others, 6, cutoff=cutoff, X_df=rain, models=["ridge", "drift"])
    assert after.frame.equals(before.frame)
    assert after.ran == before.ran
