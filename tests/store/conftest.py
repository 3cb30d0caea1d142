"""A store on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from foreseal.store import Schema, Store

START = datetime(2024, 1, 1, tzinfo=UTC)


class HandClock:
    """Stands still until it is moved."""

    mode = "live"

    def __init__(self) -> None:
        self.instant = datetime(2024, 6, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant

    def move(self, **span: float) -> datetime:
        self.instant += timedelta(**span)
        return self.instant


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(tmp_path: Path, clock: HandClock) -> Iterator[Store]:
    with Store.open(tmp_path / "store", create=True, clock=clock) as opened:
        opened.declare(Schema("v"))
        yield opened


@pytest.fixture
def hours() -> Callable[..., pl.DataFrame]:
    """Rows from tuples ``(unique_id, hour, y[, hour at which it was known[, quality]])``."""

    def build(*rows: tuple[object, ...]) -> pl.DataFrame:
        table = []
        for unique_id, hour, y, *rest in rows:
            row = {"unique_id": unique_id, "ds": START + timedelta(hours=hour), "y": y}
            if rest:
                row["known_at"] = START + timedelta(hours=rest[0])
            if len(rest) > 1:
                row["quality"] = rest[1]
            table.append(row)
        return pl.DataFrame(table, schema_overrides={"y": pl.Float64})

    return build
