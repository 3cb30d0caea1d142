"""How values looked when they were young: what a panel's vintages say of each step at earlier cutoffs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from foreseal.clock import to_us
from foreseal.frame import UTC_TIME, Panel, shift
from foreseal.predict.grid import FloatArray, Grid

INSTANT = pl.Int64


@dataclass(frozen=True)
class Revisions:
    """``seen[a]`` (series, T) holds each column of a grid as it was known ``a`` steps after the first cutoff
    that could have known it; NaN where nothing was known then.

    Column T - 1 - b is the newest one at the cutoff ``b`` steps before the panel's own, where its age is 0.
    """

    seen: FloatArray

    @classmethod
    def of(cls, panel: Panel, grid: Grid, ages: int) -> Self | None:
        """From the panel's vintages; None if it has none, no cutoff, or series of different instants."""
        if panel.vintages is None or panel.cutoff is None or not grid.shared:
            return None
        length = grid.y.shape[1]
        rows = panel.vintages().filter(pl.col("y").is_finite()).sort("known_at", maintain_order=True)
        instants = [grid.instants(column)[0] for column in range(-length, 0)]
        cutoffs = [to_us(shift(panel.cutoff, panel.freq, -back, panel.timezone)) for back in range(length)]
        column = pl.DataFrame(
            {"ds": pl.Series(instants, dtype=UTC_TIME), "column": pl.Series(range(length), dtype=INSTANT)}
        )
        series = pl.DataFrame(
            {"unique_id": list(grid.ids), "series": pl.Series(range(len(grid.ids)), dtype=INSTANT)},
            schema_overrides={"unique_id": pl.String},
        )
        found = rows.join(column, on="ds", maintain_order="left").join(
            series, on="unique_id", maintain_order="left"
        )
        at, who = found["column"].to_numpy(), found["series"].to_numpy()
        known, value = found["known_at"].to_physical().to_numpy(), found["y"].to_numpy()
        seen = np.full((ages, len(grid.ids), length), np.nan)
        limits = np.array(cutoffs, np.int64)
        for age in range(ages):
            back = length - 1 - at - age
            visible = (back >= 0) & (known <= limits[np.maximum(back, 0)])
            # Rows come in the order in which they became known, and the last assignment stands.
            seen[age][who[visible], at[visible]] = value[visible]
        return cls(seen)
