"""Parquet files: columns have types already; what does not fit is named by its row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from foreseal.collect.columns import Columns
from foreseal.collect.source import Batch, Context
from foreseal.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetSource(Columns):
    """``source = "parquet"``; rows are numbered from 1."""

    def read(self, context: Context) -> Iterator[Batch]:
        for path, name in self.named(context):
            try:
                table = pl.read_parquet(path, glob=False)
            except (pl.exceptions.PolarsError, OSError) as error:
                if context.private:
                    raise DataError(f"{name} cannot be read as Parquet.") from None
                raise DataError(f"{name} cannot be read as Parquet: {error}") from error
            if table.is_empty():
                raise DataError(f"{name} has 0 rows.")
            yield from self.batches(table, pl.int_range(1, table.height + 1, eager=True), context, name)
