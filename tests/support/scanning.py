"""Every byte that a folder holds, also of what is packed or lies in a database; and what to look for."""

from __future__ import annotations

import base64
import binascii
import html
import io
import json
import re
import sqlite3
import struct
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import polars as pl

SQLITE, PARQUET, GZIP, ZSTD, ZIP = (
    b"SQLite format 3\0",
    b"PAR1",
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"PK\x03\x04",
)
IPC = b"\xff\xff\xff\xff"
DEEPEST = 5
_STREAM = re.compile(rb"\x1f\x8b\x08|\x28\xb5\x2f\xfd|\x78[\x01\x5e\x9c\xda]")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{32,}={0,2}")
_PACKED = (SQLITE, PARQUET, GZIP, ZSTD, ZIP, b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Each file's name and bytes, and once more what lies inside packed ones and in databases."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        yield name, name.encode()
        if path.is_file():
            raw = path.read_bytes()
            yield name, raw
            yield from inside(name, raw, path)


def inside(name: str, raw: bytes, path: Path | None = None, depth: int = 1) -> Iterator[tuple[str, bytes]]:
    """What is packed in ``raw``, and in that again; ``path`` is where a database lies with its log."""
    for within, data in _unpacked(raw, path):
        yield f"{name} {within}", data
        if depth < DEEPEST:
            yield from inside(f"{name} {within}", data, None, depth + 1)


def _unpacked(raw: bytes, path: Path | None) -> Iterator[tuple[str, bytes]]:
    if raw.startswith(PARQUET):
        yield "unpacked", cells(pl.read_parquet(io.BytesIO(raw)))
    elif raw.startswith(IPC):
        try:
            yield "frame", cells(pl.read_ipc_stream(io.BytesIO(raw)))
        except pl.exceptions.PolarsError:
            return
    elif raw.startswith(SQLITE):
        yield from _rows(raw, path)
    elif raw.startswith(ZIP):
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            for each in packed.infolist():
                yield each.filename, each.filename.encode() + each.comment
                yield each.filename, packed.read(each)
    else:
        yield from ((f"inflated at {at}", data) for at, data in _streams(raw))
        for found in _BASE64.finditer(raw):
            text = found[0].rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
            data = base64.b64decode(text[: len(text) // 4 * 4])
            if data.startswith(_PACKED):
                yield f"base64 at {found.start()}", data


def _rows(raw: bytes, path: Path | None) -> Iterator[tuple[str, bytes]]:
    """The rows of a database; each blob by itself, too, for it may be packed."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro" if path else ":memory:", uri=True)) as database:
        if path is None:
            database.deserialize(raw)
        database.text_factory = bytes
        tables = [
            t.decode() for (t,) in database.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        for table in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):
                yield table, b"\n".join(_bytes(cell) for cell in row)
                yield from (
                    (f"{table} blob", cell) for cell in row if isinstance(cell, bytes) and len(cell) > 16
                )


def _streams(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """What is compressed anywhere in ``raw``: gzip, zlib, Zstandard; and a bare stream from the beginning."""
    starts = [found.start() for found in _STREAM.finditer(raw)]
    for at in starts:
        if raw.startswith(ZSTD, at):
            import pyarrow

            try:
                yield at, pyarrow.input_stream(io.BytesIO(raw[at:]), compression="zstd").read()
            except OSError:
                continue
        else:
            try:
                data = zlib.decompressobj(47).decompress(raw[at:])
            except zlib.error:
                continue
            if data:
                yield at, data
    try:
        yield 0, zlib.decompressobj(-15).decompress(raw)
    except zlib.error:
        return


def cells(frame: pl.DataFrame) -> bytes:
    return b"\n".join(_bytes(cell) for row in frame.iter_rows() for cell in row)


def _bytes(cell: object) -> bytes:
    return cell if isinstance(cell, bytes) else str(cell).encode()


def forms(secret: str | float) -> set[bytes]:
    """What a text (of six characters or more) or a number looks like wherever it may lie."""
    if isinstance(secret, float):
        return {str(secret).encode(), struct.pack("<d", secret), struct.pack(">d", secret)}
    found = {
        secret.encode("utf-32-le"),
        json.dumps(secret)[1:-1].encode(),
        urllib.parse.quote(secret).encode(),
        urllib.parse.quote_plus(secret).encode(),
        html.escape(secret).encode(),
        secret.lower().encode(),
        secret.upper().encode(),
    }
    for raw in (secret.encode(), secret.encode("utf-16-le"), secret.encode("utf-16-be")):
        found |= {raw, binascii.hexlify(raw), binascii.hexlify(raw).upper()}
        for shift in range(3):
            # Only the characters that the text alone decides, wherever it begins.
            coded = base64.b64encode(b"\0" * shift + raw)
            sure = coded[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
            found |= {sure, sure.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def found_in(
    parts: Iterable[tuple[str, bytes]], secrets: Iterable[str | float | bytes]
) -> list[tuple[str, bytes]]:
    """Where any form of any secret lies; ``bytes`` are looked for as they are."""
    needles = [x for each in secrets for x in ([each] if isinstance(each, bytes) else sorted(forms(each)))]
    seen: set[bytes] = set()
    hits = []
    for name, data in parts:
        digest = sha256(data).digest()
        if digest not in seen:
            hits += [(name, needle) for needle in needles if needle in data]
        if len(data) > 64:
            seen.add(digest)
    return hits
