"""Immutable Parquet files of settled rows, sorted by key, so that one series lies together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import polars as pl

ROW_GROUP = 65_536


def write_segment(frame: pl.DataFrame, path: Path) -> int:
    """Write ``frame`` durably and return the size in bytes.

    The file appears under its name complete or not at all, and both file and name survive a power cut once
    this returns.
    """
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        frame.write_parquet(file, compression="zstd", compression_level=1, row_group_size=ROW_GROUP)
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
    partial.rename(path)
    sync_folder(path.parent)
    return size


def scan_segments(paths: Sequence[Path]) -> pl.LazyFrame:
    """All rows of the files, lazily; a file that is gone raises `FileNotFoundError` when collected."""
    return pl.scan_parquet(list(paths), glob=False, hive_partitioning=False, low_memory=False)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
