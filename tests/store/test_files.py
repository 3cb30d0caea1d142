"""What lies on disk: readable by others, shared by processes, moved between places without a trace."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from foreseal.errors import Busy, SetupError
from foreseal.store import Schema, Store
from foreseal.store.catalogue import Catalogue

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def rows(first, count, y=1.0):
    return pl.DataFrame({"k": range(first, first + count)}).select(
        unique_id=pl.format("s{}", pl.col("k") % 7),
        ds=pl.lit(START) + pl.duration(minutes=pl.col("k")),
        y=pl.lit(y),
        known_at=pl.lit(START) + pl.duration(minutes=pl.col("k")),
        source=pl.lit(""),
    )


def test_segments_are_plain_parquet_that_pyarrow_reads(store):
    parquet = pytest.importorskip("pyarrow.parquet")
    store.append("v", rows(0, 70_000))
    store.append("v", rows(70_000, 100))
    store.compact("v")
    table = parquet.read_table(store.folder / "segments" / "v")
    assert table.num_rows == 70_100
    assert [(field.name, str(field.type)) for field in table.schema] == [
        ("unique_id", "large_string"),
        ("ds", "timestamp[us, tz=UTC]"),
        ("y", "double"),
        ("known_at", "timestamp[us, tz=UTC]"),
        ("claimed_at", "timestamp[us, tz=UTC]"),
        ("source", "large_string"),
        ("quality", "large_string"),
        ("flags", "large_string"),
        ("n", "int64"),
    ]
    assert pl.from_arrow(table)["unique_id"].is_sorted()


def test_many_small_appends_become_few_files_and_read_the_same(tmp_path, clock, monkeypatch):
    monkeypatch.setattr("foreseal.store.rows.HOT_APPENDS", 3)
    with Store.open(tmp_path, create=True, clock=clock) as store:
        store.declare(Schema("v"))
        for k in range(60):
            store.append("v", rows(k * 10, 10))
        files = list((tmp_path / "segments" / "v").iterdir())
        assert len(files) <= 8
        cutoff = START + 300 * timedelta(minutes=1)
        assert store.as_of("v", cutoff).height == 301
        assert store.as_of("v", cutoff, n=10).height == 100
        assert store.check("v") == 60


def test_other_stores_see_each_append_as_soon_as_it_is_committed(store):
    with Store.open(store.folder) as other:
        for k in range(3):
            store.append("v", rows(k * 10, 10))
            assert other.as_of("v", START + 90 * HOUR).height == (k + 1) * 10
            assert other.latest_n("v") == k + 1


def test_a_reader_never_notices_that_segments_are_merged(store, monkeypatch):
    monkeypatch.setattr("foreseal.store.rows.HOT_APPENDS", 2)
    monkeypatch.setattr("foreseal.store.rows.MERGE_FILES", 2)
    done = threading.Event()
    counts: list[int] = []

    def keep_reading():
        with Store.open(store.folder) as other:
            while not done.is_set():
                counts.append(other.as_of("v", START + 90 * HOUR).height)

    reader = threading.Thread(target=keep_reading)
    reader.start()
    try:
        for k in range(60):
            store.append("v", rows(k * 10, 10))
    finally:
        done.set()
        reader.join()
    assert counts == sorted(counts)
    assert all(count % 10 == 0 for count in counts)


WRITER = """
import sys
import polars as pl
from datetime import UTC, datetime, timedelta
from foreseal.store import Store
start = datetime(2024, 1, 1, tzinfo=UTC)
with Store.open(sys.argv[1]) as store:
    for k in range(20):
        ds = start + timedelta(hours=k)
        row = {"unique_id": [sys.argv[2]], "ds": [ds], "y": [1.0], "known_at": [ds]}
        store.append("v", pl.DataFrame(row))
"""


def test_writers_in_several_processes_wait_for_each_other(store):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(store.folder), name]) for name in ("a", "b")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert store.latest_n("v") == 40
    assert store.as_of("v", START + 90 * HOUR).height == 40
    assert store.check("v") == 40


def test_a_writer_that_waits_too_long_says_who_holds_the_store(store):
    holder = sqlite3.connect(store.folder / "store.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    impatient = Catalogue(store.folder, busy_seconds=0)
    with pytest.raises(Busy, match=r"store\.db"), impatient.writing():
        pass
    impatient.close()
    holder.close()


def test_a_store_of_a_newer_version_is_left_alone(tmp_path):
    Store.open(tmp_path, create=True).close()
    database = sqlite3.connect(tmp_path / "store.db")
    database.execute("PRAGMA user_version=1000")
    database.close()
    with pytest.raises(SetupError, match="newer version"):
        Store.open(tmp_path)


def test_commits_reach_the_disk_before_they_are_acknowledged(store):
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_leftovers_of_a_crash_are_swept_and_committed_files_are_not(store):
    store.append("v", rows(0, 70_000))
    folder = store.folder / "segments" / "v"
    (folder / "series-00000002.partial").write_bytes(b"half")
    (folder / "series-00000009.parquet").write_bytes(b"written, never committed")
    with Store.open(store.folder) as successor:
        successor.append("v", rows(70_000, 1))
        assert len(list(folder.iterdir())) == 1
        assert successor.check("v") == 2


def test_a_segment_that_is_gone_is_named(store):
    store.append("v", rows(0, 70_000))
    (segment,) = (store.folder / "segments" / "v").iterdir()
    segment.unlink()
    with pytest.raises(SetupError, match=segment.name):
        store.as_of("v", START)


def test_an_append_that_fails_leaves_nothing_behind(store, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("foreseal.store.segments.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.append("v", rows(0, 70_000))
    monkeypatch.undo()
    assert store.latest_n("v") == 0
    assert store.append("v", rows(0, 70_000)).n == 1
    assert store.check("v") == 1


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_an_export_holds_every_vintage(store, tmp_path, format):
    store.append("v", rows(0, 10))
    store.append("v", rows(0, 10, 2.0))
    assert store.export("v", tmp_path / f"out.{format}", format) == 20
    read = pl.read_parquet if format == "parquet" else pl.read_csv
    exported = read(tmp_path / f"out.{format}")
    assert sorted(exported["y"].to_list()) == [1.0] * 10 + [2.0] * 10
    assert exported.columns == [*store.vintages("v").columns]


def test_the_catalogue_shows_every_dataset(store, clock):
    store.declare(Schema("w", unit={"a": "K"}, licence="CC0-1.0", crs="EPSG:4326"))
    store.append("v", rows(0, 10))
    first, second = store.catalogue().iter_rows(named=True)
    assert (first["dataset"], first["appends"], first["rows"]) == ("v", 1, 10)
    assert first["recorded_at"] == clock.instant
    assert (second["unit"], second["licence"], second["crs"], second["rows"]) == (
        "a: K",
        "CC0-1.0",
        "EPSG:4326",
        0,
    )
