"""Two writers of one store: whoever comes second sees what the first has settled."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from foreseal.errors import Busy
from foreseal.store import Store

START = datetime(2024, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LATER = START + timedelta(days=90)


def batch(name, k, count=5):
    ds = [START + (k * count + i) * MINUTE for i in range(count)]
    return pl.DataFrame({"unique_id": [name] * count, "ds": ds, "y": [1.0] * count, "known_at": ds})


@pytest.fixture
def eager(monkeypatch):
    """Settle after every second append, merge every second segment."""
    monkeypatch.setattr("foreseal.store.rows.HOT_APPENDS", 2)
    monkeypatch.setattr("foreseal.store.rows.MERGE_FILES", 2)


@pytest.mark.parametrize("turn", [1, 2], ids=["recent rows", "segments"])
@pytest.mark.parametrize("killed", [False, True], ids=["removes", "is killed before it removes"])
def test_what_another_process_settles_before_the_lock_is_not_settled_again(
    store, monkeypatch, eager, turn, killed
):
    """The other settles all just before this one, about to do it, gets the lock for the ``turn``-th time.

    ``killed`` leaves the merged files behind.
    """
    settle, writing, turns = store._rows.settle, store._db.writing, [0]
    with Store.open(store.folder) as other:

        def settling(*args, **options):
            turns.append(0)
            return settle(*args, **options)

        @contextlib.contextmanager
        def beaten():
            turns[-1] += 1
            if len(turns) > 1 and turns[-1] == turn:
                with monkeypatch.context() as patch:
                    if killed:
                        patch.setattr(Path, "unlink", lambda *_, **__: None)
                    other.compact("v")
            with writing():
                yield

        monkeypatch.setattr(store._rows, "settle", settling)
        monkeypatch.setattr(store._db, "writing", beaten)
        for k in range(10):
            assert store.append("v", batch("a", k)).added == 5
            turns[:] = [0]
    with Store.open(store.folder) as successor:
        assert successor.vintages("v").height == 50
        assert successor.check("v") == 10


def test_two_writers_that_settle_all_the_time_lose_and_double_nothing(store, eager):
    def write(name):
        with Store.open(store.folder) as own:
            return [own.append("v", batch(name, k)).added for k in range(25)]

    with ThreadPoolExecutor(2) as writers:
        assert list(writers.map(write, "ab")) == [[5] * 25, [5] * 25]
    assert store.vintages("v").height == store.as_of("v", LATER).height == 250
    assert store.check("v") == 50


def test_an_append_is_acknowledged_even_if_another_process_holds_up_the_merging(store, monkeypatch, eager):
    own, turns = store._db.writing, []

    @contextlib.contextmanager
    def held_up():
        turns.append(1)
        if len(turns) > 1:
            raise Busy("Another process has been writing for too long.")
        with own():
            yield

    store.append("v", batch("a", 0))
    monkeypatch.setattr(store._db, "writing", held_up)
    assert store.append("v", batch("a", 1)).n == 2
    assert len(turns) == 2
    monkeypatch.undo()
    assert store.compact("v") == 1
    assert store.check("v") == 2
