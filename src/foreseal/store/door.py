"""What a batch must be to enter the store: columns of the right types, and rows that mean something."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import cast

import polars as pl

from foreseal.clock import YEARS, format_instant
from foreseal.errors import DataError
from foreseal.exact import MAX_WHOLE
from foreseal.records import Rejected
from foreseal.settings import KnownAt
from foreseal.store.schema import DTYPES, Part

_OPTIONAL = ("source", "quality")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def check(
    rows: pl.DataFrame, part: Part, rule: KnownAt, file: str, *, private: bool = False
) -> tuple[pl.DataFrame, list[Rejected]]:
    """``rows`` with the columns of ``part`` in their types, and those that had to be refused.

    Raises `DataError` for a missing column or one of the wrong type; if ``private``, it tells no values.
    """
    where = f" of {file}" if file else ""
    wanted = [*part.keys, *(value for value in part.values if value not in _OPTIONAL)]
    if rule.kind == "column":
        wanted.append("known_at")
    for name in wanted:
        if name not in rows.columns:
            near = difflib.get_close_matches(name, rows.columns, n=1, cutoff=0.5)
            raise DataError(
                f"A batch{where} for {part.name} has no column {name!r}.",
                hint=f"Did you mean {near[0]!r}?" if near else f"It has: {', '.join(rows.columns)}.",
            )
    columns = [_typed(rows, name, part, where) for name in wanted]
    for name in _OPTIONAL:
        if name in part.columns:
            given = name in rows.columns
            columns.append(pl.col(name).cast(pl.String).fill_null("") if given else pl.lit("").alias(name))
    row = pl.col("row") if "row" in rows.columns else pl.lit(0)
    columns.append(row.cast(pl.Int64).alias("row"))
    try:
        frame = rows.select(columns)
    except pl.exceptions.PolarsError as error:
        detail = "" if private else f": {error}"
        cause = None if private else error
        raise DataError(f"A batch{where} for {part.name} has values of the wrong type{detail}") from cause
    return _refuse(frame, part, file)


def contradictions(rows: pl.DataFrame, part: Part, file: str) -> list[Rejected]:
    """All rows that contradict another of the same batch."""
    return _rejected(rows, part.values[0], "different values for the same key in one batch", file)


def from_the_future(
    rows: pl.DataFrame, rule: KnownAt, now: datetime, file: str
) -> tuple[pl.DataFrame, list[Rejected]]:
    """Set aside rows that claim to be known later than now."""
    if rule.kind != "column":
        return rows, []
    last = rows["known_at"].max()
    if last is None or cast(datetime, last) <= now:
        return rows, []
    early = rows["known_at"] > now
    reason = f"claims to become known after it was recorded ({format_instant(now)})"
    return rows.filter(~early), _rejected(rows.filter(early), "known_at", reason, file)


def _typed(rows: pl.DataFrame, name: str, part: Part, where: str) -> pl.Expr:
    """The column ``name`` in its stored type; only casts that keep the meaning."""
    kind, dtype = part.columns[name], rows.schema[name]
    column = pl.col(name)
    if dtype == pl.Null:
        return column.cast(DTYPES[kind])
    if kind == "time" and isinstance(dtype, pl.Datetime):
        if dtype.time_zone is None:
            raise DataError(
                f"The column {name!r} of a batch{where} has no time zone.",
                hint=f"Say which one it is in: pl.col({name!r}).dt.replace_time_zone('UTC').",
            )
        return column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    if kind == "float" and dtype.is_numeric():
        # Adding 0 turns negative zero into zero: equal values have equal bytes.
        return column.cast(pl.Float64).fill_nan(None) + 0.0 if name != "y" else column.cast(pl.Float64) + 0.0
    if kind == "int" and dtype.is_integer():
        return column.cast(pl.Int64)
    if kind == "bool" and dtype == pl.Boolean:
        return column
    if kind == "str" and (
        dtype in (pl.String, pl.Categorical, pl.Enum) or (name in part.keys and dtype.is_integer())
    ):
        return column.cast(pl.String)
    raise DataError(f"The column {name!r} of a batch{where} is {dtype}, not {kind}.")


def _refuse(frame: pl.DataFrame, part: Part, file: str) -> tuple[pl.DataFrame, list[Rejected]]:
    """Set aside rows without a key that can be sealed, a time or a finite value."""
    reasons: list[tuple[str, str, pl.Expr]] = []
    for name in (*part.keys, *(["known_at"] if "known_at" in frame.columns else [])):
        missing = pl.col(name).is_null()
        if part.columns[name] == "str":
            missing = missing | (pl.col(name) == "")
        reasons.append((name, "missing", missing))
        if part.columns[name] == "time":
            year = pl.col(name).dt.year()
            outside = ((year < YEARS[0]) | (year >= YEARS[1])).fill_null(False)
            reasons.append((name, f"not between the years {YEARS[0]} and {YEARS[1]}", outside))
        if part.columns[name] == "str":
            reasons += [(name, reason, pl.col(name).is_in(ids)) for reason, ids in _unfit(frame[name])]
    for name in part.values:
        if part.columns[name] == "float":
            reasons.append((name, "infinite", pl.col(name).is_infinite().fill_null(False)))
    if part.name == "series":
        reasons.append(("y", "missing value", pl.col("y").is_null() | pl.col("y").is_nan()))
        # What cannot be sealed as an outcome would keep its target from being settled.
        too_long = (pl.col("y").abs() >= 10.0**MAX_WHOLE).fill_null(False)
        reasons.append(("y", f"more than {MAX_WHOLE} digits before the point", too_long))
    else:
        empty = pl.all_horizontal(pl.col(name).is_null() for name in part.values)
        reasons.append((part.values[0], "missing value", empty))
    if part.name == "labels" and {"time", "event"} <= set(part.values):
        reasons += [
            ("time", "missing or negative time of a survival label", ~(pl.col("time") >= 0).fill_null(False)),
            ("event", "neither 0 nor 1", ~pl.col("event").cast(pl.Int64).is_in([0, 1]).fill_null(False)),
        ]
    elif part.name == "labels" and part.columns[part.values[0]] in ("int", "float"):
        # The first label is what targets ask for: another value could not be sealed as an outcome.
        label = part.values[0]
        other = ((pl.col(label) != 0) & (pl.col(label) != 1)).fill_null(False)
        reasons.append((label, "neither 0 nor 1", other))
    bad = frame.select(pl.any_horizontal(test for _, _, test in reasons).alias("bad"))["bad"]
    if not bad.any():
        return frame, []
    refused: list[Rejected] = []
    left = frame.filter(bad)
    for name, reason, test in reasons:
        refused += _rejected(left.filter(test), name, reason, file)
        left = left.filter(~test)
    return frame.filter(~bad), sorted(refused, key=lambda item: item.row)


def _unfit(keys: pl.Series) -> list[tuple[str, list[str]]]:
    """Keys that no payload can hold, by reason: a row that could not be sealed must not be kept."""
    distinct = keys.unique()
    text = distinct.str.join("").item() or ""
    if text.isascii() and text.isprintable():
        return []
    tests: dict[str, Callable[[str], object]] = {
        "holds a control character": _CONTROL.search,
        "is not in Unicode normal form C (NFC)": lambda key: not unicodedata.is_normalized("NFC", key),
    }
    names = distinct.drop_nulls().to_list()
    found = {reason: [name for name in names if unfit(name)] for reason, unfit in tests.items()}
    return [(reason, ids) for reason, ids in found.items() if ids]


def _rejected(rows: pl.DataFrame, column: str, reason: str, file: str) -> list[Rejected]:
    if rows.is_empty():
        return []
    values = rows.select(
        "row", value=pl.col(column).dt.to_string("iso") if rows[column].dtype.is_temporal() else column
    )
    return [
        Rejected(file, row, column, "" if value is None else str(value), reason)
        for row, value in values.iter_rows()
    ]
