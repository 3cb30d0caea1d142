"""Time stamps as they come -> UTC instants, with the reason where that is impossible."""

from __future__ import annotations

from typing import Literal

import polars as pl

INSTANT = pl.Datetime("us", "UTC")
Ambiguous = Literal["reject", "earliest", "latest"]

NOT_A_TIME = "not a time"
MISSING = "missing"
SKIPPED = "this local time does not exist: clocks were put forward over it"
REPEATED = "this local time happened twice: clocks were put back"

_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_ZONE = r"([Zz]|[+-]\d{2}:?\d{2})$"


def read_times(
    column: pl.Series, timezone: str, ambiguous: Ambiguous = "reject", format: str = ""
) -> tuple[pl.Series, pl.Series]:
    """Instants in UTC (null where there is none) and reasons (null where there is an instant).

    Texts are ISO 8601 dates or times, or in the strftime ``format``; a zone in the text counts, and
    ``timezone`` is for stamps without one. Where clocks are put forward a local time may not exist; where
    they are put back it may be ``ambiguous``: rejected, or taken as the earlier or the later of the two.
    """
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        wall, zoned = _parse(text, format)
        missing = text.is_null() | (text == "")
    elif isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None:
        zoned = column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
        wall = pl.repeat(None, len(column), dtype=pl.Datetime("us"), eager=True)
        missing = column.is_null()
    elif column.dtype in (pl.Date, pl.Datetime):
        wall = column.cast(pl.Datetime("us"))
        zoned = pl.repeat(None, len(column), dtype=INSTANT, eager=True)
        missing = column.is_null()
    else:
        nothing = pl.repeat(None, len(column), dtype=INSTANT, eager=True)
        return nothing, pl.repeat(NOT_A_TIME, len(column), dtype=pl.String, eager=True)
    frame = pl.DataFrame({"wall": wall, "zoned": zoned, "missing": missing})
    taken: Literal["earliest", "latest"] = "latest" if ambiguous == "latest" else "earliest"
    local = pl.col("wall").dt.replace_time_zone(timezone, ambiguous=taken, non_existent="null")
    strict = pl.col("wall").dt.replace_time_zone(timezone, ambiguous="null", non_existent="null")
    frame = frame.with_columns(local=local, strict=strict)
    doubtful = pl.col("strict").is_null() & pl.lit(ambiguous == "reject")
    found = frame.select(
        instant=pl.coalesce("zoned", pl.when(~doubtful).then(pl.col("local").dt.convert_time_zone("UTC"))),
        reason=pl.when("missing")
        .then(pl.lit(MISSING))
        .when(pl.col("wall").is_null())
        .then(pl.lit(NOT_A_TIME))
        .when(pl.col("local").is_null())
        .then(pl.lit(SKIPPED))
        .otherwise(pl.lit(REPEATED)),
    )
    instant = found["instant"]
    reason = found.select(pl.when(pl.col("instant").is_null()).then("reason"))["reason"]
    return instant, reason


def _parse(text: pl.Series, format: str) -> tuple[pl.Series, pl.Series]:
    """Stamps without a zone, and instants of those with one."""
    if format:
        has_zone = "%z" in format or "%:z" in format
        parsed = text.str.to_datetime(format, time_unit="us", strict=False)
        nothing = pl.repeat(None, len(text), eager=True)
        if has_zone:
            return nothing.cast(pl.Datetime("us")), parsed.dt.convert_time_zone("UTC")
        return parsed, nothing.cast(INSTANT)
    plain = pl.col("text").str.replace(r"^(\d{4})[-/](\d\d?)[-/](\d\d?)(?:[T ]+|$)", "$1-$2-$3 ")
    plain = plain.str.strip_chars()
    frame = pl.DataFrame({"text": text}).with_columns(text=plain)
    zone = pl.when(pl.col("text").str.len_bytes() > 10).then(pl.col("text").str.extract(_ZONE))
    frame = frame.with_columns(zone=zone)
    if frame["zone"].null_count() < frame.height:
        frame = frame.with_columns(text=pl.col("text").str.replace(_ZONE, "").str.strip_chars())
    stamp = pl.coalesce(
        pl.col("text").str.to_datetime(format, time_unit="us", strict=False) for format in _FORMATS
    )
    digits = pl.col("zone").str.replace(":", "")
    minutes = digits.str.slice(1, 2).cast(pl.Int64, strict=False) * 60 + digits.str.slice(3, 2).cast(
        pl.Int64, strict=False
    )
    signed = pl.when(digits.str.starts_with("-")).then(-minutes).otherwise(minutes).fill_null(0)
    zoned = pl.when(pl.col("zone").is_not_null()).then(stamp - pl.duration(minutes=signed))
    found = frame.select(
        wall=pl.when(pl.col("zone").is_null()).then(stamp), zoned=zoned.dt.replace_time_zone("UTC")
    )
    return found["wall"], found["zoned"]
