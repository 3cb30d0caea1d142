"""Digests of what was known, from leaf hashes kept at the time of each append."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from foreseal import merkle
from foreseal.clock import from_us, to_us
from foreseal.errors import DataError, Tampered
from foreseal.records import Snapshot
from foreseal.store.catalogue import Catalogue
from foreseal.store.chunks import CHUNK_ROWS, Leaves, encode, in_order
from foreseal.store.order import in_key_order
from foreseal.store.personal import Personal
from foreseal.store.rows import Rows, Where
from foreseal.store.schema import Part, Schema


@dataclass(frozen=True, slots=True)
class Prefix:
    """What was known of one append at a cutoff: the first ``whole`` chunks of its leaves, and what was known
    of the next one (bytes and number of rows), if anything was.
    """

    leaves: Leaves
    whole: int
    partial: bytes | None
    partial_rows: int = 0

    @property
    def hashes(self) -> list[bytes]:
        """Leaf hash of each chunk."""
        last = [] if self.partial is None else [merkle.leaf_hash(self.partial)]
        return [*self.leaves.hashes[: self.whole], *last]


class Snapshots:
    """Roots, prefixes and chunks of the appends of a store."""

    def __init__(self, catalogue: Catalogue, rows: Rows, personal: Personal) -> None:
        self._db = catalogue
        self._rows = rows
        self._personal = personal

    def record(self, dataset: int, n: int, leaves: Leaves) -> bytes:
        """Keep the leaves of an append, in the transaction that is under way, and return their root."""
        hashes, positions = leaves.to_blobs()
        self._db.insert("leaves", dataset=dataset, n=n, hashes=hashes, positions=positions)
        return merkle.root(leaves.hashes)

    def sealed_n(self, dataset: int, at: int) -> int:
        """The largest append number that had been sealed at ``at`` (microseconds since 1970), or 0."""
        (n,) = self._db.execute(
            "SELECT coalesce(max(n), 0) FROM sealed WHERE dataset=? AND sealed_at<=?", (dataset, at)
        ).fetchone()
        return int(n)

    def take(self, dataset: int, schema: Schema, cutoff: datetime, n: int) -> Snapshot:
        """The snapshot at ``cutoff`` after ``n`` appends.

        Its digest is the root of the tree whose leaves are the roots of the prefixes of appends 1 to ``n``.
        """
        at = to_us(cutoff)
        with self._db.reading():
            sealed = self.sealed_n(dataset, at)
            appends = self._db.execute(
                "SELECT n, rows, known_min, known_max, root FROM append WHERE dataset=? AND n<=? ORDER BY n",
                (dataset, n),
            ).fetchall()
        total = witnessed = 0
        frontier = merkle.Frontier()
        for k, rows, known_min, known_max, root in appends:
            if known_min > at:
                rows, root = 0, merkle.EMPTY_ROOT
            elif known_max > at:
                prefix = self.prefix(dataset, schema, k, cutoff)
                rows = prefix.whole * (1 if schema.personal else CHUNK_ROWS) + prefix.partial_rows
                root = merkle.root(prefix.hashes)
            frontier.append(merkle.leaf_hash(root))
            total += rows
            witnessed += rows if k <= sealed else 0
        return Snapshot(schema.name, cutoff, n, frontier.root().hex(), total, witnessed)

    def prefix(self, dataset: int, schema: Schema, n: int, cutoff: datetime) -> Prefix:
        """What was known at ``cutoff`` of append ``n``. Of a personal dataset each record is a chunk."""
        leaves, part = self._leaves(dataset, schema, n)
        whole = leaves.whole_before(cutoff)
        if schema.personal or whole == len(leaves.hashes) or int(leaves.first[whole]) > to_us(cutoff):
            return Prefix(leaves, whole, None)
        rows = self._chunk_rows(dataset, part, n, leaves, whole, cutoff)
        return Prefix(leaves, whole, next(encode(rows, part)), rows.height)

    def chunk(self, dataset: int, schema: Schema, n: int, index: int) -> bytes:
        """The bytes of chunk ``index`` of append ``n``."""
        leaves, part = self._leaves(dataset, schema, n)
        if not 0 <= index < len(leaves.hashes):
            raise DataError(f"Append {n} of dataset {schema.name!r} has no chunk {index}.")
        if schema.personal:
            frame = self._rows.read(dataset, schema.stored(part), Where(only_n=n))
            leaf = self._personal.leaves(schema, part, frame)[index]
            if leaf is None:
                raise DataError(f"Chunk {index} of append {n} of dataset {schema.name!r} has been erased.")
            return leaf
        rows = self._chunk_rows(dataset, part, n, leaves, index, from_us(int(leaves.last[index])))
        return next(encode(rows, part))

    def check(self, dataset: int, schema: Schema, last: int) -> None:
        """Recompute the leaves of appends 1 to ``last`` from the stored rows; `Tampered` if one differs.

        The leaves of erased records cannot be computed any more, and are taken as they were kept.
        """
        for n in range(1, last + 1):
            leaves, part = self._leaves(dataset, schema, n)
            (root,) = self._db.execute(
                "SELECT root FROM append WHERE dataset=? AND n=?", (dataset, n)
            ).fetchone()
            rows = self._rows.read(dataset, schema.stored(part), Where(only_n=n))
            if schema.personal:
                found = self._personal_hashes(schema, part, rows, leaves)
            else:
                found = Leaves.of(in_order(in_key_order(rows, part.keys)), part).hashes
            if found != leaves.hashes or merkle.root(found) != root:
                raise Tampered(
                    f"The stored rows of append {n} of dataset {schema.name!r} are not those that were "
                    "accepted.",
                    hint="Restore the store folder from a backup.",
                )

    def _personal_hashes(
        self, schema: Schema, part: Part, rows: pl.DataFrame, kept: Leaves
    ) -> tuple[bytes, ...]:
        """Leaf hashes of encrypted rows; those of erased subjects as they were kept."""
        found = self._personal.leaves(schema, part, rows)
        if len(found) != len(kept.hashes):
            return ()
        return tuple(
            hash if leaf is None else merkle.leaf_hash(leaf)
            for leaf, hash in zip(found, kept.hashes, strict=True)
        )

    def _leaves(self, dataset: int, schema: Schema, n: int) -> tuple[Leaves, Part]:
        row = self._db.execute(
            "SELECT l.hashes, l.positions, a.part FROM leaves l JOIN append a USING (dataset, n) "
            "WHERE dataset=? AND n=?",
            (dataset, n),
        ).fetchone()
        if row is None:
            raise DataError(f"Dataset {schema.name!r} has no append {n}.")
        return Leaves.from_blobs(row[0], row[1]), schema.part(row[2])

    def _chunk_rows(
        self, dataset: int, part: Part, n: int, leaves: Leaves, index: int, until: datetime
    ) -> pl.DataFrame:
        """Rows of one chunk known at ``until``."""
        where = Where(only_n=n, known_from=from_us(int(leaves.first[index])), known=until)
        rows = in_order(in_key_order(self._rows.read(dataset, part, where), part.keys))
        return rows.slice(int(leaves.before[index]), CHUNK_ROWS)
