"""The rows of a submission's file: those that a target asks for, and those that the hub does not know."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from foreseal.collect.hub import Hub
from foreseal.errors import DataError

MAX_LINES = 5


def read_rows(path: Path) -> tuple[pl.DataFrame, list[str]]:
    """A file's whole rows, every cell of a CSV as text, and which of its lines are torn.

    Lines without any cell are no rows. Raises `DataError` if it cannot be read.
    """
    torn: list[str] = []
    try:
        if path.suffix == ".parquet":
            table = pl.read_parquet(path, glob=False)
        else:
            try:
                table = pl.read_csv(path, infer_schema=False)
            except pl.exceptions.PolarsError:
                table, torn = _line_by_line(path)
                if not torn:
                    raise
            else:
                # A line that ends early lacks its last cell; few files have an empty one there.
                if table.height and table.to_series(-1).has_nulls():
                    table, torn = _line_by_line(path)
    except (pl.exceptions.PolarsError, OSError, csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"it cannot be read: {(str(error).splitlines() or [''])[0]}") from error
    return table, torn


def _line_by_line(path: Path) -> tuple[pl.DataFrame, list[str]]:
    """What Polars would give, of the lines that have as many cells as the first; the others by number."""
    reader = csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""))
    header = next(reader, [])
    whole: list[list[str]] = []
    torn: list[str] = []
    more, line = 0, reader.line_num + 1
    for cells in reader:
        if len(cells) == len(header):
            whole.append(cells)
        elif cells:
            if len(torn) < MAX_LINES:
                what = "is incomplete" if len(cells) < len(header) else "has too many cells"
                torn.append(f"line {line} {what}: {len(cells)} of {len(header)}")
            else:
                more += 1
        line = reader.line_num + 1
    if more:
        torn[-1] += f" (and {more} other lines)"
    columns = list(zip(*whole, strict=True)) if whole else [()] * len(header)
    first = dict(reversed([*zip(header, columns, strict=True)]))
    table = pl.DataFrame(
        {name: [cell or None for cell in first[name]] for name in dict.fromkeys(header)},
        schema=dict.fromkeys(dict.fromkeys(header), pl.String),
    )
    return table, torn


def unrecognised(table: pl.DataFrame, hub: Hub) -> list[str]:
    """Targets, output types and, of rows not looked at further, locations that the hub does not know: one
    reason a kind, with the number of its rows. ``table`` has these columns as text."""
    found = []
    counts = table.group_by("target", "output_type", maintain_order=True).len()
    for name, rows in _counted(
        counts.filter(~pl.col("target").is_in(list(hub.types)).fill_null(False)), "target"
    ):
        found.append(f"unknown target {name!r} ({rows} rows{_meant(name, list(hub.types))})")
    every = sorted({kind for kinds in hub.types.values() for kind in kinds})
    for target, kinds in hub.types.items():
        other = counts.filter(
            pl.col("target") == target, ~pl.col("output_type").is_in(list(kinds)).fill_null(False)
        )
        for kind, rows in _counted(other, "output_type"):
            if kind in every:
                found.append(f"{target!r} has no output_type {kind!r} ({rows} rows)")
            else:
                found.append(f"unknown output_type {kind!r} ({rows} rows{_meant(kind, sorted(kinds))})")
    if hub.places:
        away = table.filter(
            (pl.col("target") != hub.target) | (pl.col("output_type") != "quantile"),
            ~pl.col("location").is_in(list(hub.places)).fill_null(False),
        )
        for place, rows in _counted(away.group_by("location", maintain_order=True).len(), "location"):
            found.append(f"{place} is no location of the hub ({rows} rows of other targets or output types)")
    return found


def _counted(table: pl.DataFrame, name: str) -> list[tuple[str, int]]:
    """How many rows each value has; an empty cell is an empty value."""
    values = table.group_by(pl.col(name).fill_null(""), maintain_order=True).agg(pl.col("len").sum())
    return list(values.iter_rows())


def _meant(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
