"""Features of cases as a matrix: numbers as they are, text as one column for each common level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foreseal.errors import ModelError

LEAST_SHARE = 0.01
"""Levels that fewer cases have get no column."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What was learnt of the features: the numbers, and the common levels of each text."""

    numbers: tuple[str, ...]
    levels: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, features: pl.DataFrame) -> Columns:
        """From the features of the cases to learn from."""
        numbers, levels = [], []
        for name in sorted(each for each in features.columns if each != "case_id"):
            column = features[name]
            if column.dtype.is_numeric() or column.dtype == pl.Boolean:
                numbers.append(name)
                continue
            counts = column.cast(pl.String).drop_nulls().value_counts(name="n")
            common = counts.filter(pl.col("n") >= LEAST_SHARE * len(column))[name].sort().to_list()
            levels.append((name, tuple(common)))
        return cls(tuple(numbers), tuple(levels))

    @property
    def names(self) -> tuple[str, ...]:
        """The features that are used."""
        return (*self.numbers, *(name for name, _ in self.levels))

    def matrix(self, features: pl.DataFrame) -> NDArray[np.float64]:
        """``[case, column]``; a missing number is NaN, a missing or unknown level has no 1 in any column."""
        absent = [name for name in self.names if name not in features.columns]
        if absent:
            raise ModelError(
                f"The cases have no feature {', '.join(absent)}.", hint="Give those it was fitted on."
            )
        found: Sequence[pl.Expr] = [pl.col(name).cast(pl.Float64) for name in self.numbers]
        found = [
            *found,
            *(
                (pl.col(name).cast(pl.String) == level)
                .fill_null(False)
                .cast(pl.Float64)
                .alias(f"{name}={level}")
                for name, levels in self.levels
                for level in levels
            ),
        ]
        matrix: NDArray[np.float64] = features.select(found).to_numpy().astype(float)
        return matrix.reshape(features.height, len(found))
