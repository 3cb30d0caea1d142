"""The proof that one chunk of rows lies in a snapshot, without the other rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from foreseal import merkle
from foreseal.clock import format_instant, to_us
from foreseal.errors import DataError
from foreseal.store.chunks import CHUNK_ROWS, decode

if TYPE_CHECKING:
    from foreseal.store.snapshots import Prefix
    from foreseal.store.store import Store


@dataclass(frozen=True, slots=True)
class ChunkProof:
    """Chunk ``index`` of the ``chunks`` of append ``append`` that were known at a snapshot's cutoff.

    ``inner`` leads from the leaf hash of ``chunk`` to the root of the append's prefix, ``outer`` from the
    leaf hash of that root, as leaf ``append - 1`` of ``n``, to the snapshot's digest (RFC 6962).
    """

    chunk: bytes
    append: int
    index: int
    chunks: int
    n: int
    inner: tuple[bytes, ...]
    outer: tuple[bytes, ...]


def prove_chunk(
    store: Store, dataset: str, cutoff: datetime, n: int, series: str, ds: datetime
) -> ChunkProof:
    """Prove the chunk that holds the value of a series at ``ds``, as known at ``cutoff`` after ``n`` appends.

    Raises `DataError` if there is no such value, or the dataset is personal.
    """
    schema = store.schema(dataset)
    if schema.personal:
        raise DataError(f"{dataset} holds personal data; its rows are not disclosed one by one.")
    known = store.as_of(dataset, cutoff, n, ids=[series], start=ds, end=ds + timedelta(microseconds=1))
    if known.is_empty():
        raise DataError(
            f"{dataset} has no value of {series!r} at {format_instant(ds)} that was known at "
            f"{format_instant(cutoff)}."
        )
    append, known_at = int(known["n"][0]), known["known_at"][0]
    prefixes = [store.prefix(dataset, cutoff, k) for k in range(1, n + 1)]
    roots = [merkle.leaf_hash(merkle.root(prefix.hashes)) for prefix in prefixes]
    hashes = prefixes[append - 1].hashes
    for index, chunk in _chunks(store, dataset, append, prefixes[append - 1], to_us(known_at)):
        rows = decode(chunk, schema.part("series"))
        held = rows.filter((rows["unique_id"] == series) & (rows["ds"] == ds))
        if known_at in held["known_at"].to_list():
            inner, outer = tuple(_path(index, hashes)), tuple(_path(append - 1, roots))
            return ChunkProof(chunk, append, index, len(hashes), n, inner, outer)
    raise DataError(f"The value of {series!r} is in none of the chunks of {CHUNK_ROWS} rows of {dataset}.")


def _chunks(store: Store, dataset: str, n: int, prefix: Prefix, at: int) -> Iterator[tuple[int, bytes]]:
    """The chunks that may hold what became known at an instant (microseconds since 1970)."""
    leaves = prefix.leaves
    for index in range(len(prefix.hashes)):
        if int(leaves.first[index]) <= at <= int(leaves.last[index]):
            partial = prefix.partial if index == prefix.whole else None
            yield index, store.chunk(dataset, n, index) if partial is None else partial


def _path(index: int, leaves: list[bytes]) -> list[bytes]:
    def read(level: int, at: int) -> bytes:
        return merkle.root(leaves[at << level : (at + 1) << level])

    return merkle.inclusion_proof(index, len(leaves), read)
