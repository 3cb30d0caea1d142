"""Every byte that a project's folder holds, also of what is compressed or lies in a database."""

from __future__ import annotations

import io
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl


def everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Each file's name and bytes, and once more what lies inside compressed ones and in databases."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        yield name, name.encode()
        if not path.is_file():
            continue
        raw = path.read_bytes()
        yield name, raw
        if path.suffix == ".parquet":
            yield f"{name} unpacked", cells(pl.read_parquet(path))
        elif raw.startswith(b"SQLite format 3\0"):
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                tables = [t for (t,) in database.execute("SELECT name FROM sqlite_master WHERE type='table'")]
                for table in tables:
                    for row in database.execute(f'SELECT * FROM "{table}"'):
                        yield f"{name} {table}", b"\n".join(_bytes(cell) for cell in row)
                if "hot" in tables:
                    for (frame,) in database.execute("SELECT frame FROM hot"):
                        yield f"{name} hot", cells(pl.read_ipc_stream(io.BytesIO(frame)))
        for wrapped in (31, -15):
            try:
                yield f"{name} inflated", zlib.decompressobj(wrapped).decompress(raw)
            except zlib.error:
                continue


def cells(frame: pl.DataFrame) -> bytes:
    return b"\n".join(_bytes(cell) for row in frame.iter_rows() for cell in row)


def _bytes(cell: object) -> bytes:
    return cell if isinstance(cell, bytes) else str(cell).encode()
