"""Cells as they come -> values of a type, with the reason where that is impossible."""

from __future__ import annotations

import polars as pl

MISSING_VALUE = "missing value"
INFINITE = "infinite"
NO_VALUE = ("", "na", "n/a", "nan", "null", "none", "-nan")

_TRUE = ("true", "t", "yes", "y", "1", "1.0")
_FALSE = ("false", "f", "no", "n", "0", "0.0")


def read_numbers(column: pl.Series, decimal: str = ".") -> tuple[pl.Series, pl.Series]:
    """Finite floats, and the reason where there is none: missing, infinite, or no number."""
    name = column.name
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        number = (text.str.replace(decimal, ".", literal=True) if decimal != "." else text).cast(
            pl.Float64, strict=False
        )
        missing = text.is_null() | text.str.to_lowercase().is_in(NO_VALUE)
    elif column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null):
        number, missing = column.cast(pl.Float64), column.is_null()
    else:
        number = pl.repeat(None, len(column), dtype=pl.Float64, eager=True)
        missing = column.is_null()
    frame = pl.DataFrame({"number": number, "missing": missing})
    value = pl.col("number")
    found = frame.select(
        pl.when(value.is_finite()).then(value).alias(name),
        pl.when(pl.col("missing") | value.is_nan().fill_null(False))
        .then(pl.lit(MISSING_VALUE))
        .when(value.is_infinite())
        .then(pl.lit(INFINITE))
        .when(value.is_null())
        .then(pl.lit("not a number"))
        .alias("reason"),
    )
    return found[name], found["reason"]


def read_cells(column: pl.Series, kind: str, decimal: str = ".") -> tuple[pl.Series, pl.Series]:
    """Values of the type ``kind`` (``float``, ``int``, ``bool``, ``str``); an empty cell is null."""
    name = column.name
    if kind == "str":
        value = column.cast(pl.String).str.strip_chars().replace("", None)
        return value, pl.repeat(None, len(column), dtype=pl.String, eager=True)
    if kind == "bool" and column.dtype != pl.Boolean:
        text = column.cast(pl.String).str.strip_chars().str.to_lowercase()
        frame = pl.DataFrame({"text": text}).with_columns(
            value=pl.when(pl.col("text").is_in(_TRUE))
            .then(True)
            .when(pl.col("text").is_in(_FALSE))
            .then(False)
        )
        empty = pl.col("text").is_null() | pl.col("text").is_in(NO_VALUE)
        wrong = pl.when(pl.col("value").is_null() & ~empty).then(pl.lit("neither true nor false"))
        return frame["value"].alias(name), frame.select(reason=wrong)["reason"]
    if kind == "bool":
        return column, pl.repeat(None, len(column), dtype=pl.String, eager=True)
    number, reason = read_numbers(column, decimal)
    frame = pl.DataFrame({"number": number, "reason": reason}).with_columns(
        reason=pl.when(pl.col("reason") != MISSING_VALUE).then("reason")
    )
    if kind == "int":
        broken = pl.col("number") != pl.col("number").round()
        frame = frame.with_columns(
            reason=pl.when(broken).then(pl.lit("not a whole number")).otherwise("reason"),
            number=pl.when(~broken).then(pl.col("number").cast(pl.Int64, strict=False)),
        )
    return frame["number"].alias(name), frame["reason"]
