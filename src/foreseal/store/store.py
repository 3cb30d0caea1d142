"""The store: what was observed, and when it became known. Nothing is overwritten."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import polars as pl

from foreseal.clock import MICROSECOND, Clock, LiveClock, from_us, to_us
from foreseal.errors import Busy, DataError, SettingsError, SetupError
from foreseal.records import Rejected, Snapshot
from foreseal.settings import KnownAt
from foreseal.store import door
from foreseal.store.catalogue import FILE_NAME, Catalogue
from foreseal.store.chunks import Leaves, in_order
from foreseal.store.order import latest
from foreseal.store.overview import keep_rejected, overview, read_rejected
from foreseal.store.personal import Personal, hidden
from foreseal.store.quality import flag
from foreseal.store.rows import HOT_ROWS, Rows, Where
from foreseal.store.schema import Part, Schema
from foreseal.store.segments import sync_folder
from foreseal.store.snapshots import Prefix, Snapshots
from foreseal.store.subjects import Erasure, Secret, Subjects
from foreseal.store.vintages import admit, sift

COLUMN = KnownAt("column", column="known_at")


@dataclass(frozen=True, slots=True)
class Append:
    """What became of a batch: how many rows were added, were repeats, came late, and which were refused.

    ``n`` is its number, or the last one if it added nothing.
    """

    dataset: str
    part: str
    n: int
    recorded_at: datetime
    added: int
    repeated: int
    rejected: tuple[Rejected, ...]
    late: int


class Store:
    """Datasets in a folder: ``store.db`` and ``segments/DATASET/*.parquet``.

    An append is durable when the call returns. One process writes at a time, others wait for it; any number
    read meanwhile. ``clock`` tells when an append is recorded; that is real time, in a replay too. Records of
    personal datasets are encrypted; their keys lie elsewhere.
    """

    def __init__(self, folder: Path, catalogue: Catalogue, clock: Clock, subjects: Subjects | None) -> None:
        self.folder = folder
        self._db = catalogue
        self._rows = Rows(folder, catalogue)
        self._personal = Personal(subjects)
        self._snapshots = Snapshots(catalogue, self._rows, self._personal)
        self._clock = clock
        self._swept = False
        self._known: dict[str, tuple[int, Schema]] = {}

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        create: bool = False,
        clock: Clock | None = None,
        keys: str | os.PathLike[str] | None = None,
    ) -> Store:
        """Open the store in a folder. Raises `SetupError` if there is none and ``create`` is false.

        ``keys`` is the key database of personal datasets (`foreseal.store.subjects`), a file outside the
        folder; it is made when it is needed.
        """
        folder = Path(path)
        if not (folder / FILE_NAME).is_file():
            if not create:
                raise SetupError(
                    f"There is no store in {folder.resolve()}.", hint="Make one with: foreseal init"
                )
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(folder.parent)
        subjects = None if keys is None else Subjects(Path(keys))
        catalogue = Catalogue(folder)
        if catalogue.writable:
            sync_folder(folder)
        return cls(folder, catalogue, clock or LiveClock(), subjects)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the databases."""
        self._db.close()
        self._personal.close()

    # Catalogue

    def declare(self, schema: Schema) -> Schema:
        """Enter a dataset in the catalogue. Declaring it again may change its terms, never what it holds."""
        with self._db.writing():
            row = self._db.execute("SELECT schema FROM dataset WHERE name=?", (schema.name,)).fetchone()
            if row is None:
                self._db.insert(
                    "dataset", name=schema.name, schema=schema.to_json(), declared_at=to_us(self._clock.now())
                )
            else:
                old = Schema.from_json(row[0])
                for what in ("kind", "unit", "personal", "features", "labels"):
                    before, after = getattr(old, what), getattr(schema, what)
                    if before != after:
                        raise SettingsError(
                            f"Dataset {schema.name!r} was declared with {what} {before!r}, not {after!r}.",
                            hint="What is stored cannot change its meaning; declare a new dataset.",
                        )
                self._db.execute("UPDATE dataset SET schema=? WHERE name=?", (schema.to_json(), schema.name))
            self._known.pop(schema.name, None)
        return schema

    def schema(self, dataset: str) -> Schema:
        """The schema of a dataset."""
        return self._find(dataset)[1]

    def catalogue(self) -> pl.DataFrame:
        """One row per dataset: terms, unit, numbers of appends, vintages and rejected rows, bounds."""
        return overview(self._db)

    # Writing

    def append(
        self,
        dataset: str,
        rows: pl.DataFrame,
        *,
        part: str | None = None,
        known_at: KnownAt | None = None,
        unit: str | None = None,
        file: str = "",
        rejected: Iterable[Rejected] = (),
    ) -> Append:
        """Add a batch; what is known already adds nothing.

        ``rows`` has the part's key and value columns, ``known_at`` if that is claimed, and may have
        ``source``, ``quality`` and ``row`` (its number in ``file``). The rule ``known_at`` says when they
        became known; without it, the column is used if there is one, else the time of loading. ``rejected``
        are rows that a source refused; they are kept with those that are refused here. In a personal dataset
        the keys of ``rows`` are the source's own and get replaced by pseudonyms, and refused values are not
        kept. Raises `DataError` if ``unit`` is not the dataset's, or columns are missing or of another type.
        """
        number, schema = self._find(dataset)
        table = schema.part(part)
        if unit is not None and unit != schema.unit:
            raise DataError(
                f"This batch is in {unit!r}, dataset {dataset!r} in {schema.unit!r}.",
                hint="Convert the values before loading them, or declare another dataset.",
            )
        rule = known_at or (COLUMN if "known_at" in rows.columns else KnownAt())
        refused = list(rejected)
        batch, bad = door.check(rows, table, rule, file, private=schema.personal)
        if schema.personal:
            batch = self._personal.pseudonymise(schema, batch, self.latest_n(dataset))
        sifted = sift(batch, table, rule.kind)
        refused += bad + door.contradictions(sifted.conflicts, table, file)
        with self._db.writing():
            if not self._swept:
                self._rows.sweep()
                self._swept = True
            now = self._next_instant(number)
            fresh, early = door.from_the_future(sifted.rows, rule, now, file)
            refused += early
            refused = hidden(refused) if schema.personal else refused
            keep_rejected(self._db, number, table, refused, now)
            near = self._near(number, schema, table, fresh)
            accepted = admit(fresh, near, table, rule, now, self._last_sealed(number), sifted.single)
            new = accepted.rows
            n = self.latest_n(dataset)
            if new.height:
                n += 1
                new = self._flagged(number, schema, table, new, accepted.revises)
                self._record(number, schema, table, n, new, now, accepted.late)
        if new.height:
            with contextlib.suppress(Busy):  # the rows are durable; a later append merges them
                self._rows.settle(number, dataset, schema.stored(table))
        return Append(
            dataset=dataset,
            part=table.name,
            n=n,
            recorded_at=now,
            added=new.height,
            repeated=sifted.doubles + fresh.height - new.height,
            rejected=tuple(refused),
            late=accepted.late,
        )

    def mark_sealed(self, dataset: str, cutoff: datetime, n: int, sealed_at: datetime) -> None:
        """Note that the snapshot (``cutoff``, ``n``) is sealed: claims up to ``cutoff`` now come late."""
        number, _ = self._find(dataset)
        last = self.latest_n(dataset)
        if n > last:
            raise SetupError(
                f"The log has sealed {n} appends of {dataset!r}, the store holds {last}.",
                hint="Restore the store folder from its newest backup. Where that is lost, go on under "
                "new names: give the dataset and its targets others in foreseal.toml.",
            )
        if n < 0:
            raise DataError(f"Dataset {dataset!r} has no append {n}.")
        self._db.execute(
            "INSERT OR IGNORE INTO sealed VALUES (?, ?, ?, ?)", (number, to_us(cutoff), n, to_us(sealed_at))
        )

    def compact(self, dataset: str) -> int:
        """Move recent rows to Parquet, merge small segments, remove leftovers; count the files written."""
        number, schema = self._find(dataset)
        parts = [schema.stored(part) for part in schema.parts]
        written = sum(self._rows.settle(number, dataset, part, everything=True) for part in parts)
        self._rows.sweep()
        return written

    # Reading

    def latest_n(self, dataset: str) -> int:
        """Number of the last append, 0 if there is none."""
        number, _ = self._find(dataset)
        return self._db.last_append(number)[0]

    def as_of(
        self,
        dataset: str,
        cutoff: datetime,
        n: int | None = None,
        *,
        ids: Sequence[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pl.DataFrame:
        """Of each ``(unique_id, ds)``, the latest value with ``known_at <= cutoff`` in appends 1 to ``n``.

        ``start <= ds < end``. All stored columns, sorted by ``unique_id, ds``.
        """
        return self._as_of(dataset, "series", Where(ids, None, start, end, known=cutoff, n=n))

    def as_of_features(
        self, dataset: str, cutoff: datetime, n: int | None = None, *, ids: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Of each case, the latest features with ``known_at <= cutoff``, sorted by ``case_id``."""
        return self._as_of(dataset, "features", Where(ids, known=cutoff, n=n))

    def as_of_labels(
        self, dataset: str, cutoff: datetime, n: int | None = None, *, ids: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Of each case, the latest label with ``known_at <= cutoff``, sorted by ``case_id``."""
        return self._as_of(dataset, "labels", Where(ids, known=cutoff, n=n))

    def vintages(
        self,
        dataset: str,
        part: str | None = None,
        *,
        n: int | None = None,
        ids: Sequence[str] | None = None,
        cutoff: datetime | None = None,
    ) -> pl.DataFrame:
        """Every value ever accepted (known by ``cutoff``), sorted by key, ``known_at`` and ``n``."""
        number, schema = self._find(dataset)
        table = schema.part(part)
        frame = self._read(number, schema, table, Where(ids, known=cutoff, n=n))
        return frame.sort(*table.keys, "known_at", "n", pl.coalesce("claimed_at", "known_at"))

    def rejected(self, dataset: str) -> pl.DataFrame:
        """Rows refused at the door: ``part, file, row, column, value, reason, recorded_at``."""
        return read_rejected(self._db, self._find(dataset)[0])

    def witnessed_n(self, dataset: str, at: datetime) -> int:
        """The largest append number that had been sealed at an instant, 0 if none had."""
        return self._snapshots.sealed_n(self._find(dataset)[0], to_us(at))

    def snapshot(self, dataset: str, cutoff: datetime, n: int | None = None) -> Snapshot:
        """What was known at ``cutoff`` after ``n`` appends (all, if not given), with its digest.

        See `foreseal.store.chunks` for the bytes that are hashed.
        """
        number, schema = self._find(dataset)
        last = self.latest_n(dataset)
        if n is not None and not 0 <= n <= last:
            raise DataError(f"Dataset {dataset!r} has no append {n}.")
        return self._snapshots.take(number, schema, cutoff, last if n is None else n)

    def prefix(self, dataset: str, cutoff: datetime, n: int) -> Prefix:
        """What was known at ``cutoff`` of append ``n``, as leaves of the snapshot's tree."""
        number, schema = self._find(dataset)
        return self._snapshots.prefix(number, schema, n, cutoff)

    def chunk(self, dataset: str, n: int, index: int) -> bytes:
        """The bytes of one chunk of append ``n``: what is disclosed to prove its rows without the rest."""
        number, schema = self._find(dataset)
        return self._snapshots.chunk(number, schema, n, index)

    def check(self, dataset: str) -> int:
        """Recompute every leaf from the stored rows and count the appends checked.

        Raises `Tampered` for the first append whose rows are not those that were accepted.
        """
        number, schema = self._find(dataset)
        last = self.latest_n(dataset)
        self._snapshots.check(number, schema, last)
        return last

    # Erasing

    def pseudonyms(self, dataset: str, ids: Iterable[str]) -> dict[str, str]:
        """The ``case_id`` of each id that the source of a personal dataset uses, where it is known."""
        return self._personal.subjects.find(self._personal_schema(dataset).name, ids)

    def secrets(self, dataset: str, cases: Iterable[str]) -> dict[str, Secret]:
        """The secrets of subjects of a personal dataset, by pseudonym, without those who were erased."""
        return self._personal.subjects.secrets(self._personal_schema(dataset).name, cases)

    def erase(self, dataset: str, case: str) -> Erasure:
        """Destroy what makes a subject's records readable; it is durable when this returns.

        ``case`` is the source's id or the pseudonym. The encrypted rows stay, so that every digest holds.
        Raises `DataError` if the dataset is not personal or has no such subject.
        """
        schema = self._personal_schema(dataset)
        return self._personal.subjects.erase(schema.name, case, self._clock.now())

    def sweep_keys(self) -> None:
        """Finish erasures that were interrupted before the file of keys was rewritten."""
        self._personal.subjects.sweep()

    def erasures(self, dataset: str) -> list[Erasure]:
        """Everyone who was erased from a personal dataset."""
        return self._personal.subjects.erasures(self._personal_schema(dataset).name)

    def erased_records(self, dataset: str) -> int:
        """How many records are kept that nobody can read any more; 0 in a dataset that is not personal."""
        number, schema = self._find(dataset)
        if not schema.personal:
            return 0
        parts = [schema.stored(part) for part in schema.parts]
        return sum(self._personal.count_erased(schema, self._rows.read(number, p, Where())) for p in parts)

    def _personal_schema(self, dataset: str) -> Schema:
        _, schema = self._find(dataset)
        if not schema.personal:
            raise DataError(
                f"Dataset {dataset!r} is not personal: its records have no keys to destroy.",
                hint="Only a dataset that is declared with personal = true can forget.",
            )
        return schema

    def export(
        self, dataset: str, path: str | os.PathLike[str], format: Literal["parquet", "csv"] = "parquet"
    ) -> int:
        """Write all vintages to one file (cases: to one per part, ``-features``, ``-labels``); count them."""
        target, total = Path(path), 0
        parts = self.schema(dataset).parts
        for part in parts:
            frame = self.vintages(dataset, part.name)
            file = target if len(parts) == 1 else target.with_stem(f"{target.stem}-{part.name}")
            if format == "csv":
                frame.write_csv(file, datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")
            else:
                frame.write_parquet(file)
            total += frame.height
        return total

    # Inside

    def _find(self, dataset: str) -> tuple[int, Schema]:
        known = self._known.get(dataset)
        if known is not None:
            return known
        with self._db.reading():  # so that no other thread declares it meanwhile
            row = self._db.execute("SELECT id, schema FROM dataset WHERE name=?", (dataset,)).fetchone()
            if row is None:
                names = [name for (name,) in self._db.execute("SELECT name FROM dataset ORDER BY name")]
                raise DataError(
                    f"The store has no dataset {dataset!r}.",
                    hint=f"It has {', '.join(names) or 'none yet'}. `foreseal collect` reads all that "
                    "foreseal.toml names.",
                )
            known = self._known[dataset] = int(row[0]), Schema.from_json(row[1])
        return known

    def _as_of(self, dataset: str, part: str, where: Where) -> pl.DataFrame:
        number, schema = self._find(dataset)
        table = schema.part(part)
        return latest(self._read(number, schema, table, where), table.keys)

    def _read(self, number: int, schema: Schema, part: Part, where: Where) -> pl.DataFrame:
        """All vintages that ``where`` allows; of personal data, those that have not been erased."""
        rows = self._rows.read(number, schema.stored(part), where)
        return self._personal.open(schema, part, rows) if schema.personal else rows

    def _next_instant(self, number: int) -> datetime:
        """Now, and after the last append even if the machine's clock was set back."""
        return max(self._clock.now(), from_us(self._db.last_append(number)[1]) + MICROSECOND)

    def _last_sealed(self, number: int) -> datetime | None:
        (cutoff,) = self._db.execute("SELECT max(cutoff) FROM sealed WHERE dataset=?", (number,)).fetchone()
        return None if cutoff is None else from_us(cutoff)

    def _near(self, number: int, schema: Schema, part: Part, rows: pl.DataFrame) -> pl.DataFrame:
        """Stored vintages in the range of keys that ``rows`` span; only what the rules need."""
        columns = [*part.keys, *part.values, "known_at", "claimed_at", "n"]
        if rows.is_empty():
            return pl.DataFrame(schema=part.frame_schema)[columns]
        key = rows[part.keys[0]]
        where = Where(id_range=(str(key.min()), str(key.max())))
        if "ds" in part.keys:
            start, end = _span(rows)
            where = replace(where, start=start, end=end)
        if schema.personal:
            where = Where(ids=rows["case_id"].unique().to_list())
            return self._read(number, schema, part, where)[columns]
        return self._rows.read(number, part, where, columns)

    def _flagged(
        self, number: int, schema: Schema, part: Part, rows: pl.DataFrame, revises: pl.Series
    ) -> pl.DataFrame:
        """``rows`` with the flags of the dataset's quality rules added."""
        rules = schema.quality
        if part.name != "series" or not rules.active:
            return rows
        before = pl.DataFrame(schema=part.frame_schema)
        if rules.need_neighbours:
            start, end = _span(rows)
            ids = rows["unique_id"].unique().to_list()
            where = Where(ids, start=start - rules.lookback, end=end)
            found = self._rows.read(number, part, where)
            before = latest(found.join(rows, on=part.keys, how="anti"), part.keys)
        flags = flag(rules, rows, before, revises)
        both = pl.concat_str(pl.col("flags"), flags, separator=" ").str.strip_chars(" ")
        return rows.with_columns(flags=both)

    def _record(
        self, number: int, schema: Schema, part: Part, n: int, rows: pl.DataFrame, now: datetime, late: int
    ) -> None:
        """Write an append, in the transaction that is under way."""
        if schema.personal:
            encrypted, leaves = self._personal.seal(schema, part, n, rows)
            self._rows.put(number, schema.name, schema.stored(part), n, encrypted)
        elif rows.height < HOT_ROWS:
            leaves = Leaves.of(in_order(rows), part)
            self._rows.put(number, schema.name, part, n, rows)
        else:
            with ThreadPoolExecutor(1) as second:  # hashing and writing both release the interpreter's lock
                hashing = second.submit(Leaves.of, in_order(rows), part)
                self._rows.put(number, schema.name, part, n, rows)
                leaves = hashing.result()
        root = self._snapshots.record(number, n, leaves)
        known = rows["known_at"].to_numpy().view("i8")
        self._db.insert(
            "append",
            dataset=number,
            n=n,
            part=part.name,
            recorded_at=to_us(now),
            rows=rows.height,
            late=late,
            known_min=int(known.min()),
            known_max=int(known.max()),
            root=root,
        )


def _span(rows: pl.DataFrame) -> tuple[datetime, datetime]:
    """The interval ``[start, end)`` of ``ds``."""
    ds = rows["ds"].to_numpy().view("i8")
    return from_us(int(ds.min())), from_us(int(ds.max()) + 1)
