"""Prices become returns; what is no price is refused, and the rest goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from foreseal.collect.prices import AFTER_BAD, NOT_POSITIVE, TOO_LONG, TWICE, Prices
from foreseal.collect.source import Batch, Context
from foreseal.errors import DataError, SettingsError
from foreseal.options import build
from tests.conftest import require


def read(folder: Path, text: str, **options: object) -> dict[str, Batch]:
    (folder / "prices.csv").write_text(text)
    source = build(Prices, {"path": "prices.csv", **options}, "[datasets.returns]")
    return {
        name: batch
        for batch, name in zip(
            source.read(Context(folder)),
            options.get("names") or text.split("\n")[0].split(",")[1:],
            strict=True,
        )
    }


def test_returns_are_percent_changes_from_one_close_to_the_next(tmp_path: Path) -> None:
    found = read(tmp_path, "date,a,b\n2024-01-02,100,50\n2024-01-03,110,49\n2024-01-04,99,49\n")
    assert found["a"].rows["y"].to_list() == pytest.approx([10.0, -10.0])
    assert found["b"].rows["y"].to_list() == pytest.approx([-2.0, 0.0])
    assert found["a"].rows["ds"][0] == datetime(2024, 1, 3, tzinfo=UTC)
    assert found["a"].rows["row"].to_list() == [3, 4]
    assert not found["a"].rejected


def test_a_halted_day_is_an_empty_cell_and_the_next_return_reaches_back_over_it(tmp_path: Path) -> None:
    found = read(tmp_path, "date,a\n2024-01-02,100\n2024-01-03,\n2024-01-04,121\n")
    assert found["a"].rows.select("ds", "y").rows() == [
        (datetime(2024, 1, 4, tzinfo=UTC), pytest.approx(21.0))
    ]
    assert not found["a"].rejected


def test_a_return_over_too_long_a_gap_is_refused(tmp_path: Path) -> None:
    found = read(tmp_path, "date,a\n2024-01-02,100\n2024-02-02,150\n2024-02-05,153\n")["a"]
    assert [(each.row, each.reason) for each in found.rejected] == [(3, TOO_LONG)]
    assert found.rows["y"].to_list() == pytest.approx([2.0])


def test_prices_at_or_below_zero_are_refused_with_the_return_after_them(tmp_path: Path) -> None:
    """Crude oil closed at -37.63 on 2020-04-20: no return leads to a negative price or away from it."""
    text = "date,a\n2020-04-17,18.27\n2020-04-20,-37.63\n2020-04-21,10.01\n2020-04-22,13.78\n"
    found = read(tmp_path, text)["a"]
    assert [(each.row, each.value, each.reason) for each in found.rejected] == [
        (3, "-37.63", NOT_POSITIVE),
        (4, "10.01", AFTER_BAD),
    ]
    assert found.rows["y"].to_list() == pytest.approx([100 * (13.78 / 10.01 - 1)])


def test_two_prices_for_one_day_are_both_refused_and_the_same_price_twice_counts_once(tmp_path: Path) -> None:
    rows = "2024-01-02,100\n2024-01-03,101\n2024-01-03,101\n2024-01-04,102\n2024-01-04,103\n2024-01-05,104\n"
    found = read(tmp_path, f"date,a\n{rows}")["a"]
    assert found.rows["y"].to_list() == pytest.approx([1.0])
    assert [(each.row, each.reason) for each in found.rejected] == [(5, TWICE), (6, TWICE), (7, AFTER_BAD)]


def test_cells_that_are_no_price_and_no_date_are_refused_by_row(tmp_path: Path) -> None:
    text = "date,a\n2024-01-02,100\nyesterday,101\n2024-01-04,n.m.\n2024-01-05,104\n2024-01-08,104\n"
    found = read(tmp_path, text)["a"]
    assert [(each.row, each.column, each.value) for each in found.rejected] == [
        (3, "date", "yesterday"),
        (4, "a", "n.m."),
        (5, "a", "104"),
    ]
    assert found.rows["y"].to_list() == [0.0]


def test_rows_in_any_order_give_the_same_returns(tmp_path: Path) -> None:
    lines = ["2024-01-02,100", "2024-01-03,110", "2024-01-04,99"]
    forward, backward = (
        read(tmp_path, "\n".join(["date,a", *order, ""]))["a"].rows.select("ds", "y")
        for order in (lines, lines[::-1])
    )
    assert forward.equals(backward)


def test_the_sets_of_the_package_are_read_with_their_gaps() -> None:
    require("arch", 'pip install "foreseal[finance]"')
    batches = list(Prices(sets=("sp500", "wti")).read(Context()))
    assert [batch.rows["unique_id"][0] for batch in batches] == ["sp500", "wti"]
    assert batches[0].rows.height == 5030
    assert batches[1].rows.height > 8000
    worst = batches[0].rows.sort("y").row(0, named=True)
    assert (worst["ds"], round(worst["y"], 2)) == (datetime(2008, 10, 15, tzinfo=UTC), -9.03)
    assert all(batch.rows["y"].is_finite().all() for batch in batches)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give either sets"),
        ({"sets": ["sp500"], "path": "x.csv"}, "give either sets"),
        ({"sets": ["dax"]}, "no data set 'dax'"),
        ({"path": "x.csv", "longest_gap": 3}, "longest_gap"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build(Prices, options, "[datasets.returns]")


def test_a_file_that_is_not_there_or_has_other_columns_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no file"):
        list(Prices(path="none.csv").read(Context(tmp_path)))
    (tmp_path / "odd.csv").write_text("day,a\n2024-01-02,100\n")
    with pytest.raises(DataError, match=r"odd\.csv has no column date"):
        list(Prices(path="odd.csv").read(Context(tmp_path)))
    (tmp_path / "bare.csv").write_text("date\n2024-01-02\n")
    with pytest.raises(DataError, match="no column of prices"):
        list(Prices(path="bare.csv").read(Context(tmp_path)))


def test_a_source_without_any_price_yields_no_rows(tmp_path: Path) -> None:
    found = read(tmp_path, "date,a\n2024-01-02,0\n2024-01-03,0\n")["a"]
    assert found.rows.schema["ds"] == pl.Datetime("us", "UTC")
    assert found.rows.is_empty()
    assert len(found.rejected) == 2
