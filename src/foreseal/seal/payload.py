"""Payloads: canonical CSV, addressed by the SHA-256 of its exact bytes.

UTF-8 in normal form C, lines end with LF, a fixed header, no control characters; a cell is quoted only if it
holds a comma or a quote. Rows are in the order of their key columns, text by its UTF-8 bytes and instants by
time, and no key appears twice. Numbers are decimal strings with a declared number of decimals. A table has
one spelling, so bytes that decode print back the same.
"""

from __future__ import annotations

import itertools
import operator
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from foreseal.clock import parse_instant
from foreseal.errors import Malformed, Tampered, UsageError
from foreseal.exact import parse_decimals, parse_values
from foreseal.seal.disk import read_file, write_file
from foreseal.seal.schema import MAX_PAYLOAD, MAX_PAYLOAD_ROWS

Row = tuple[Any, ...]
Reader = Callable[[Sequence[str]], list[Any]]

THROUGHOUT = datetime.min.replace(tzinfo=UTC)
"""What an empty ``ds`` of a decision reads as: the value holds throughout."""

_COPY = (
    "Every backup and all evidence of this log have a copy under payload/sha256/: put it back. "
    "`foreseal doctor` names all that is damaged."
)
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: how its cells are read, all at once, and (for keys) ordered. ``read`` raises `Malformed`."""

    name: str
    read: Reader


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The columns of one kind of payload; the first ``keys`` of them identify and order a row."""

    name: str
    columns: tuple[Column, ...]
    keys: int
    ascending: bool = False
    """Whether the columns after the keys never descend from left to right, as quantiles do."""

    @property
    def header(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def encode(self, rows: Iterable[Sequence[str]]) -> bytes:
        """Canonical bytes of rows of cells, which may come in any order."""
        table = [tuple(row) for row in rows]
        _check_rows(len(table))
        values = self._read(table)
        order = sorted(range(len(table)), key=lambda i: values[i][: self.keys])
        self._check_order([values[i] for i in order])
        data = write_csv((self.header, *(table[i] for i in order)))
        if len(data) > MAX_PAYLOAD:
            raise Malformed(f"a {self.name} payload has {len(data)} bytes; the limit is {MAX_PAYLOAD}.")
        return data

    def decode(self, data: bytes) -> list[Row]:
        """Rows of values; `Malformed` for anything but the bytes that :meth:`encode` gives."""
        header, found = ",".join(self.header), data.partition(b"\n")[0]
        if found != header.encode():
            shown = found[:200].decode(errors="replace")
            raise Malformed(f"a {self.name} payload has the header {shown!r}, not {header!r}.")
        table = read_csv(data, len(self.columns))
        values = self._read(table[1:])
        self._check_order(values)
        return values

    def _read(self, table: Sequence[Sequence[str]]) -> list[Row]:
        width = len(self.columns)
        widths = list(map(len, table))
        if widths.count(width) != len(table):
            number, other = next((n, other) for n, other in enumerate(widths, start=1) if other != width)
            raise Malformed(f"row {number} of a {self.name} payload has {other} cells, not {width}.")
        cells = zip(*table, strict=True) if table else [()] * width
        columns = [self._read_column(column, each) for column, each in zip(self.columns, cells, strict=True)]
        for before, after in itertools.pairwise(columns[self.keys :] if self.ascending else ()):
            crossed = list(map(operator.gt, before, after))
            if True in crossed:
                number = crossed.index(True) + 1
                raise Malformed(f"row {number} of a {self.name} payload: its quantiles cross.")
        return list(zip(*columns, strict=True))

    def _read_column(self, column: Column, cells: Sequence[str]) -> list[Any]:
        try:
            return column.read(cells)
        except Malformed:
            for number, cell in enumerate(cells, start=1):
                try:
                    column.read((cell,))
                except Malformed as error:
                    raise Malformed(f"row {number} of a {self.name} payload: {error.message}") from None
            raise

    def _check_order(self, values: Sequence[Row]) -> None:
        keys = [value[: self.keys] for value in values]
        wrong = list(map(operator.ge, keys, keys[1:]))
        if True in wrong:
            at = wrong.index(True)
            what = "appears twice" if keys[at] == keys[at + 1] else "is out of order"
            raise Malformed(f"row {at + 2} of a {self.name} payload {what}.")


@lru_cache(maxsize=256)
def forecast_series(levels: tuple[str, ...], decimals: int) -> Layout:
    """``unique_id,ds,q0.05,...``: quantiles at ascending levels, as the target declares them."""
    quantiles = tuple(Column(f"q{level}", _values(decimals)) for level in levels)
    return Layout("forecast", (_ID, _DS, *quantiles), 2, ascending=True)


@lru_cache(maxsize=256)
def forecast_cases(decimals: int) -> Layout:
    """``case_id,p``: the probability of the positive label."""
    return Layout("forecast", (_CASE, Column("p", _probabilities(decimals))), 1)


@lru_cache(maxsize=256)
def outcome_series(decimals: int) -> Layout:
    """``unique_id,ds,y,known_at``."""
    return Layout("outcome", (_ID, _DS, Column("y", _values(decimals)), _KNOWN), 2)


@lru_cache(maxsize=256)
def outcome_cases() -> Layout:
    """``case_id,y,known_at`` with a label of 0 or 1."""
    return Layout("outcome", (_CASE, Column("y", _labels), _KNOWN), 1)


@lru_cache(maxsize=256)
def score_series(digits: int) -> Layout:
    """``forecaster,unique_id,ds,score``."""
    return Layout("score", (_FORECASTER, _ID, _DS, Column("score", _decimals(digits))), 3)


@lru_cache(maxsize=256)
def score_cases(digits: int) -> Layout:
    """``forecaster,case_id,score``."""
    return Layout("score", (_FORECASTER, _CASE, Column("score", _decimals(digits))), 2)


@lru_cache(maxsize=256)
def schedule() -> Layout:
    """``seq,cutoff``: the cutoffs of a target, counted from 0."""
    return Layout("schedule", (Column("seq", _seqs), Column("cutoff", _instants)), 1)


@lru_cache(maxsize=256)
def decision() -> Layout:
    """``option,ds,key,value,unit``; ``ds`` is empty for a value that holds throughout."""
    columns = (Column("option", _keys), Column("ds", _instants_or_empty), Column("key", _keys))
    return Layout("decision", (*columns, Column("value", list), Column("unit", list)), 3)


def write_csv(table: Iterable[Sequence[str]]) -> bytes:
    """Canonical CSV of a header and rows of cells."""
    try:
        return _spelled(table).encode()
    except UnicodeEncodeError:
        raise Malformed("a payload holds half of a surrogate pair.") from None


def read_csv(data: bytes, width: int) -> list[tuple[str, ...]]:
    """Header and rows of ``width`` cells; `Malformed` unless :func:`write_csv` gives these bytes.

    Numbers are compared before anything is taken apart: a cell takes many times its bytes.
    """
    if len(data) > MAX_PAYLOAD:
        raise Malformed(f"a payload has {len(data)} bytes; the limit is {MAX_PAYLOAD}.")
    rows = data.count(b"\n") - 1
    _check_rows(rows)
    if b'"' not in data and data.count(b",") != (width - 1) * (rows + 1):
        raise Malformed(f"a payload does not have {width} cells in every row.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("a payload is not UTF-8.") from None
    lines = text.split("\n")
    if len(lines) < 2 or lines[-1]:
        raise Malformed("a payload does not end with a newline.")
    del lines[-1]
    if '"' not in text:
        # Then cells are what lies between commas, and print back the same.
        _check_text(text, len(lines))
        return [tuple(line.split(",")) for line in lines]
    table = [tuple(_cells(line, width)) for line in lines]
    if _spelled(table) != text:
        raise Malformed("a payload is not in its canonical form.")
    return table


def _check_rows(rows: int) -> None:
    if rows > MAX_PAYLOAD_ROWS:
        raise Malformed(f"a payload has {rows} rows; the limit is {MAX_PAYLOAD_ROWS}.")


def _spelled(table: Iterable[Sequence[str]]) -> str:
    lines = [",".join(map(_quote, row)) + "\n" for row in table]
    text = "".join(lines)
    _check_text(text, len(lines))
    return text


def _check_text(text: str, lines: int) -> None:
    if text.count("\n") != lines or _CONTROL.search(text):
        raise Malformed("a payload holds a control character.")


def _quote(cell: str) -> str:
    if '"' in cell or "," in cell:
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _cells(line: str, width: int) -> list[str]:
    # Each cell is taken as it could only have been written; the caller compares what it prints to.
    if '"' not in line:
        return line.split(",", width)
    cells: list[str] = []
    rest = line
    while len(cells) <= width:
        if rest.startswith('"'):
            end = 1
            while (end := rest.find('"', end)) >= 0 and rest[end + 1 : end + 2] == '"':
                end += 2
            if end < 0:
                raise Malformed("a payload has a quote that never ends.")
            cells.append(rest[1:end].replace('""', '"'))
            rest = rest[end + 1 :]
            if rest and not rest.startswith(","):
                raise Malformed("a payload has text after a quoted cell.")
        else:
            cell = rest.partition(",")[0]
            cells.append(cell)
            rest = rest[len(cell) :]
        if not rest:
            break
        rest = rest[1:]
    return cells


def _keys(cells: Sequence[str]) -> list[bytes]:
    if "" in cells:
        raise Malformed("a key is empty.")
    return [cell.encode("utf-8", "surrogatepass") for cell in cells]


@lru_cache(maxsize=1 << 14)
def _instant(cell: str) -> datetime:
    try:
        return parse_instant(cell)
    except UsageError as error:
        raise Malformed(error.message) from None


def _instants(cells: Sequence[str]) -> list[datetime]:
    return list(map(_instant, cells))


def _instants_or_empty(cells: Sequence[str]) -> list[datetime]:
    return [_instant(cell) if cell else THROUGHOUT for cell in cells]


def _seqs(cells: Sequence[str]) -> list[int]:
    return parse_decimals(cells, 0)


def _labels(cells: Sequence[str]) -> list[int]:
    for cell in cells:
        if cell not in ("0", "1"):
            raise Malformed(f"{cell[:40]!r} is not a label; a label is 0 or 1.")
    return list(map(int, cells))


def _decimals(decimals: int) -> Reader:
    return lambda cells: parse_decimals(cells, decimals)


def _values(decimals: int) -> Reader:
    return lambda cells: parse_values(cells, decimals)


def _probabilities(decimals: int) -> Reader:
    def read(cells: Sequence[str]) -> list[int]:
        values = parse_decimals(cells, decimals)
        for cell, value in zip(cells, values, strict=True):
            if not 0 <= value <= 10**decimals:
                raise Malformed(f"{cell!r} is not a probability.")
        return values

    return read


_ID = Column("unique_id", _keys)
_DS = Column("ds", _instants)
_CASE = Column("case_id", _keys)
_KNOWN = Column("known_at", _instants)
_FORECASTER = Column("forecaster", _keys)


@dataclass(frozen=True, slots=True)
class Payloads:
    """The payloads of a log: ``payload/sha256/<hex>`` in its folder."""

    folder: Path

    def path(self, digest: str) -> Path:
        """Where the payload with this SHA-256 (hexadecimal) lies."""
        return self.folder / "payload" / "sha256" / digest

    def put(self, data: bytes) -> dict[str, str | int]:
        """Store the bytes durably; returns ``{"sha256": ..., "size": ...}`` as an entry refers to them.

        Text must be in Unicode normal form C. Readers do not ask for that: versions of Unicode differ in it.
        """
        if len(data) > MAX_PAYLOAD:
            raise Malformed(f"a payload has {len(data)} bytes; the limit is {MAX_PAYLOAD}.")
        if not data.isascii() and not unicodedata.is_normalized("NFC", data.decode(errors="replace")):
            raise Malformed("a payload is not in Unicode normal form C.")
        digest = sha256(data).hexdigest()
        path = self.path(digest)
        if not path.is_file() or path.read_bytes() != data:
            write_file(path, data)
        return {"sha256": digest, "size": len(data)}

    def get(self, digest: str, size: int) -> bytes:
        """Read a payload. Raises `Tampered` if it is missing or not what the entry refers to."""
        path = self.path(digest)
        try:
            data = read_file(path, MAX_PAYLOAD)
            check_payload(data, digest, size, str(path))
        except Tampered as error:
            code = error.code or "payload-missing"
            raise Tampered(error.message, code=code, hint=_COPY) from None
        except Malformed as error:
            raise Malformed(error.message, code="payload-differs", hint=_COPY) from None
        return data

    def find(self, digest: str) -> bytes:
        """Read a payload whose size no entry states. Raises as :meth:`get`."""
        path = self.path(digest)
        return self.get(digest, path.stat().st_size if path.is_file() else 0)


def check_payload(data: bytes, digest: str, size: int, where: str) -> None:
    """Raise `Tampered` unless these are the ``size`` bytes with this SHA-256 (hexadecimal)."""
    if len(data) != size or sha256(data).hexdigest() != digest:
        raise Tampered(
            f"{where} does not hold the payload of {size} bytes with this digest.", code="payload-differs"
        )
