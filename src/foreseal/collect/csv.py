"""Comma-separated text: plain or gzip, read as text so that every bad cell can be named by its line."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import polars as pl

from foreseal.collect.columns import Columns
from foreseal.collect.salvage import salvage
from foreseal.collect.source import Batch, Context
from foreseal.errors import DataError, SetupError
from foreseal.records import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvSource(Columns):
    """``source = "csv"``: a header line and a record per line (RFC 4180); ``.gz`` is unpacked.

    A row is numbered by the line on which it begins. ``decimal`` is the decimal sign of numbers.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."

    def read(self, context: Context) -> Iterator[Batch]:
        for path, name in self.named(context):
            table, line, bad = self._table(path, name)
            for batch in self.batches(table, line, context, name, self.decimal):
                yield replace(batch, rejected=(*bad, *batch.rejected)) if bad else batch
                bad = ()

    def _table(self, path: Path, name: str) -> tuple[pl.DataFrame, pl.Series, tuple[Rejected, ...]]:
        data = self._text(path, name)
        if not data.strip():
            raise DataError(f"{name} is empty.", hint="It needs a header line and at least one row.")
        if self.delimiter not in data[: data.find(b"\n")].decode():
            self._check_delimiter(data, name)
        bad: tuple[Rejected, ...] = ()
        try:
            table = pl.read_csv(data, infer_schema=False, separator=self.delimiter)
            line = _lines(table, data)
        except (pl.exceptions.PolarsError, ValueError):
            table, line, bad = self._salvaged(data, name)
        if table.is_empty():
            raise DataError(f"{name} has 0 rows.", hint="It has a header line and nothing below it.")
        filled = table.select(pl.any_horizontal(pl.all().is_not_null())).to_series()
        if not filled.all():  # empty lines are no rows
            table, line = table.filter(filled), line.filter(filled)
        return _stripped(table, name), line, bad

    def _salvaged(self, data: bytes, name: str) -> tuple[pl.DataFrame, pl.Series, tuple[Rejected, ...]]:
        """The lines that can be read, and the others."""
        found = salvage(data, self.delimiter)
        bad = tuple(Rejected(name, line, "", text, reason) for line, text, reason in found.bad)
        try:
            table = pl.read_csv(found.text, infer_schema=False, separator=self.delimiter)
        except (pl.exceptions.PolarsError, ValueError):
            table = pl.DataFrame()
        if table.height != len(found.lines) or table.is_empty():
            what = f": line {bad[0].row}: {bad[0].reason}." if bad else "."
            raise DataError(
                f"{name} cannot be read as CSV with the delimiter {self.delimiter!r}{what}",
                hint='Set delimiter = ";" (or what it is) if that is wrong; check for unbalanced quotes.',
            )
        return table, pl.Series("row", found.lines, pl.Int64), bad

    def _text(self, path: Path, name: str) -> bytes:
        """The file's text in UTF-8, without a byte order mark."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise SetupError(
                f"{name}: {error.strerror}.", hint="See to the disk or the permissions."
            ) from None
        if data.startswith(b"\x1f\x8b"):
            try:
                data = gzip.decompress(data)
            except (OSError, EOFError, zlib.error) as error:
                raise DataError(f"{name} is damaged: {error}.", hint="Fetch the file again.") from error
        if self.encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
            if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise DataError(f"{name} is UTF-16.", hint='Set encoding = "utf-16".')
            data = data.removeprefix(codecs.BOM_UTF8)
            try:
                data.decode()
            except UnicodeDecodeError as error:
                line = data.count(b"\n", 0, error.start) + 1
                raise DataError(
                    f"{name} is not UTF-8: byte 0x{data[error.start]:02x} in line {line}.",
                    hint='Set encoding = "cp1252" (Windows) or "latin-1", or what it is.',
                ) from error
            return data
        try:
            return data.decode(self.encoding).removeprefix("\ufeff").encode()
        except LookupError:
            raise DataError(f"There is no encoding {self.encoding!r}.", hint="Try 'cp1252'.") from None
        except UnicodeDecodeError as error:
            raise DataError(f"{name} is not {self.encoding}: byte {error.start}, {error.reason}.") from error

    def _check_delimiter(self, data: bytes, name: str) -> None:
        """A header without the delimiter, but with another that is common, was written with that one."""
        header = data[: data.find(b"\n")].decode()
        likely = max(";\t|,", key=header.count)
        count = header.count(likely)
        if count:
            raise DataError(
                f"The header of {name} has no {self.delimiter!r} but {count} times {likely!r}.",
                hint=f"Set delimiter = {likely!r}.".replace("'", '"'),
            )


def _stripped(table: pl.DataFrame, name: str) -> pl.DataFrame:
    """``table`` without spaces around its columns' names. Raises `DataError` if two are then one."""
    names = [column.strip() for column in table.columns]
    for k, column in enumerate(names):
        if (first := names.index(column)) < k:
            raise DataError(
                f"Columns {first + 1} and {k + 1} of {name} have one name.",
                hint="Spaces around a name do not count. Does its first line name the columns?",
            )
    return table.rename(dict(zip(table.columns, names, strict=True)))


def _lines(table: pl.DataFrame, data: bytes) -> pl.Series:
    """The line on which each row begins: the header is line 1, and quoted cells may hold line breaks."""
    line = pl.int_range(2, table.height + 2, eager=True).alias("row")
    if b'"' not in data:
        return line
    breaks = table.select(pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True)).alias("b"))["b"]
    header = sum(column.count("\n") for column in table.columns)
    return line + header + breaks.cast(pl.Int64).cum_sum().shift(1, fill_value=0)
