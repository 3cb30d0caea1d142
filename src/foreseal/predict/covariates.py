"""Covariates given with a frame: which reach into the horizon, and what was known of the others when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from foreseal.errors import DataError
from foreseal.frame import read, refuse_repeats


@dataclass(frozen=True, slots=True)
class Covariates:
    """A wide frame: ``ds``, optionally ``unique_id``, numeric columns.

    Columns in ``ahead`` have a value at every step to forecast, so they count as known in advance, in the
    past too. All others are known at the end of their step only.
    """

    wide: pl.DataFrame
    ahead: frozenset[str]

    @classmethod
    def of(cls, wide: pl.DataFrame, future: pl.DataFrame) -> Covariates:
        """Tell the columns apart by ``future``, the ``unique_id, ds`` that are to be forecast in the end."""
        keys = _keys(wide)
        there = future.select(keys).unique().join(wide, on=keys, how="left")
        names = [name for name in wide.columns if name not in keys]
        full = [name for name in names if there[name].cast(pl.Float64).fill_nan(None).null_count() == 0]
        return cls(wide, frozenset(full))

    def before(self, starts: pl.DataFrame) -> pl.DataFrame:
        """What was known where each series' first step to forecast was ``start`` (``unique_id, start``).

        A frame without ``unique_id`` serves all series, so it is cut at the earliest of them.
        """
        late = [name for name in self.wide.columns if name not in (*_keys(self.wide), *self.ahead)]
        if not late:
            return self.wide
        if "unique_id" in self.wide.columns:
            placed = self.wide.join(starts, on="unique_id", how="left", maintain_order="left")
            known = pl.col("ds") < pl.col("start")
        else:
            placed, known = self.wide, pl.col("ds") < pl.lit(starts["start"].min())
        cut = placed.with_columns(pl.when(known).then(pl.col(name)).alias(name) for name in late)
        return cut.select(self.wide.columns)


def read_covariates(X_df: Any, id_col: str, time_col: str) -> pl.DataFrame:
    """A user's covariates as a wide frame. Raises `DataError` for repeated rows and columns of text."""
    wide, _ = read(X_df, id_col=id_col, time_col=time_col, target_col=None)
    keys = _keys(wide)
    refuse_repeats(wide, keys)
    words = [
        name
        for name in wide.columns
        if name not in keys and not wide.schema[name].is_numeric() and wide.schema[name] != pl.Boolean
    ]
    if words:
        raise DataError(
            f"Covariate {words[0]!r} holds {wide.schema[words[0]]}, not numbers.",
            hint="Encode it, or drop it.",
        )
    return wide


def _keys(wide: pl.DataFrame) -> list[str]:
    return [name for name in ("unique_id", "ds") if name in wide.columns]
