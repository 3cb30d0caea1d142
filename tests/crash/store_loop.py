"""Appends to a store until it is killed, acknowledging each append on standard output.

    store_loop.py FOLDER COUNT

The store lies in FOLDER/store. Sizes are so small that recent rows are settled, segments merged and large
appends written as segments all the time. Append n holds n % 3 + 1 rows of the hour n, every fifth 30 rows.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from foreseal.store import Schema, Store, rows

START = datetime(2024, 1, 1, tzinfo=UTC)

rows.HOT_ROWS = 20
rows.HOT_APPENDS = 4
rows.MERGE_FILES = 3


def open_store(folder: Path) -> Store:
    store = Store.open(folder / "store", create=True)
    store.declare(Schema("v"))
    return store


def batch(n: int) -> pl.DataFrame:
    count = 30 if n % 5 == 0 else n % 3 + 1
    ds = START + n * timedelta(hours=1)
    return pl.DataFrame({"k": range(count)}).select(
        unique_id=pl.format("s{}", "k"), ds=pl.lit(ds), y=pl.lit(float(n)), known_at=pl.lit(ds)
    )


def main(folder: Path, count: int) -> None:
    with open_store(folder) as store:
        for n in range(store.latest_n("v") + 1, count + 1):
            done = store.append("v", batch(n))
            os.write(1, b"%d %d\n" % (done.n, done.added))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
