"""Groups of cases beside each other: what was predicted, what happened, what was done. Tables only."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import polars as pl

from foreseal.figures.reliability import wilson

LEAST = 20
"""Smaller groups are not shown: they say nothing, and too much about the few in them."""


def group_of(column: pl.Series, cuts: Sequence[float]) -> pl.Series:
    """The group of each value: between ``cuts`` for numbers, or the value itself; null is missing."""
    if not cuts:
        return column.cast(pl.String).fill_null("missing")
    texts = [f"{cut:g}" for cut in cuts]
    labels = [f"<= {texts[0]}", *(f"{a} to {b}" for a, b in itertools.pairwise(texts))]
    labels += [f"> {texts[-1]}", "missing"]
    x = column.cast(pl.Float64).to_numpy().astype(float)
    place = np.where(np.isfinite(x), np.searchsorted(np.asarray(cuts, float), x, side="left"), len(cuts) + 1)
    return pl.Series(column.name, [labels[k] for k in place], pl.String)


def group_table(
    probabilities: pl.DataFrame, outcomes: pl.DataFrame, groups: pl.DataFrame, acts: pl.DataFrame, act: str
) -> pl.DataFrame:
    """``feature, group, n, p, observed, low, high, done, done_0, done_1`` by feature and group.

    ``groups`` has ``case_id, feature, group`` and ``acts`` ``case_id, cutoff, act``. ``p`` is the mean
    probability and ``observed`` the share of label 1 with its 95 % interval, of the ``n`` cases with an
    outcome. ``done`` is the share of those decided about that got ``act``, ``done_0`` and ``done_1`` the same
    among cases of either label; null if there are fewer than `LEAST`. Groups of fewer cases are left out.
    """
    joined = (
        probabilities.join(outcomes, on=["case_id", "cutoff"])
        .drop_nulls("y")
        .join(groups, on="case_id")
        .join(acts, on=["case_id", "cutoff"], how="left")
        .with_columns(done=pl.when(pl.col("act").is_not_null()).then(pl.col("act") == act))
    )

    def share(where: pl.Expr) -> pl.Expr:
        mine = pl.col("done").filter(where).drop_nulls()
        return pl.when(mine.len() >= LEAST).then(mine.mean())

    found = (
        joined.group_by("feature", "group")
        .agg(
            pl.len().cast(pl.Int64).alias("n"),
            pl.col("p").mean(),
            pl.col("y").sum().cast(pl.Int64).alias("hits"),
            share(pl.lit(True)).alias("done"),
            share(pl.col("y") == 0).alias("done_0"),
            share(pl.col("y") == 1).alias("done_1"),
        )
        .filter(pl.col("n") >= LEAST)
        .sort("feature", "group")
    )
    bounds = [wilson(hits, n) for hits, n in found.select("hits", "n").iter_rows()]
    return found.select(
        "feature",
        "group",
        "n",
        "p",
        (pl.col("hits") / pl.col("n")).alias("observed"),
        pl.Series("low", [low for low, _ in bounds], pl.Float64),
        pl.Series("high", [high for _, high in bounds], pl.Float64),
        "done",
        "done_0",
        "done_1",
    )
