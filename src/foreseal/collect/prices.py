"""Closing prices become daily returns in percent."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import polars as pl

from foreseal.collect.cells import MISSING_VALUE, read_numbers
from foreseal.collect.source import Batch, Context
from foreseal.collect.times import NOT_A_TIME
from foreseal.errors import DataError, MissingExtra
from foreseal.options import span
from foreseal.records import Rejected

ARCH = {"sp500": "Adj Close", "nasdaq": "Adj Close", "wti": "DCOILWTICO"}
"""Data sets of the package arch that hold daily prices, and the column that does."""

NOT_POSITIVE = "a price that is not above 0"
TWICE = "two prices for one day"
AFTER_BAD = "no return: the price before it was refused"
TOO_LONG = "no return: the price before it is too old"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """``source = "prices"``: simple returns from one close to the next, in percent.

    ``sets`` names data sets of the package arch (sp500, nasdaq, wti); or ``path`` a CSV file with a column
    ``date`` and one column of prices per series, of which ``names`` may choose some. An empty cell is a day
    without trade: the next return reaches back over it, up to ``longest_gap``.
    """

    sets: tuple[str, ...] = ()
    path: str = ""
    names: tuple[str, ...] = ()
    longest_gap: timedelta = field(default=timedelta(days=10), metadata={"convert": span})

    def __post_init__(self) -> None:
        if bool(self.sets) == bool(self.path):
            raise ValueError('give either sets = ["sp500", ...] or path = "prices.csv"')
        unknown = [name for name in self.sets if name not in ARCH]
        if unknown:
            raise ValueError(f"there is no data set {unknown[0]!r}; known: {', '.join(ARCH)}")

    def read(self, context: Context) -> Iterator[Batch]:
        """One batch per series."""
        if self.sets:
            for name in self.sets:
                table = _of_arch(name)
                yield self._batch(table, name, f"arch.data.{name}", 1, context)
            return
        file = context.folder / self.path
        if not file.is_file():
            raise DataError(f"There is no file {self.path}.", hint="path starts at the project's folder.")
        try:
            table = pl.read_csv(file, infer_schema=False)
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{self.path} cannot be read: {str(error).splitlines()[0]}") from error
        names = self.names or tuple(name for name in table.columns if name != "date")
        absent = [name for name in ("date", *names) if name not in table.columns]
        if absent or not names:
            raise DataError(
                f"{self.path} has no column {absent[0] if absent else 'of prices'}.",
                hint=f"It has: {', '.join(table.columns[:12])}.",
            )
        for name in names:
            yield self._batch(table.select("date", price=name), name, file.name, 2, context)

    def _batch(self, table: pl.DataFrame, name: str, file: str, first: int, context: Context) -> Batch:
        price, reason = read_numbers(table["price"])
        date = table["date"].cast(pl.String).str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
        column = "price" if self.sets else name
        rows = pl.DataFrame(
            {
                "row": pl.int_range(first, first + table.height, eager=True),
                "date": date,
                "price": price,
                "reason": reason,
                "cell": table["price"].cast(pl.String).fill_null(""),
                "stamp": table["date"].cast(pl.String).fill_null(""),
            }
        )
        rows = rows.filter(pl.col("reason").is_null() | (pl.col("reason") != MISSING_VALUE))
        differ = (pl.col("price").n_unique() > 1).over("date")
        rows = rows.with_columns(
            why=pl.coalesce(
                pl.when(pl.col("date").is_null()).then(pl.lit(NOT_A_TIME)),
                "reason",
                pl.when(pl.col("price") <= 0).then(pl.lit(NOT_POSITIVE)),
                pl.when(pl.col("date").is_not_null() & differ).then(pl.lit(TWICE)),
            )
        )
        undated = rows.filter(pl.col("date").is_null())
        rows = rows.filter(pl.col("date").is_not_null()).unique(["date", "price"], keep="first")
        rows = rows.sort("date", "row").with_columns(
            price=pl.when(pl.col("why").is_null()).then("price"),
            gap=pl.col("date").diff(),
        )
        rows = rows.with_columns(
            y=100 * (pl.col("price") / pl.col("price").shift() - 1),
            why=pl.coalesce(
                "why",
                pl.when(pl.col("why").shift().is_not_null()).then(pl.lit(AFTER_BAD)),
                pl.when(pl.col("gap") > self.longest_gap).then(pl.lit(TOO_LONG)),
            ),
        )
        good = rows.filter(pl.col("why").is_null() & pl.col("y").is_not_null()).select(
            pl.lit(name).alias("unique_id"),
            pl.col("date").cast(pl.Datetime("us", "UTC")).alias("ds"),
            "y",
            pl.lit(file).alias("source"),
            "row",
        )
        refused = rows.filter(pl.col("why").is_not_null())
        bad = [
            *(
                Rejected(file, row, "date", text, why)
                for row, text, why in undated["row", "stamp", "why"].rows()
            ),
            *(
                Rejected(file, row, column, text, why)
                for row, text, why in refused["row", "cell", "why"].rows()
            ),
        ]
        rejected = tuple(sorted(bad, key=lambda each: each.row))
        return Batch(good, file, "series", context.known_at, rejected)


def _of_arch(name: str) -> pl.DataFrame:
    try:
        data: Any = importlib.import_module(f"arch.data.{name}").load()
    except ImportError:
        raise MissingExtra("finance", f"The data set {name!r}") from None
    days = [day.date().isoformat() for day in data.index]
    return pl.DataFrame({"date": days, "price": data[ARCH[name]].to_numpy()})
