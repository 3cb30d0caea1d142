"""Tables about the store itself: what it has, and what it refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from foreseal.clock import to_us
from foreseal.records import Rejected
from foreseal.store.catalogue import Catalogue
from foreseal.store.schema import DTYPES, Part, Schema

_TEXT, _COUNT, _TIME = pl.String(), pl.Int64(), DTYPES["time"]
_DATASETS = {
    **dict.fromkeys(("dataset", "kind", "title", "unit", "origin", "licence", "crs"), _TEXT),
    **dict.fromkeys(("appends", "rows", "rejected"), _COUNT),
    **dict.fromkeys(("first_known_at", "last_known_at", "recorded_at"), _TIME),
}
_REJECTED = {
    "part": _TEXT,
    "file": _TEXT,
    "row": _COUNT,
    "column": _TEXT,
    "value": _TEXT,
    "reason": _TEXT,
    "recorded_at": _TIME,
}


def overview(catalogue: Catalogue) -> pl.DataFrame:
    """One row per dataset: terms, unit, numbers of appends, vintages and rejected rows, bounds."""
    found = catalogue.execute(
        "SELECT d.schema, count(a.n), coalesce(sum(a.rows), 0), "
        "(SELECT count(*) FROM rejected r WHERE r.dataset = d.id), "
        "min(a.known_min), max(a.known_max), max(a.recorded_at) "
        "FROM dataset d LEFT JOIN append a ON a.dataset = d.id GROUP BY d.id ORDER BY d.name"
    )
    rows = []
    for text, *numbers in found:
        schema = Schema.from_json(text)
        unit = schema.unit
        shown = unit if isinstance(unit, str) else ", ".join(f"{name}: {code}" for name, code in unit.items())
        terms = (schema.name, schema.kind, schema.title, shown, schema.origin, schema.licence, schema.crs)
        rows.append((*terms, *numbers))
    return pl.DataFrame(rows, schema=_DATASETS, orient="row")


def keep_rejected(
    catalogue: Catalogue, dataset: int, part: Part, refused: Sequence[Rejected], now: datetime
) -> None:
    """Keep refused rows; those of a file that is loaded again are kept once."""
    for item in refused:
        values = (item.file, item.row, item.column, item.value, item.reason)
        catalogue.execute(
            "INSERT OR IGNORE INTO rejected VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (dataset, part.name, *values, to_us(now)),
        )


def read_rejected(catalogue: Catalogue, dataset: int) -> pl.DataFrame:
    """All refused rows of a dataset, in the order in which they came."""
    names = ", ".join(f'"{name}"' for name in _REJECTED)
    rows = catalogue.execute(f"SELECT {names} FROM rejected WHERE dataset=? ORDER BY rowid", (dataset,))
    return pl.DataFrame(rows.fetchall(), schema=_REJECTED, orient="row")
