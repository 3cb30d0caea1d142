"""Vintages of a hub's target data become rows with two times."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import hubs
import polars as pl
import pytest

from foreseal.collect.hub import Hub
from foreseal.collect.source import Context
from foreseal.collect.vintages import Vintages, newest
from foreseal.errors import DataError
from foreseal.store import Schema, Store


def test_an_archive_is_read_vintage_by_vintage_into_a_store_that_knows_what_was_known(tmp_path: Path) -> None:
    hub = Hub.open(hubs.make_hub(tmp_path / "hub"))
    batches = list(Vintages(path=hub.vintages()).read(Context()))
    assert all(not batch.rejected for batch in batches)
    with Store.open(tmp_path / "store", create=True) as store:
        store.declare(Schema(name="a"))
        for batch in batches:
            store.append("a", batch.rows, known_at=batch.known_at)
        as_of = hubs.ROUNDS[0] - timedelta(weeks=1)
        cutoff = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC) + timedelta(days=4)
        for when, seen in ((cutoff, as_of), (cutoff - timedelta(hours=1), as_of - timedelta(weeks=1))):
            known = store.as_of("a", when)
            assert known["ds"].max().date() == seen  # type: ignore[union-attr]
            for uid, ds, y in known.select("unique_id", "ds", "y").iter_rows():
                assert y == hubs.reported(uid, ds.date(), seen)


def test_a_table_with_a_column_as_of_says_the_same_as_an_archive(tmp_path: Path) -> None:
    rows = [
        (as_of, date(2024, 10, 5) + timedelta(weeks=k), each, "wk inc flu hosp", float(10 * k + n))
        for n, as_of in enumerate((date(2024, 10, 26), date(2024, 11, 2)))
        for k in range(3)
        for each in ("01", "US")
    ]
    names = ["as_of", "target_end_date", "location", "target", "observation"]
    table = pl.DataFrame(rows, schema=names, orient="row")
    other = table.with_columns(pl.lit("wk flu hosp rate").alias("target"))
    pl.concat([table, other]).write_csv(tmp_path / "time-series.csv")
    [batch] = Vintages(path="time-series.csv", release=timedelta(days=5)).read(Context(tmp_path))
    assert batch.rows.height == len(rows)
    assert batch.rows["known_at"].unique().sort().to_list() == [
        datetime(2024, 10, 31, tzinfo=UTC),
        datetime(2024, 11, 7, tzinfo=UTC),
    ]


def test_bad_rows_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "data_2024-11-02.csv").write_text(
        "date,location,value\n2024-10-26,01,5\n2024-10-26,02,NA\n2024-10-26,04,-3\n2024-11-09,01,7\n"
        "soon,01,8\n2024-10-26,,9\n2024-10-26,05,many\n"
    )
    [batch] = Vintages(path="*.csv").read(Context(tmp_path))
    assert batch.rows.height == 1
    assert [(each.row, each.reason) for each in batch.rejected] == [
        (3, "missing value"),
        (4, "a negative count"),
        (5, "the week ends after its vintage"),
        (6, "not a time"),
        (7, "missing"),
        (8, "not a number"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("data_2024-11-02.csv", "date,value\n2024-10-26,5\n", "no column location"),
        ("data_2024-11-02.csv", "location,value\n01,5\n", "no column target_end_date or date"),
        ("data.csv", "date,location,value\n2024-10-26,01,5\n", "does not say when"),
    ],
)
def test_a_file_that_is_no_vintage_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        list(Vintages(path="*.csv").read(Context(tmp_path)))
    with pytest.raises(DataError, match="no file"):
        list(Vintages(path="nothing.csv").read(Context(tmp_path)))


def test_outcomes_are_the_newest_values(tmp_path: Path) -> None:
    hub = Hub.open(hubs.make_hub(tmp_path / "hub"))
    found = newest(hub)
    day = hubs.ROUNDS[0]
    assert found["US", day] == hubs.truth("US", day)
