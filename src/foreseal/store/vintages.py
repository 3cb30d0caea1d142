"""The rules of ``known_at``: which rows of a batch are new, and when each became known. Pure functions.

A row of a batch *claims* a time: from its column, or a delay after ``ds``, or none (the time of loading).

- Claimed in a column: the row is a repeat if it agrees with the value known at that time, or if it was
  accepted before with the same claim and values.
- Delay or loading: it is a repeat if it agrees with the latest value. A delay holds for the first value of a
  key only; a different one became known when it was recorded.
- A claim at or before a sealed cutoff comes too late to be believed: the row is known when recorded, keeps
  its claim beside it, and is flagged ``late``.
- Different values under one key and claim in one batch contradict each other and are both rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from foreseal.settings import KnownAt
from foreseal.store.order import neighbours, sort_rows
from foreseal.store.quality import add_flag
from foreseal.store.schema import DTYPES, Part

TIME = DTYPES["time"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows sorted by keys and claim without contradictions, what was rejected, and how many were doubles."""

    rows: pl.DataFrame
    conflicts: pl.DataFrame
    doubles: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """New rows with their ``known_at`` and ``claimed_at``, sorted by keys and claim."""

    rows: pl.DataFrame
    late: int
    revises: pl.Series


def sift(rows: pl.DataFrame, part: Part, rule: Literal["column", "delay", "load"]) -> Batch:
    """Sort a batch, drop rows that say the same twice, set aside those that contradict each other."""
    by = [*part.keys, "known_at"] if rule == "column" else list(part.keys)
    rows = sort_rows(rows, by)
    if not neighbours(rows, by)[1]:
        return Batch(rows, rows.clear(), 0)
    repeats_last = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in by)
    group = (~repeats_last).fill_null(True).cum_sum()
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in part.values)
    marked = rows.with_columns(__group=group, __first=~repeats_last.fill_null(False))
    marked = marked.with_columns(__conflict=(~same & ~pl.col("__first")).any().over("__group"))
    kept = marked.filter(pl.col("__first") & ~pl.col("__conflict"))
    conflicts = marked.filter("__conflict")
    helpers = ("__group", "__first", "__conflict")
    return Batch(kept.drop(helpers), conflicts.drop(helpers), rows.height - kept.height - conflicts.height)


def admit(
    rows: pl.DataFrame,
    known: pl.DataFrame,
    part: Part,
    rule: KnownAt,
    recorded_at: datetime,
    sealed: datetime | None,
) -> Accepted:
    """The rows of a sifted batch that are new, given ``known``: every stored vintage of their keys.

    ``sealed`` is the latest cutoff that has been sealed. ``revises`` says which rows replace another value.
    """
    now = pl.lit(recorded_at, TIME)
    rows = rows.with_row_index("__i")
    if rule.kind == "column":
        fresh, revises = _claimed_in_column(rows, known, part, sealed)
        claim = pl.col("known_at")
    else:
        fresh, revises = _against_latest(rows, known, part)
        claim = now
        if rule.kind == "delay":
            # A value that is here before its delay has passed is known now, not in the future.
            claim = pl.when("__first").then(pl.min_horizontal(pl.col("ds") + rule.delay, now)).otherwise(now)
    late = (claim <= sealed) & (claim < now) if sealed is not None else pl.lit(False)
    fresh = fresh.with_columns(__claim=claim).with_columns(__late=late)
    fresh = fresh.with_columns(
        known_at=pl.when("__late").then(now).otherwise(pl.col("__claim")),
        claimed_at=pl.when("__late").then(pl.col("__claim")).otherwise(pl.lit(None, TIME)),
        flags=pl.lit(""),
    )
    count = int(fresh["__late"].sum())
    if count:
        fresh = fresh.with_columns(add_flag(fresh["flags"], "late", fresh["__late"]))
    return Accepted(fresh.drop("__i", "__first", "__claim", "__late"), count, revises)


def _against_latest(rows: pl.DataFrame, known: pl.DataFrame, part: Part) -> tuple[pl.DataFrame, pl.Series]:
    """Rows that differ from the latest value of their key; ``known`` is sorted with the latest last."""
    if known.is_empty():
        return rows.with_columns(__first=pl.lit(True)), pl.repeat(False, rows.height, eager=True)
    last = known.unique(part.keys, keep="last", maintain_order=True)
    last = last.select(*part.keys, *(pl.col(v).alias(f"__{v}") for v in part.values), __seen=True)
    joined = rows.join(last, on=part.keys, how="left", maintain_order="left")
    same = pl.all_horizontal(pl.col(v).eq_missing(pl.col(f"__{v}")) for v in part.values)
    fresh = joined.filter(~(pl.col("__seen").fill_null(False) & same))
    fresh = fresh.with_columns(__first=pl.col("__seen").is_null())
    return fresh.drop("__seen", *(f"__{v}" for v in part.values)), ~fresh["__first"]


def _claimed_in_column(
    rows: pl.DataFrame, known: pl.DataFrame, part: Part, sealed: datetime | None
) -> tuple[pl.DataFrame, pl.Series]:
    """Rows that are new at the time they claim.

    Rows are replayed in the order of their claims between the vintages already stored, and compared with
    the one before. A repeat agrees with the row before it, so it may stand in for it.
    """
    rows = rows.with_columns(__first=pl.lit(True))
    if known.is_empty() and not neighbours(rows, part.keys)[1]:
        return rows, pl.repeat(False, rows.height, eager=True)
    if not known.is_empty():
        claims = known.select(
            *part.keys, *part.values, known_at=pl.coalesce("claimed_at", "known_at")
        ).unique()
        same = [*part.keys, *part.values, "known_at"]
        rows = rows.join(claims, on=same, how="anti", nulls_equal=True, maintain_order="left")
    late = pl.lit(False) if sealed is None else pl.col("known_at") <= sealed
    ours = rows.select(
        *part.keys, *part.values, "known_at", "__i", n=pl.lit(None, pl.Int64), __believed=~late
    )
    theirs = known.select(
        *part.keys,
        *part.values,
        "known_at",
        __i=pl.lit(None, pl.UInt32),
        n=pl.col("n"),
        __believed=pl.lit(True),
    )
    merged = pl.concat([theirs, ours]).sort(*part.keys, "known_at", "n", nulls_last=True, maintain_order=True)
    merged = merged.with_row_index("__at").with_columns(
        __before=pl.when("__believed").then("__at").shift(1).forward_fill().over(part.keys)
    )
    before = merged.select(
        *(pl.col(v).alias(f"__{v}") for v in part.values), __before="__at", __known=pl.lit(True)
    )
    merged = merged.join(before, on="__before", how="left", maintain_order="left")
    same_value = pl.all_horizontal(pl.col(v).eq_missing(pl.col(f"__{v}")) for v in part.values)
    merged = merged.drop_nulls("__i").select(
        "__i", __seen=pl.col("__known").is_not_null(), __same=pl.col("__known").is_not_null() & same_value
    )
    new = merged.filter(~pl.col("__same")).sort("__i")
    return rows.filter(pl.col("__i").is_in(new["__i"].implode())), new["__seen"]
