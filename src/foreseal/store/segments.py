"""Immutable Parquet files of settled rows, sorted by key, so that one series lies together.

An empty ``source``, ``quality`` or ``flags`` is null in the file: a column of empty texts costs half as much
time again as all others together.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl

ROW_GROUP = 131_072

_TEXTS = ("source", "quality", "flags")


def write_segment(frame: pl.DataFrame, path: Path) -> int:
    """Write ``frame`` durably and return the size in bytes.

    The file appears under its name complete or not at all, and both file and name survive a power cut once
    this returns.
    """
    partial = path.with_suffix(".partial")
    frame = frame.with_columns(
        pl.when(pl.col(name) != "").then(pl.col(name)) for name in _TEXTS if name in frame.columns
    )
    with partial.open("wb") as file:
        frame.write_parquet(file, compression="zstd", row_group_size=ROW_GROUP)
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
    partial.rename(path)
    sync_folder(path.parent)
    return size


def scan_segments(paths: Sequence[Path], columns: Collection[str]) -> pl.LazyFrame:
    """All rows of the files, lazily; a file that is gone raises `FileNotFoundError` when collected."""
    rows = pl.scan_parquet(list(paths), glob=False, hive_partitioning=False)
    texts = [name for name in _TEXTS if name in columns]
    return rows.with_columns(pl.col(texts).fill_null(""))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
