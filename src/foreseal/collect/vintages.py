"""Vintages of weekly surveillance data: the same weeks as they were reported week after week."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from foreseal.collect.cells import MISSING_VALUE, read_numbers
from foreseal.collect.hub import Hub, dated
from foreseal.collect.source import Batch, Context
from foreseal.collect.times import NOT_A_TIME
from foreseal.errors import DataError
from foreseal.options import span
from foreseal.records import Rejected
from foreseal.settings import KnownAt

DATES = ("target_end_date", "date", "week_ending_date")
VALUES = ("observation", "value")
AS_OF = "as_of"
TOO_EARLY = "the week ends after its vintage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vintages:
    """``source = "vintages"``: target data of a forecast hub.

    ``path`` starts at the project's folder and may end in a pattern. A file has columns ``location``,
    ``target_end_date`` (or ``date``) and ``observation`` (or ``value``), and either a column ``as_of`` or the
    date of its vintage in its name. A vintage becomes known ``release`` after that date. Where there is a
    column ``target``, rows of other targets than ``target`` are left out.
    """

    path: str
    release: timedelta = field(default=timedelta(days=4), metadata={"convert": span})
    target: str = "wk inc flu hosp"

    def read(self, context: Context) -> Iterator[Batch]:
        """One batch per file, oldest vintage first."""
        place = context.folder / self.path
        files = sorted(place.parent.glob(place.name)) if "*" in place.name else [place]
        if not files or not files[0].is_file():
            raise DataError(f"There is no file {place}.", hint="Give the path of the hub's target data.")
        for file in files:
            yield self._batch(file)

    def _batch(self, file: Path) -> Batch:
        try:
            table = (
                pl.read_parquet(file, glob=False)
                if file.suffix == ".parquet"
                else pl.read_csv(file, infer_schema=False)
            )
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{file.name} cannot be read: {str(error).splitlines()[0]}") from error
        table = table.with_columns(row=pl.int_range(1 if file.suffix == ".parquet" else 2, pl.len() + (
            1 if file.suffix == ".parquet" else 2)))  # fmt: skip
        if "target" in table.columns:
            table = table.filter(pl.col("target") == self.target)
        day, value = (_one_of(table, names, file) for names in (DATES, VALUES))
        _one_of(table, ("location",), file)
        vintage = dated(file)
        if AS_OF not in table.columns and vintage is None:
            raise DataError(
                f"{file.name} does not say when its values were reported.",
                hint="It needs a column as_of, or the date of the vintage in its name.",
            )
        as_of = _date(table, AS_OF) if AS_OF in table.columns else pl.lit(vintage, pl.Date)
        y, reason = read_numbers(table[value])
        found = table.select(
            pl.col("location").cast(pl.String).alias("unique_id"),
            _date(table, day).alias("day"),
            as_of.alias(AS_OF),
            "row",
        ).with_columns(y=y, reason=reason, given=table[value].cast(pl.String).fill_null(""))
        why = pl.coalesce(
            pl.when(pl.col("unique_id").fill_null("") == "").then(pl.lit("missing")),
            pl.when(pl.any_horizontal(pl.col("day", AS_OF).is_null())).then(pl.lit(NOT_A_TIME)),
            "reason",
            pl.when(pl.col("y") < 0).then(pl.lit("a negative count")),
            pl.when(pl.col("day") > pl.col(AS_OF)).then(pl.lit(TOO_EARLY)),
        )
        found = found.with_columns(why=why)
        good = found.filter(pl.col("why").is_null()).select(
            "unique_id",
            pl.col("day").cast(pl.Datetime("us", "UTC")).alias("ds"),
            "y",
            (pl.col(AS_OF).cast(pl.Datetime("us", "UTC")) + self.release).alias("known_at"),
            pl.lit(file.name).alias("source"),
            pl.lit("").alias("quality"),
            "row",
        )
        columns = {MISSING_VALUE: value, NOT_A_TIME: day, TOO_EARLY: day, "missing": "location"}
        rejected = tuple(
            Rejected(file.name, row, columns.get(reason, value), given, reason)
            for row, given, reason in found.filter(pl.col("why").is_not_null())
            .select("row", "given", "why")
            .iter_rows()
        )
        return Batch(good, file.name, "series", KnownAt("column", column="known_at"), rejected)


def newest(hub: Hub) -> dict[tuple[str, date], float]:
    """The newest value of every location and week in a hub's target data."""
    source = Vintages(path=hub.vintages(), target=hub.target)
    rows = pl.concat([batch.rows for batch in source.read(Context())])
    last = rows.sort("known_at", maintain_order=True).group_by("unique_id", "ds").agg(pl.col("y").last())
    return {(uid, ds.date()): y for uid, ds, y in last.iter_rows()}


def _one_of(table: pl.DataFrame, names: tuple[str, ...], file: Path) -> str:
    found = next((name for name in names if name in table.columns), "")
    if not found:
        has = ", ".join(table.columns[:12])
        raise DataError(f"{file.name} has no column {' or '.join(names)}.", hint=f"It has: {has}.")
    return found


def _date(table: pl.DataFrame, name: str) -> pl.Expr:
    column = pl.col(name)
    return (column.str.to_date(strict=False) if table.schema[name] == pl.String else column).cast(pl.Date)
