"""A frame of many series in parts: some hundred series at a time, so that memory stays bounded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from foreseal.errors import DataError
from foreseal.frame import Kind, as_polars, canonical, door
from foreseal.predict.grid import IntArray

# A part is small enough for a worker to hold many times over, and large enough for its series to learn from
# each other.
SERIES = 256
ROWS = 2_000_000
# Rows of a lazy frame that are read at once.
READ_ROWS = 8_000_000


@dataclass(frozen=True)
class Whole:
    """A user's frame, checked at the door and not yet copied. ``frame`` keeps the user's columns."""

    frame: pl.DataFrame | pl.LazyFrame
    kind: Kind

    @classmethod
    def of(cls, df: Any, id_col: str, time_col: str, target_col: str) -> Whole:
        """Raises `DataError` if it is no frame, or its columns are not what they should be."""
        frame, backend = (df, "polars") if isinstance(df, pl.LazyFrame) else as_polars(df)
        schema = frame.collect_schema()
        return cls(frame, door(schema, backend, id_col, time_col, target_col))

    def rows(self) -> pl.DataFrame:
        """All rows, ``unique_id, ds, y`` and ``known_at`` if there is one, checked."""
        frame = self.frame.collect() if isinstance(self.frame, pl.LazyFrame) else self.frame
        return canonical(frame, self.kind)

    @property
    def known_at(self) -> bool:
        """Whether the frame says when each value became known."""
        return "known_at" in self.frame.collect_schema().names()

    def parts(self, joint: bool) -> Iterator[pl.DataFrame]:
        """Rows of a few hundred series each, checked; of all series at once if ``joint``."""
        if joint:
            yield self.rows()
            return
        for frame in self._chunks():
            runs = frame.select(pl.col(self.kind.id_col).rle()).unnest(self.kind.id_col)
            ordered = runs["value"].n_unique() == runs.height
            order = None
            if not ordered:
                ids = frame[self.kind.id_col]
                order = ids.arg_sort()
                runs = ids.gather(order).rename("run").to_frame().select(pl.col("run").rle()).unnest("run")
            lengths = runs["len"].to_numpy().astype(np.int64)
            for start, size in _cuts(lengths):
                rows = frame.slice(start, size) if order is None else frame[order.slice(start, size)]
                yield canonical(rows, self.kind)

    def _chunks(self) -> Iterator[pl.DataFrame]:
        """The frame, or a lazy one a few series at a time."""
        if isinstance(self.frame, pl.DataFrame):
            yield self.frame
            return
        name = self.kind.id_col
        counts = self.frame.group_by(name).len().collect(engine="streaming").sort(name)
        if counts[name].null_count():
            raise DataError(f"Some rows have no {name}.", hint="Drop or repair them.")
        total = counts["len"].cum_sum().to_numpy() // READ_ROWS
        for chunk in np.unique(total):
            ids = counts.filter(pl.Series(total == chunk))[name]
            yield self.frame.filter(pl.col(name).is_between(pl.lit(ids[0]), pl.lit(ids[-1]))).collect()


def _cuts(lengths: IntArray) -> list[tuple[int, int]]:
    """First row and number of rows of each part, given the rows of each series in order."""
    rows = int(lengths.sum())
    wanted = max(-(-len(lengths) // SERIES), -(-rows // ROWS), 1)
    ends = np.concatenate([[0], lengths.cumsum()])
    series = np.unique(np.linspace(0, len(lengths), min(wanted, len(lengths)) + 1).round().astype(np.int64))
    return [(int(ends[lo]), int(ends[hi] - ends[lo])) for lo, hi in itertools.pairwise(series.tolist())]
