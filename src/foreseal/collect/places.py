"""The locations that a forecast hub lists in auxiliary-data/locations.csv, and what they are called."""

from __future__ import annotations

from pathlib import Path

NAMES = ("location_name", "name")


def read_places(folder: Path) -> dict[str, str]:
    """Names by code, empty where the file of the hub in ``folder`` has none; nothing without such a file."""
    import polars as pl

    file = folder / "auxiliary-data" / "locations.csv"
    if not file.is_file():
        return {}
    table = pl.read_csv(file, infer_schema=False)
    if "location" not in table.columns:
        return {}
    column = next((name for name in NAMES if name in table.columns), None)
    name = pl.col(column).fill_null("").str.strip_chars() if column else pl.lit("")
    return dict(table.filter(pl.col("location").is_not_null()).select("location", called=name).iter_rows())
