"""One connection for many threads, and what SQLite says in words of ours."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from foreseal.errors import Busy, SetupError
from foreseal.store import Schema, Store
from foreseal.store.catalogue import Catalogue
from foreseal.store.subjects import Subjects

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_threads_may_share_a_store(store):

    def work(name):
        done = []
        for k in range(10):
            ds = START + k * HOUR
            row = {"unique_id": [name], "ds": [ds], "y": [float(k)], "known_at": [ds]}
            done.append(store.append("v", pl.DataFrame(row)).n)
            assert store.as_of("v", START + 90 * HOUR, ids=[name]).height == k + 1
            assert store.snapshot("v", ds).rows >= k + 1
        return done

    with ThreadPoolExecutor(4) as threads:
        done = [n for numbers in threads.map(work, "abcd") for n in numbers]
    assert sorted(done) == list(range(1, 41))
    assert store.vintages("v").height == 40
    assert store.check("v") == 40


def test_a_thread_never_joins_the_transaction_of_another(store):
    """The other waits until the transaction is over, and so survives its rollback."""
    started, tried = threading.Event(), threading.Event()

    def declare():
        started.wait(10)
        tried.set()
        return store.declare(Schema("w"))

    def fail(other):
        with store._db.writing():
            started.set()
            tried.wait(10)
            wait([other], timeout=0.2)
            assert not other.done()
            raise ZeroDivisionError

    with ThreadPoolExecutor(1) as thread:
        other = thread.submit(declare)
        with pytest.raises(ZeroDivisionError):
            fail(other)
        assert other.result(10) == store.schema("w")


def test_reading_what_another_process_has_locked_says_that_it_is_busy(store):
    with closing(sqlite3.connect(store.folder / "store.db", isolation_level=None)) as holder:
        store.close()
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Busy, match=r"(?s)store\.db.*try again"):
            Catalogue(store.folder, busy_seconds=0)


@pytest.mark.parametrize("where", ["from the start", "within"])
def test_a_damaged_database_is_named_with_what_to_do(store, hours, where):
    for k in range(50):
        store.append("v", hours(("a", k, 1.0, k)))
    store.close()
    file = store.folder / "store.db"
    data = bytearray(file.read_bytes())
    first = 0 if where == "from the start" else 4096
    data[first:] = b"\xa5" * (len(data) - first)
    file.write_bytes(data)
    with pytest.raises(SetupError, match=r"(?s)store\.db is damaged.*backup"):
        Store.open(store.folder).vintages("v")


def test_damaged_keys_are_named_with_what_to_do(tmp_path):
    (tmp_path / "subjects.db").write_bytes(b"\xa5" * 8192)
    with (
        closing(Subjects(tmp_path / "subjects.db")) as keys,
        pytest.raises(SetupError, match=r"(?s)subjects\.db is damaged.*latest copy"),
    ):
        keys.has("trial")


def test_a_full_disk_is_named_and_nothing_is_half_written(store, hours):
    store.append("v", hours(("a", 0, 1.0, 1)))
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(SetupError, match=r"(?s)store\.db.*full"):
        store.append("v", hours(*(("a", k, float(k), 2) for k in range(5000))))
    store._db.execute(f"PRAGMA max_page_count={pages * 1000}")
    assert store.latest_n("v") == 1
    assert store.append("v", hours(("a", 1, 1.0, 1))).n == 2


def test_a_store_that_is_closed_says_so(store):
    store.close()
    with pytest.raises(SetupError, match="closed"):
        store.catalogue()
