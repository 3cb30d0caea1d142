"""Sorting long frames by key, fast where the keys repeat, and picking the latest vintage."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import polars as pl

_SMALL = 20_000
_FEW = 1 << 16  # distinct ids up to which ranking them is cheaper than comparing strings


def neighbours(frame: pl.DataFrame, columns: Sequence[str], keys: int = 0) -> tuple[bool, bool, bool]:
    """Is ``frame`` sorted by ``columns``, and has it neighbours that are equal in all of them?

    Lastly, has it neighbours that are equal in the first ``keys`` of them (in all, if 0)?
    """
    ascending, equal, prefix = frame.select(_comparisons(tuple(columns), keys or len(columns))).row(0)
    return ascending, equal, prefix


@functools.lru_cache(64)
def _comparisons(columns: tuple[str, ...], keys: int) -> list[pl.Expr]:
    ascending = pl.lit(True)
    for name in reversed(columns):
        this, previous = pl.col(name), pl.col(name).shift(1)
        ascending = (this > previous) | ((this == previous) & ascending)
    same = [pl.col(name) == pl.col(name).shift(1) for name in columns]
    return [
        ascending.fill_null(True).all().alias("ascending"),
        pl.all_horizontal(same).any().alias("equal"),
        pl.all_horizontal(same[:keys]).any().alias("prefix"),
    ]


def sort_rows(frame: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Stable sort by columns of which the first is a string; none may be null.

    Equal ids are common in long frames. They are ranked once, and rank and instant packed into one integer
    where they fit; comparing a million strings pairwise takes five times as long.
    """
    if frame.height < _SMALL:
        return frame.sort(by, maintain_order=True)
    ids = frame[by[0]].unique()
    if len(ids) > _FEW:
        return frame.sort(by, maintain_order=True)
    rank = frame[by[0]].cast(pl.Enum(ids.sort())).to_physical().to_numpy().astype(np.int64)
    if len(by) == 1:
        return frame[np.argsort(rank, kind="stable")]
    second = frame[by[1]].to_physical().to_numpy()
    low = int(second.min())
    if len(ids).bit_length() + (int(second.max()) - low).bit_length() < 63:
        packed = rank << (int(second.max()) - low).bit_length() | (second - low)
        order = pl.Series(packed).arg_sort()
        ordered = packed[order.to_numpy()]
        if not (ordered[1:] == ordered[:-1]).any():
            return frame[order]
    ranked = frame.with_columns(pl.Series("__rank", rank))
    return ranked.sort(["__rank", *by[1:]], maintain_order=True).drop("__rank")


def match_keys(rows: pl.DataFrame, known: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """``known`` with ``__key``: the number, among the distinct keys of ``rows``, of its own key.

    ``rows`` are sorted by ``keys``. Rows of ``known`` with other keys are left out.
    """
    distinct = rows.select(keys)
    if neighbours(distinct, keys)[1]:
        distinct = distinct.unique(maintain_order=True)
    ids = distinct[keys[0]].unique(maintain_order=True)
    if len(keys) != 2 or len(ids) > _FEW:
        return known.join(distinct.with_row_index("__key"), on=keys, how="inner")
    rank = known[keys[0]].cast(pl.Enum(ids), strict=False)
    if rank.null_count():
        known, rank = known.filter(rank.is_not_null()), rank.drop_nulls()
    mine = distinct[keys[0]].cast(pl.Enum(ids)).to_physical().to_numpy().astype(np.int64)
    theirs = rank.to_physical().to_numpy().astype(np.int64)
    ds = distinct[keys[1]].to_physical().to_numpy()
    low, high = int(ds.min()), int(ds.max())
    bits = (high - low).bit_length()
    if len(ids).bit_length() + bits >= 63:
        return known.join(distinct.with_row_index("__key"), on=keys, how="inner")
    other = known[keys[1]].to_physical().to_numpy()
    inside = (other >= low) & (other <= high)
    wanted = mine << bits | (ds - low)
    given = np.where(inside, theirs << bits | (other - low), -1)
    place = np.searchsorted(wanted, given)
    found = inside & (wanted[np.minimum(place, len(wanted) - 1)] == given)
    return known.with_columns(pl.Series("__key", place.astype(np.uint32))).filter(pl.Series(found))


def in_key_order(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Vintages by key; of one key the last is in force: by claimed time, then ``known_at``, then append.

    A claim decides first, so a late row never displaces a newer one.
    """
    if "claimed_at" not in frame.columns:  # it is inside encrypted records
        return sort_rows(frame, [*keys, "known_at", "n"])
    frame = frame.with_columns(__claimed=pl.coalesce("claimed_at", "known_at"))
    by = [*keys, "__claimed", "known_at", "n"]
    if frame.height < _SMALL or not neighbours(frame, by)[0]:
        frame = sort_rows(frame, by)
    return frame.drop("__claimed")


def latest(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The vintage of each key that is in force, sorted by ``keys``."""
    frame = in_key_order(frame, keys)
    if not neighbours(frame, keys)[1]:
        return frame
    last = pl.any_horizontal(pl.col(key) != pl.col(key).shift(-1) for key in keys).fill_null(True)
    return frame.filter(last)
