"""A person's file of series: CSV or Parquet, read as it was meant or refused with column, value and row.

A date such as 02/01/2019 has two readings and nothing in the file says which; only where the other values
leave one reading is it read without being told.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from foreseal.errors import DataError, UsageError

if TYPE_CHECKING:
    import polars as pl

# Day and month before the year, and what follows: a time of day or nothing.
_CLOCK = r"(\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)"
_YEAR_LAST = rf"^\s*(\d{{1,2}})([/.\-])(\d{{1,2}})[/.\-](\d{{2}}|\d{{4}})(?:[T ]+{_CLOCK})?\s*$"
_ISO = r"^\s*\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?\s*$"
_MONTH = r"^\s*\d{4}-\d{2}\s*$"
_THOUSANDS = r"^-?\d{1,3},\d{3}$"
_YEARS = (1000, 2999)
_WRITE_ISO = "Write dates as 2019-01-31, or say how they are written, such as --date-format %m/%d/%Y."


def read_series(
    file: Path, *, id_col: str, time_col: str, target_col: str, date_format: str = ""
) -> pl.DataFrame:
    """The rows of ``file`` with dates in ``time_col`` and numbers in ``target_col``; other columns kept.

    A file without the column ``unique_id`` is one series that is called as the file. Rows are counted from 1,
    below the header. Raises `DataError` naming the column, the first value that cannot be read and its row;
    `UsageError` for a ``date_format`` that is none.
    """
    import polars as pl

    frame = pl.read_parquet(file) if file.suffix.lower() == ".parquet" else _read_csv(file, time_col)
    columns = frame.columns
    if id_col not in columns and id_col == "unique_id":
        frame = frame.with_columns(pl.lit(file.stem).alias("unique_id"))
    absent = [name for name in (time_col, id_col, target_col) if name not in frame.columns]
    if absent:
        raise DataError(
            f"{file} has no column {', '.join(map(repr, absent))}; it has {', '.join(columns) or 'none'}.",
            hint="Name yours with --id, --time and --value.",
        )
    if frame.is_empty():
        raise DataError(f"{file} has no rows below its header.", hint="Give a file with values.")
    return frame.with_columns(_times(frame[time_col], date_format), _values(frame[target_col]))


def _read_csv(file: Path, time_col: str) -> pl.DataFrame:
    """Columns with their types, but the times as they are written; a semicolon or tab may part them."""
    import polars as pl

    with file.open("rb") as stream:
        header = stream.readline()
    bare = re.sub(rb'"[^"]*"', b"", header)
    separator = max(",", ";", "\t", key=lambda each: bare.count(each.encode()))
    try:
        frame = pl.read_csv(
            file,
            separator=separator,
            infer_schema_length=None,
            schema_overrides={time_col: pl.String},
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{file} cannot be read as CSV: {str(error).splitlines()[0]}.",
            hint="Save it as CSV in UTF-8, one header line above the rows.",
        ) from error
    if separator != ";":
        return frame
    return frame.with_columns(_decimal_commas(column) for column in frame.iter_columns())


def _decimal_commas(column: pl.Series) -> pl.Series:
    """A column of 12,5 as numbers; unchanged where the comma may part thousands or there is text."""
    import polars as pl

    if column.dtype != pl.String or not column.str.contains(",", literal=True).any():
        return column
    with_comma = column.filter(column.str.contains(",", literal=True)).str.strip_chars()
    numbers = column.str.strip_chars().str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    doubted = bool(with_comma.str.contains(_THOUSANDS).all())
    return column if doubted or numbers.null_count() > column.null_count() else numbers


def _times(column: pl.Series, date_format: str) -> pl.Series:
    """Dates or times of a column of text, of years, or of dates already."""
    import polars as pl

    name = column.name
    if column.dtype.is_integer() or column.dtype.is_temporal():
        if not column.dtype.is_integer() or not column.drop_nulls().is_between(*_YEARS).all():
            return column
        column = column.cast(pl.String)
    if column.dtype != pl.String:
        return column
    written = column.drop_nulls()
    if date_format:
        return _by_format(column, date_format)
    if written.is_empty():
        raise DataError(f"Column {name!r} holds no dates or times.", hint=_WRITE_ISO)
    if written.str.contains(r"^\s*[12]\d{3}\s*$").all():
        return (column.str.strip_chars() + "-01-01").str.to_date("%Y-%m-%d").alias(name)
    if written.str.contains(_MONTH).all():
        return _parsed(column, (column.str.strip_chars() + "-01").str.to_date("%Y-%m-%d", strict=False))
    if written.str.contains(_YEAR_LAST).any():
        return _year_last(column)
    return _iso(column)


def _iso(column: pl.Series) -> pl.Series:
    import polars as pl

    found = pl.read_csv(
        column.to_frame().write_csv().encode(), try_parse_dates=True, infer_schema_length=None
    )[column.name]
    if found.dtype.is_temporal() and not isinstance(found.dtype, pl.Time):
        return found
    odd = ~column.str.contains(_ISO) & column.is_not_null()
    raise _unread(column, odd if odd.any() else column.is_not_null(), "a date or time")


def _year_last(column: pl.Series) -> pl.Series:
    """01/31/2019 or 31.01.2019: the order that all values allow. Raises `DataError` if both or neither do."""
    import polars as pl

    odd = ~column.str.contains(_YEAR_LAST) & column.is_not_null()
    if odd.any():
        raise _unread(column, odd, "a date as the others are")
    found = column.to_frame("text").select(
        "text",
        first=pl.col("text").str.extract(_YEAR_LAST, 1).str.zfill(2),
        second=pl.col("text").str.extract(_YEAR_LAST, 3).str.zfill(2),
        year=pl.col("text").str.extract(_YEAR_LAST, 4),
        clock=pl.col("text").str.extract(_YEAR_LAST, 5),
    )
    short = found.filter(pl.col("year").str.len_chars() == 2)
    if not short.is_empty():
        raise DataError(
            f"Column {column.name!r} holds {short['text'][0]!r}, a date with a year of two digits.",
            hint="Write dates as 2019-01-31, or say how they are written, such as --date-format %m/%d/%y.",
        )
    late_first = found.filter(pl.col("first") > "12")
    late_second = found.filter(pl.col("second") > "12")
    if not late_first.is_empty() and not late_second.is_empty():
        raise DataError(
            f"Column {column.name!r} holds {late_first['text'][0]!r} and {late_second['text'][0]!r}: no one "
            f"order of day and month reads both.",
            hint="Write dates as 2019-01-31.",
        )
    differing = found.filter(pl.col("first") != pl.col("second"))
    if late_first.is_empty() and late_second.is_empty() and not differing.is_empty():
        row = differing.row(0, named=True)
        raise DataError(
            f"Column {column.name!r} holds {row['text']!r}, which may be {row['year']}-{row['first']}-"
            f"{row['second']} or {row['year']}-{row['second']}-{row['first']}; no value of it says which.",
            hint=_WRITE_ISO,
        )
    month, day = ("second", "first") if not late_first.is_empty() else ("first", "second")
    date = pl.concat_str("year", month, day, separator="-")
    if found["clock"].null_count() == found.height:
        read = found.select(date.str.to_date("%Y-%m-%d", strict=False)).to_series()
    else:
        clock = pl.col("clock").fill_null("0:00").str.zfill(5)
        clock = pl.when(clock.str.count_matches(":") == 1).then(clock + ":00").otherwise(clock)
        read = found.select(
            (date + " " + clock).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
        ).to_series()
    return _parsed(column, read)


def _by_format(column: pl.Series, date_format: str) -> pl.Series:
    import polars as pl

    timed = any(each in date_format for each in ("%H", "%I", "%T", "%R", "%r", "%s", "%X", "%c", "%+"))
    try:
        text = column.str.strip_chars()
        read = (
            text.str.to_datetime(date_format, time_unit="us", strict=False)
            if timed
            else text.str.to_date(date_format, strict=False)
        )
    except pl.exceptions.PolarsError as error:
        raise UsageError(
            f"--date-format {date_format!r} is none: {str(error).splitlines()[0]}", hint="%m/%d/%Y is one."
        ) from error
    return _parsed(column, read, repr(date_format))


def _parsed(column: pl.Series, read: pl.Series, what: str = "a date") -> pl.Series:
    """``read`` under the column's name, if nothing was lost."""
    lost = read.is_null() & column.is_not_null()
    if lost.any():
        raise _unread(column, lost, what)
    return read.alias(column.name)


def _values(column: pl.Series) -> pl.Series:
    import polars as pl

    if column.dtype != pl.String:
        return column
    numbers = column.str.strip_chars().cast(pl.Float64, strict=False)
    lost = numbers.is_null() & column.is_not_null()
    if lost.any():
        raise _unread(
            column,
            lost,
            "a number",
            "Leave a missing value empty; write a number with a point and without a unit: 12.5.",
        )
    return numbers


def _unread(column: pl.Series, where: pl.Series, what: str, hint: str = _WRITE_ISO) -> DataError:
    row = where.arg_max() or 0
    return DataError(f"Column {column.name!r} holds {column[row]!r} in row {row + 1}, not {what}.", hint=hint)
