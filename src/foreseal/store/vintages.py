"""The rules of ``known_at``: which rows of a batch are new, and when each became known. Pure functions.

A row of a batch *claims* a time: from its column, or a delay after ``ds``, or none (the time of loading).

- Claimed in a column: the row is a repeat if it agrees both with the value known at that time and with the
  value claimed last before it (they differ where a late row came between), or if it was accepted before with
  the same claim and values.
- Delay or loading: it is a repeat if it agrees with the latest value. A delay holds for the first value of a
  key only; a different one became known when it was recorded.
- A claim at or before a sealed cutoff comes too late to be believed: the row is known when recorded, keeps
  its claim beside it, and is flagged ``late``. Its claim decides whether it replaces a value.
- Different values under one key and claim in one batch contradict each other and are both rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from foreseal.settings import KnownAt
from foreseal.store.order import match_keys, neighbours, sort_rows
from foreseal.store.schema import DTYPES, Part

TIME = DTYPES["time"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows sorted by keys and claim without contradictions, what was rejected, and how many were doubles.

    ``single`` tells that no two rows have the same key.
    """

    rows: pl.DataFrame
    conflicts: pl.DataFrame
    doubles: int
    single: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """New rows with their ``known_at`` and ``claimed_at``, sorted by keys and claim.

    ``late`` counts those that came late; ``revises`` says which rows replace another value.
    """

    rows: pl.DataFrame
    late: int
    revises: pl.Series


def sift(rows: pl.DataFrame, part: Part, rule: Literal["column", "delay", "load"]) -> Batch:
    """Sort a batch, drop rows that say the same twice, set aside those that contradict each other."""
    by = [*part.keys, "known_at"] if rule == "column" else list(part.keys)
    ascending, doubled, several = neighbours(rows, by, len(part.keys))
    if not ascending:
        rows = sort_rows(rows, by)
        _, doubled, several = neighbours(rows, by, len(part.keys))
    if not doubled:
        return Batch(rows, rows.clear(), 0, not several)
    as_before = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in by).fill_null(False)
    agrees = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in part.values)
    marked = rows.with_columns(__again=as_before, __group=(~as_before).cum_sum())
    marked = marked.with_columns(__conflict=(pl.col("__again") & ~agrees).any().over("__group"))
    kept = marked.filter(~pl.col("__again") & ~pl.col("__conflict"))
    conflicts = marked.filter("__conflict")
    doubles = rows.height - kept.height - conflicts.height
    single = rule != "column" or not neighbours(kept, part.keys)[1]
    return Batch(kept.select(rows.columns), conflicts.select(rows.columns), doubles, single)


def admit(
    rows: pl.DataFrame,
    known: pl.DataFrame,
    part: Part,
    rule: KnownAt,
    recorded_at: datetime,
    sealed: datetime | None,
    single: bool,
) -> Accepted:
    """The rows of a sifted batch that are new, given all vintages that are ``known`` of the same keys.

    ``known`` may hold other keys too. ``sealed`` is the latest cutoff that has been sealed; ``single`` as in
    `Batch`.
    """
    now = pl.lit(recorded_at, TIME)
    if known.height:
        known = match_keys(rows, known, part.keys)
    if known.is_empty() and single:
        new = _every(rows)
    else:
        rows = rows.with_row_index("__i").with_columns(__key=_number_of_key(part, single))
        known = known.with_columns(__claim=pl.coalesce("claimed_at", "known_at"))
        if known.is_empty():
            known = known.with_columns(__key=pl.lit(None, pl.UInt32))
        if rule.kind == "column":
            new = _against_their_time(rows, known, part, single, sealed)
        else:
            new = _against_latest(rows, known, part)
    if rule.kind == "column":
        claim = pl.col("known_at")
    elif rule.kind == "delay":
        # A value that is here before its delay has passed is known now, not in the future.
        claim = pl.min_horizontal(pl.col("ds") + rule.delay, now)
        if new.revises.any():
            claim = pl.when(new.revises).then(now).otherwise(claim)
    else:
        claim = now
    if sealed is None:
        fresh = new.rows.with_columns(known_at=claim, claimed_at=pl.lit(None, TIME), flags=pl.lit(""))
        return Accepted(fresh.drop("__i", "__key", strict=False), 0, new.revises)
    late = (claim <= sealed) & (claim < now)
    fresh = new.rows.with_columns(
        known_at=pl.when(late).then(now).otherwise(claim),
        claimed_at=pl.when(late).then(claim),
        flags=pl.when(late).then(pl.lit("late")).otherwise(pl.lit("")),
    )
    count = fresh.height - fresh["claimed_at"].null_count()
    return Accepted(fresh.drop("__i", "__key", strict=False), count, new.revises)


@dataclass(frozen=True, slots=True)
class _New:
    rows: pl.DataFrame
    revises: pl.Series


def _every(rows: pl.DataFrame) -> _New:
    return _New(rows, pl.Series([False], dtype=pl.Boolean).new_from_index(0, rows.height))


def _number_of_key(part: Part, single: bool) -> pl.Expr:
    """The number of each row's key among the distinct keys of rows that are sorted by key."""
    if single:
        return pl.col("__i")
    differs = pl.any_horizontal(pl.col(key) != pl.col(key).shift(1) for key in part.keys)
    return differs.fill_null(False).cum_sum().cast(pl.UInt32)


def _against_latest(rows: pl.DataFrame, known: pl.DataFrame, part: Part) -> _New:
    """Rows that differ from the latest value of their key, or are its first."""
    if known["__key"].is_duplicated().any():
        known = known.sort("__key", "__claim", "known_at", "n")
    last = known.unique("__key", keep="last").select(
        "__key", *(pl.col(name).alias(f"__{name}") for name in part.values), __seen=pl.lit(True)
    )
    joined = rows.join(last, on="__key", how="left", maintain_order="left")
    seen = joined["__seen"].fill_null(False)
    new = ~(seen & joined.select(_same_values(part)).to_series())
    return _New(rows.filter(new), seen.filter(new))


def _against_their_time(
    rows: pl.DataFrame, known: pl.DataFrame, part: Part, single: bool, sealed: datetime | None
) -> _New:
    """Rows that were not accepted before and differ from the value known at, or claimed before, their time.

    Rows are replayed between the vintages already stored and compared twice: with the row claimed last
    before them, and with the one that has the latest claim among those known by then. A repeat agrees with
    both, so it may stand in for them; a row that is late becomes known now, and is known at no claimed time.
    """
    theirs = ("__key", *part.values, "known_at", "n", "__claim")
    if known.height:
        before = known.select(
            "__key", *(pl.col(name).alias(f"__{name}") for name in part.values), known_at="__claim"
        )
        found = rows.join(before, on=["__key", "known_at"], how="inner").filter(_same_values(part))["__i"]
        rows = rows.filter(~pl.int_range(pl.len()).is_in(found.implode())) if len(found) else rows
        known = known.join(rows.select("__key"), on="__key", how="semi")
    if known.is_empty() and (single or not rows["__key"].is_duplicated().any()):
        return _every(rows)
    believed = pl.lit(True) if sealed is None else pl.col("known_at") > sealed
    merged = pl.concat(
        [
            known.select(theirs).with_columns(__i=pl.lit(None, pl.UInt32), __believed=pl.lit(True)),
            rows.with_columns(n=pl.lit(None, pl.Int64), __claim="known_at", __believed=believed).select(
                *theirs, "__i", "__believed"
            ),
        ]
    ).sort("__key", "__claim", "n", nulls_last=True)
    follows = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(name).shift(1)) for name in ("__key", *part.values)
    )
    merged = merged.with_row_index("__claimed").with_columns(__follows=follows)
    replayed = merged.sort("__key", "known_at", "__claimed")
    in_force = pl.when("__believed").then("__claimed").cum_max().forward_fill().shift(1).over("__key")
    replayed = replayed.with_columns(__at=in_force).filter(pl.col("__i").is_not_null()).sort("__i")
    at = replayed["__at"]
    earlier = merged.select(pl.col(name).gather(at).alias(f"__{name}") for name in part.values)
    replayed = replayed.hstack(earlier).with_columns(__seen=at.is_not_null())
    new = replayed.filter(~(pl.col("__seen") & pl.col("__follows") & _same_values(part)))
    return _New(rows.filter(pl.col("__i").is_in(new["__i"].implode())), new["__seen"])


def _same_values(part: Part) -> pl.Expr:
    return pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"__{name}")) for name in part.values)
