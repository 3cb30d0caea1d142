"""The bytes of a dataset that are hashed, whatever file format keeps them.

The rows of an append are ordered by ``known_at``, then by their keys, then by the time they claim, and cut
into chunks of at most 256. A chunk is a text header and one block of bytes per column::

    foreseal rows v1
    series 256
    str unique_id
    time ds
    float y
    time known_at
    time? claimed_at
    str source
    str quality
    str flags
    (empty line)

The second line names the part and the number of rows, the others the type and name of each column; every
line ends in LF. Numbers are little-endian. Blocks follow in the same order:

    time    int64, microseconds since 1970-01-01T00:00:00Z
    int     int64
    float   float64 (IEEE 754); never NaN, never negative zero
    bool    one byte, 0 or 1
    str     the lengths in bytes of all rows as uint32, then their UTF-8 texts one after the other

A type with ``?`` may be empty: its block starts with one byte per row, 1 where there is a value, and an empty
row then holds 0 or a text of length 0.

A chunk is a leaf of an RFC 6962 tree, one tree per append. What was known at a cutoff is a prefix of these
rows, so its tree has the same leaves up to the last chunk, which is encoded from the rows inside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import polars as pl

from foreseal.clock import to_us
from foreseal.errors import Malformed
from foreseal.store.schema import DTYPES, Part

CHUNK_ROWS = 256
MAGIC = "foreseal rows v1"

_BLOCK = 2048 * CHUNK_ROWS  # rows encoded at a time: bounds the memory of a large append
_FEW = 4096  # below this, a loop over texts is faster than starting a query
_NUMBERS = {"int": "<i8", "time": "<i8", "float": "<f8", "bool": "u1"}
_WIDTHS = {pl.Int64: "<i8", pl.Datetime: "<i8", pl.Float64: "<f8", pl.Boolean: "u1"}


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of one append, sorted by keys and claimed time, in the order in which they are encoded."""
    known = rows["known_at"]
    return rows if known.is_sorted() else rows[np.argsort(known.to_numpy(), kind="stable")]


def encode(rows: pl.DataFrame, part: Part) -> Iterator[bytes]:
    """The chunks of ``rows``, which must be :func:`in_order`."""
    return _encode(rows, part, b"")


def decode(chunk: bytes, part: Part) -> pl.DataFrame:
    """Rows of a chunk. Raises `Malformed` unless :func:`encode` gives the same bytes for them."""
    try:
        frame = _decode(chunk, part)
        again = b"".join(encode(frame, part))
    except (ValueError, IndexError, pl.exceptions.PolarsError) as error:
        raise Malformed(f"these bytes are not a chunk of {part.name}: {error}") from error
    if again != chunk:
        raise Malformed(f"a chunk of {part.name} is not written in its one proper form.")
    return frame


@dataclass(frozen=True, slots=True)
class Leaves:
    """Leaf hashes of an append, and where its chunks begin and end on the axis of ``known_at``.

    ``first`` and ``last`` are the ``known_at`` (µs) of each chunk's first and last row, and ``before`` counts
    the rows of earlier chunks that share ``first``, so that one chunk's rows can be found again.
    """

    hashes: tuple[bytes, ...]
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    before: npt.NDArray[np.int64]

    @classmethod
    def of(cls, rows: pl.DataFrame, part: Part) -> Leaves:
        """Of the rows of an append, which must be :func:`in_order`."""
        known = rows["known_at"].to_numpy().view("i8")
        starts = np.arange(0, len(known), CHUNK_ROWS)
        first = known[starts]
        last = known[np.minimum(starts + CHUNK_ROWS, len(known)) - 1]
        before = starts - np.searchsorted(known, first, side="left")
        hashes = tuple(sha256(leaf).digest() for leaf in _encode(rows, part, b"\x00"))
        return cls(hashes, first, last, before.astype(np.int64))

    def whole_before(self, cutoff: datetime) -> int:
        """How many chunks lie wholly at or before ``cutoff``."""
        return int(np.searchsorted(self.last, to_us(cutoff), side="right"))

    def to_blobs(self) -> tuple[bytes, bytes]:
        """Hashes, and positions as int64 triples."""
        positions = np.stack([self.first, self.last, self.before], axis=1).astype("<i8")
        return b"".join(self.hashes), positions.tobytes()

    @classmethod
    def from_blobs(cls, hashes: bytes, positions: bytes) -> Leaves:
        """Inverse of :meth:`to_blobs`."""
        first, last, before = np.frombuffer(positions, "<i8").reshape(-1, 3).T
        return cls(tuple(hashes[i : i + 32] for i in range(0, len(hashes), 32)), first, last, before)


def _encode(rows: pl.DataFrame, part: Part, prefix: bytes) -> Iterator[bytes]:
    """Each chunk behind ``prefix``; a whole block of columns is turned into bytes and then cut."""
    whole = prefix + _header(part, CHUNK_ROWS)
    for start in range(0, rows.height, _BLOCK):
        block = rows.slice(start, _BLOCK)
        cuts = np.minimum(np.arange(0, block.height + CHUNK_ROWS, CHUNK_ROWS), block.height)
        columns = []
        for name in part.columns:
            for data, ends in _bytes_of(block[name], name in part.nullable):
                if len(data):
                    places = ends[cuts].tolist()
                    columns.append([data[a:b] for a, b in itertools.pairwise(places)])
        for index, pieces in enumerate(zip(*columns, strict=True)):
            size = int(cuts[index + 1] - cuts[index])
            yield b"".join((whole if size == CHUNK_ROWS else prefix + _header(part, size), *pieces))


def _header(part: Part, rows: int) -> bytes:
    columns = (f"{kind}{'?' * (name in part.nullable)} {name}" for name, kind in part.columns.items())
    return "\n".join([MAGIC, f"{part.name} {rows}", *columns, "", ""]).encode()


def _bytes_of(column: pl.Series, nullable: bool) -> list[tuple[memoryview, npt.NDArray[np.int64]]]:
    """Blocks of a column: the bytes, and the position in them before each row (and after the last)."""
    rows = np.arange(len(column) + 1, dtype=np.int64)
    blocks: list[tuple[memoryview, npt.NDArray[np.int64]]] = []
    if nullable:
        blocks.append((memoryview(_validity(column).tobytes()), rows))
    if column.dtype == pl.String:
        lengths, text = _texts(column)
        ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        return [*blocks, (memoryview(lengths.tobytes()), rows * 4), (memoryview(text), ends)]
    values = _numbers(column)
    return [*blocks, (memoryview(values.tobytes()), rows * values.itemsize)]


def _validity(column: pl.Series) -> npt.NDArray[np.uint8]:
    if column.null_count() in (0, len(column)):
        return np.full(len(column), column.null_count() == 0, dtype="u1")
    return column.is_not_null().to_numpy().astype("u1")


def _texts(column: pl.Series) -> tuple[npt.NDArray[np.uint32], bytes]:
    """Lengths in bytes, and all texts one after the other."""
    if len(column) <= _FEW:
        texts = [(text or "").encode() for text in column.to_list()]
        return np.fromiter(map(len, texts), "<u4", len(texts)), b"".join(texts)
    lengths = column.str.len_bytes().fill_null(0).to_numpy().astype("<u4", copy=False)
    return lengths, column.str.join("").item().encode() if lengths.any() else b""


def _numbers(column: pl.Series) -> npt.NDArray[np.generic]:
    if column.null_count() == len(column):
        return np.zeros(len(column), dtype=_WIDTHS[column.dtype.base_type()])
    if column.null_count():
        column = column.to_physical()
        column = column.fill_null(False if column.dtype == pl.Boolean else 0)
    values = column.to_numpy()
    if values.dtype.kind == "M":
        values = values.view("i8")
    return values.astype(_WIDTHS[column.dtype.base_type()], copy=False)


def _decode(chunk: bytes, part: Part) -> pl.DataFrame:
    head, _, body = chunk.partition(b"\n\n")
    rows = int(head.split(b"\n")[1].split()[1])
    if not 0 < rows <= CHUNK_ROWS or head + b"\n\n" != _header(part, rows):
        raise ValueError("its header is wrong")
    position, columns = 0, {}

    def take(size: int) -> bytes:
        nonlocal position
        position += size
        if position > len(body):
            raise ValueError("it is cut short")
        return body[position - size : position]

    for name, kind in part.columns.items():
        valid = np.frombuffer(take(rows), "u1") != 0 if name in part.nullable else None
        if kind == "str":
            lengths = np.frombuffer(take(rows * 4), "<u4")
            column = pl.Series(name, [take(int(length)).decode() for length in lengths], pl.String)
        else:
            width = np.dtype(_NUMBERS[kind]).itemsize
            values = np.frombuffer(take(rows * width), _NUMBERS[kind])
            raw = pl.Series(name, values.astype(bool) if kind == "bool" else values)
            column = raw.cast(DTYPES[kind])
        columns[name] = column if valid is None else column.set(pl.Series(~valid), None)
    if position != len(body):
        raise ValueError("it has bytes left over")
    return pl.DataFrame(columns)
