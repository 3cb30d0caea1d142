"""The bytes that are hashed: fixed once and for all, found again after merging, provable one by one."""

from __future__ import annotations

import contextlib
import struct
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreseal import merkle
from foreseal.clock import to_us
from foreseal.errors import DataError, Malformed, Tampered
from foreseal.store import Schema
from foreseal.store.chunks import CHUNK_ROWS, decode, encode
from foreseal.store.schema import SERIES

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_chunk_is_written_as_documented():
    """By hand, with `struct`: what another implementation has to write."""
    row = {
        "unique_id": "é",
        "ds": START,
        "y": 1.5,
        "known_at": START + HOUR,
        "claimed_at": None,
        "source": "csv",
        "quality": "",
        "flags": "",
    }
    columns = {name: SERIES.frame_schema[name] for name in SERIES.columns}
    header = (
        "foreseal rows v1\nseries 1\nstr unique_id\ntime ds\nfloat y\ntime known_at\ntime? claimed_at\n"
        "str source\nstr quality\nstr flags\n\n"
    )
    by_hand = header.encode() + b"".join(
        [
            struct.pack("<I", 2) + "é".encode(),
            struct.pack("<q", to_us(START)),
            struct.pack("<d", 1.5),
            struct.pack("<q", to_us(START + HOUR)),
            struct.pack("<?q", False, 0),
            struct.pack("<I", 3) + b"csv",
            struct.pack("<I", 0),
            struct.pack("<I", 0),
        ]
    )
    assert list(encode(pl.DataFrame([row], schema=columns), SERIES)) == [by_hand]


PART = Schema(
    "t", kind="cases", features={"a": "int", "b": "float", "c": "bool", "d": "str"}, labels={"e": "bool"}
).part("features")
cells = st.fixed_dictionaries(
    {
        "case_id": st.text(max_size=3),
        "a": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        "b": st.one_of(st.none(), st.floats(allow_nan=False).map(lambda x: x + 0.0)),
        "c": st.one_of(st.none(), st.booleans()),
        "d": st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=3)),
        "known_at": st.integers(0, 10**9).map(lambda s: START + timedelta(microseconds=s)),
        "claimed_at": st.none(),
        "source": st.just("x"),
        "flags": st.sampled_from(["", "late"]),
    }
)


@given(st.lists(cells, min_size=1, max_size=20), st.data())
def test_a_chunk_reads_back_and_no_other_bytes_do(rows, data):
    columns = {name: PART.frame_schema[name] for name in PART.columns}
    frame = pl.DataFrame(rows, schema=columns)
    (chunk,) = encode(frame, PART)
    assert decode(chunk, PART).equals(frame, null_equal=True)
    at = data.draw(st.integers(0, len(chunk) - 1))
    other = chunk[:at] + bytes([chunk[at] ^ data.draw(st.integers(1, 255))]) + chunk[at + 1 :]
    with contextlib.suppress(Malformed):
        assert not decode(other, PART).equals(frame, null_equal=True)
    for wrong in (chunk + b"\0", chunk[:-1], b""):
        with pytest.raises(Malformed):
            decode(wrong, PART)


@pytest.fixture
def filled(store, clock):
    """1 000 rows of two series known hour by hour (four chunks), then a thousand known at once."""
    rows = pl.DataFrame({"k": range(1000)}).select(
        unique_id=pl.when(pl.col("k") % 2 == 0).then(pl.lit("a")).otherwise(pl.lit("b")),
        ds=pl.lit(START) + pl.duration(hours=pl.col("k") // 2),
        y=pl.col("k").cast(pl.Float64),
        known_at=pl.lit(START) + pl.duration(hours=pl.col("k") // 10),
    )
    store.append("v", rows)
    store.append("v", rows.with_columns(ds=pl.col("ds") + 1000 * HOUR, known_at=pl.lit(START + 50 * HOUR)))
    return store


def plain_digest(store, cutoff, n):
    """The definition, spelled out over all rows."""
    roots = []
    for k in range(1, n + 1):
        rows = store.vintages("v").filter(pl.col("n") == k, pl.col("known_at") <= cutoff)
        rows = rows.sort("known_at", "unique_id", "ds")
        chunks = [
            next(encode(rows.slice(first, CHUNK_ROWS), SERIES)) for first in range(0, rows.height, CHUNK_ROWS)
        ]
        roots.append(merkle.root([sha256(b"\0" + chunk).digest() for chunk in chunks]))
    return merkle.root([merkle.leaf_hash(root) for root in roots]).hex()


@pytest.mark.parametrize("hour", [-1, 0, 24, 25, 26, 49, 50, 51, 76, 77, 98, 99, 200])
def test_a_snapshot_is_the_tree_over_the_prefixes_at_the_cutoff(filled, hour):
    cutoff = START + hour * HOUR
    snapshot = filled.snapshot("v", cutoff)
    assert snapshot.digest == plain_digest(filled, cutoff, 2)
    assert snapshot.rows == filled.vintages("v").filter(pl.col("known_at") <= cutoff).height
    filled.compact("v")
    assert filled.snapshot("v", cutoff) == snapshot


def test_one_chunk_is_disclosed_and_proved_without_the_rest(filled):
    cutoff = START + 1000 * HOUR
    chunks = [filled.chunk("v", 2, index) for index in range(4)]
    leaves = [merkle.leaf_hash(chunk) for chunk in chunks]
    root = merkle.root(leaves)
    path = [leaves[3], merkle.node_hash(leaves[0], leaves[1])]
    merkle.verify_inclusion(leaves[2], 2, 4, path, root)
    other = merkle.leaf_hash(merkle.root([merkle.leaf_hash(filled.chunk("v", 1, k)) for k in range(4)]))
    digest = bytes.fromhex(filled.snapshot("v", cutoff).digest)
    merkle.verify_inclusion(merkle.leaf_hash(root), 1, 2, [other], digest)
    assert sum(decode(chunk, SERIES).height for chunk in chunks) == 1000
    with pytest.raises(DataError, match="no chunk 4"):
        filled.chunk("v", 1, 4)
    with pytest.raises(DataError, match="no append 3"):
        filled.chunk("v", 3, 0)


def test_stored_rows_that_were_altered_are_found(filled):
    filled.compact("v")
    assert filled.check("v") == 2
    (segment,) = (filled.folder / "segments" / "v").iterdir()
    rows = pl.read_parquet(segment)
    altered = pl.when((pl.col("y") == 7) & (pl.col("n") == 2)).then(8.0).otherwise("y")
    rows.with_columns(y=altered).write_parquet(segment)
    with pytest.raises(Tampered, match="append 2 of dataset 'v'"):
        filled.check("v")


def test_snapshots_of_appends_that_do_not_exist_are_refused(filled):
    with pytest.raises(DataError, match="no append 3"):
        filled.snapshot("v", START, 3)
    assert filled.snapshot("v", START, 0).digest == merkle.EMPTY_ROOT.hex()
