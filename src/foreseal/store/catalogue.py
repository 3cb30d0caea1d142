"""The store's SQLite database: catalogue, appends, leaf hashes, recent rows and the manifest of segments.

One connection, autocommit outside :meth:`Catalogue.writing`. WAL with ``synchronous=FULL``: a commit has
reached the disk when it returns, and readers see the last commit while another process writes. Threads take
turns: a statement or a transaction of one waits for that of another. What SQLite raises becomes `Busy` or
`SetupError`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foreseal.errors import Busy, SetupError

FILE_NAME = "store.db"

MIGRATIONS = (
    """
    CREATE TABLE dataset (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        schema TEXT NOT NULL,
        declared_at INTEGER NOT NULL
    );
    CREATE TABLE append (
        dataset INTEGER NOT NULL REFERENCES dataset,
        n INTEGER NOT NULL,
        part TEXT NOT NULL,
        recorded_at INTEGER NOT NULL,
        rows INTEGER NOT NULL,
        late INTEGER NOT NULL,
        known_min INTEGER NOT NULL,
        known_max INTEGER NOT NULL,
        root BLOB NOT NULL,
        PRIMARY KEY (dataset, n)
    ) WITHOUT ROWID;
    CREATE TABLE leaves (
        dataset INTEGER NOT NULL,
        n INTEGER NOT NULL,
        hashes BLOB NOT NULL,
        positions BLOB NOT NULL,
        PRIMARY KEY (dataset, n)
    );
    CREATE TABLE hot (
        dataset INTEGER NOT NULL,
        part TEXT NOT NULL,
        n INTEGER NOT NULL,
        rows INTEGER NOT NULL,
        known_min INTEGER NOT NULL,
        key_min TEXT NOT NULL,
        key_max TEXT NOT NULL,
        ds_min INTEGER,
        ds_max INTEGER,
        frame BLOB NOT NULL,
        PRIMARY KEY (dataset, part, n)
    );
    CREATE TABLE segment (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        dataset INTEGER NOT NULL REFERENCES dataset,
        part TEXT NOT NULL,
        file TEXT NOT NULL UNIQUE,
        rows INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        n_min INTEGER NOT NULL,
        n_max INTEGER NOT NULL,
        known_min INTEGER NOT NULL,
        key_min TEXT NOT NULL,
        key_max TEXT NOT NULL,
        ds_min INTEGER,
        ds_max INTEGER
    );
    CREATE INDEX segment_by_dataset ON segment (dataset, part, ds_max);
    CREATE TABLE sealed (
        dataset INTEGER NOT NULL REFERENCES dataset,
        cutoff INTEGER NOT NULL,
        n INTEGER NOT NULL,
        sealed_at INTEGER NOT NULL,
        PRIMARY KEY (dataset, cutoff, n)
    ) WITHOUT ROWID;
    CREATE TABLE rejected (
        dataset INTEGER NOT NULL REFERENCES dataset,
        part TEXT NOT NULL,
        file TEXT NOT NULL,
        row INTEGER NOT NULL,
        "column" TEXT NOT NULL,
        value TEXT NOT NULL,
        reason TEXT NOT NULL,
        recorded_at INTEGER NOT NULL,
        UNIQUE (dataset, part, file, row, "column", value, reason)
    );
    """,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """All rows that a statement gave, and how many it changed.

    They are read at once, since a rollback by another thread would cut a cursor short.
    """

    rows: list[Any]
    changed: int

    def fetchone(self) -> Any:
        """The first row, or None."""
        return self.rows[0] if self.rows else None

    def fetchall(self) -> list[Any]:
        """All rows."""
        return self.rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)


def explain(
    error: sqlite3.Error, file: Path, restore: str = "Restore the store folder from its backup."
) -> SetupError:
    """What an error of SQLite means for the user of a database, and what to do about it.

    ``restore`` is what to do if the file is damaged.
    """
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Busy(
            f"Another process has been using {file} for too long.",
            hint="Wait for it to finish, or end it, and try again.",
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return SetupError(f"{file} is damaged: {error}.", hint=restore)
    if name.startswith("SQLITE_FULL"):
        return SetupError(f"{file} cannot grow: {error}.", hint="Free some space on that disk and try again.")
    return SetupError(
        f"{file} cannot be used: {error}.", hint="Check its disk, and who may write to it and its folder."
    )


def connect(file: Path, busy_seconds: float) -> tuple[sqlite3.Connection, bool]:
    """Open a database, and whether it may be written.

    Where nobody can write to it, as on a disk that is mounted so, it is read as it lies there.
    """
    options: dict[str, Any] = {"isolation_level": None, "timeout": busy_seconds, "check_same_thread": False}
    rights = {"effective_ids": True} if os.access in os.supports_effective_ids else {}
    if not file.exists() or all(os.access(each, os.W_OK, **rights) for each in (file, file.parent)):
        return sqlite3.connect(file, **options), True
    wal = file.with_name(f"{file.name}-wal")
    # Without a log of changes beside it, SQLite needs no file of its own to read the database.
    plain = "" if wal.exists() and wal.stat().st_size else "&immutable=1"
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro{plain}", uri=True, **options), False


class Catalogue:
    """A connection to the database of one store, migrated to the present schema."""

    def __init__(self, folder: Path, *, busy_seconds: float = 60.0) -> None:
        self.file = folder / FILE_NAME
        self._turn = threading.RLock()
        try:
            self._connection, self.writable = connect(self.file, busy_seconds)
        except sqlite3.Error as error:
            raise explain(error, self.file) from error
        try:
            durable = ("journal_mode=WAL", "synchronous=FULL") if self.writable else ()
            for pragma in (*durable, "foreign_keys=ON", "cache_size=-8000"):
                self.execute(f"PRAGMA {pragma}")
            self._migrate()
        except BaseException:
            self._connection.close()
            raise

    def _migrate(self) -> None:
        if self._version() < len(MIGRATIONS) and not self.writable:
            raise SetupError(
                f"{self.file} was written by an older version of Foreseal, and cannot be written.",
                hint="Copy the project to where it can be written.",
            )
        if self._version() < len(MIGRATIONS):
            with self.writing():
                for number in range(self._version(), len(MIGRATIONS)):
                    for statement in MIGRATIONS[number].split(";"):
                        self.execute(statement)
                    self.execute(f"PRAGMA user_version={number + 1}")
        if self._version() > len(MIGRATIONS):
            raise SetupError(
                f"{self.file} was written by a newer version of Foreseal.",
                hint="Upgrade it: pip install --upgrade foreseal",
            )

    def _version(self) -> int:
        return int(self.execute("PRAGMA user_version").fetchone()[0])

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> Answer:
        """Run one statement. Raises `Busy` or `SetupError` if SQLite cannot."""
        with self._turn:
            try:
                cursor = self._connection.execute(statement, values)
                return Answer(cursor.fetchall(), cursor.rowcount)
            except sqlite3.Error as error:
                raise explain(error, self.file) from error

    def insert(self, table: str, **values: Any) -> None:
        """Insert one row."""
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("?" * len(values))
        self.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """A transaction in which every statement sees the same commit."""
        with self._transaction("BEGIN"):
            yield

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction that is the only one writing; committed at the end, rolled back on an exception."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._turn:
            joined = self._connection.in_transaction  # it is this thread's own
            if joined:
                yield
                return
            self.execute(begin)
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self.execute("ROLLBACK")
                raise

    def last_append(self, dataset: int) -> tuple[int, int]:
        """Number and ``recorded_at`` (µs) of the last append, zeros if there is none."""
        row = self.execute(
            "SELECT n, recorded_at FROM append WHERE dataset=? ORDER BY n DESC LIMIT 1", (dataset,)
        ).fetchone()
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    def close(self) -> None:
        """Close the connection."""
        with self._turn:
            self._connection.close()
