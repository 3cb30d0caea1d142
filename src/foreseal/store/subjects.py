"""The key database: what makes personal records readable, and what is destroyed to erase them.

One SQLite file outside the data, of mode 0600. A subject has a random pseudonym, an AES-256 key and a secret
from which the salts of their records come. Of the id that a source uses, only an HMAC under a random secret
of the dataset is kept: whoever knows an id can find its pseudonym here, and nobody can read an id from it.

What is deleted leaves no bytes behind: deleted cells are overwritten (``secure_delete``), the rollback
journal is removed durably at each commit (``synchronous=EXTRA``; there is no write-ahead log that could keep
a key until its next checkpoint), and an erasure rewrites the file (``VACUUM``, its copy in memory).
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from foreseal.clock import from_us, to_us
from foreseal.errors import Busy, DataError, SetupError
from foreseal.store.catalogue import explain

KEY_SIZE = 32
SALT_SIZE = 32

_AT_ONCE = 500  # values in one query
_TABLES = """
CREATE TABLE pepper (
    dataset TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE subject (
    case_id TEXT PRIMARY KEY,
    dataset TEXT NOT NULL,
    mark BLOB NOT NULL,
    key BLOB NOT NULL,
    salt BLOB NOT NULL,
    UNIQUE (dataset, mark)
) WITHOUT ROWID;
CREATE TABLE erasure (
    case_id TEXT PRIMARY KEY,
    dataset TEXT NOT NULL,
    salt BLOB NOT NULL,
    erased_at INTEGER NOT NULL,
    swept INTEGER NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Secret:
    """What one subject's records are encrypted and hashed with."""

    key: bytes
    salt: bytes

    def __repr__(self) -> str:
        return "Secret(...)"


@dataclass(frozen=True, slots=True)
class Erasure:
    """That a subject was erased. ``salt`` hides the pseudonym in the commitment that is sealed."""

    dataset: str
    case_id: str
    salt: bytes
    erased_at: datetime


class Subjects:
    """The key database of one store; the file is made when the first subject comes."""

    def __init__(self, path: Path, *, busy_seconds: float = 60.0) -> None:
        self.path = path
        self._busy_seconds = busy_seconds
        self._connection: sqlite3.Connection | None = None
        self._one = threading.RLock()  # threads that share a store share the connection

    def close(self) -> None:
        """Close the database."""
        with self._one:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    # Pseudonyms

    def has(self, dataset: str) -> bool:
        """Whether a subject of the dataset ever came here."""
        return bool(self._query("SELECT 1 FROM pepper WHERE dataset=?", (dataset,)))

    def find(self, dataset: str, ids: Iterable[str]) -> dict[str, str]:
        """The pseudonyms of those ids of a source that are known."""
        marks = self._marks(dataset, ids)
        found = self._each("SELECT mark, case_id FROM subject WHERE dataset=? AND mark", dataset, marks)
        return {marks[mark]: case for mark, case in found}

    def admit(self, dataset: str, ids: Iterable[str]) -> dict[str, str]:
        """The pseudonym of every id; whoever is new gets one, with a key and a salt, durably."""
        ids = list(dict.fromkeys(ids))
        found = self.find(dataset, ids)
        if len(found) == len(ids):
            return found
        with self._writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO pepper VALUES (?, ?)", (dataset, secrets.token_bytes(SALT_SIZE))
            )
            found = self.find(dataset, ids)
            marks = self._marks(dataset, (name for name in ids if name not in found))
            for mark, name in marks.items():
                found[name] = secrets.token_hex(16)
                key, salt = secrets.token_bytes(KEY_SIZE), secrets.token_bytes(SALT_SIZE)
                connection.execute(
                    "INSERT INTO subject VALUES (?, ?, ?, ?, ?)", (found[name], dataset, mark, key, salt)
                )
        return found

    # Keys

    def secrets(self, dataset: str, cases: Iterable[str]) -> dict[str, Secret]:
        """The secrets of subjects; who is not in it has been erased.

        Raises `SetupError` if one is neither here nor erased: then the database is not the one it should be.
        """
        wanted = list(dict.fromkeys(cases))
        rows = self._each(
            "SELECT case_id, key, salt FROM subject WHERE dataset=? AND case_id", dataset, wanted
        )
        found = {case: Secret(key, salt) for case, key, salt in rows}
        rest = [case for case in wanted if case not in found]
        gone = self._each("SELECT case_id FROM erasure WHERE dataset=? AND case_id", dataset, rest)
        lost = len(rest) - len(gone)
        if lost:
            raise SetupError(
                f"The keys of {lost} subjects of dataset {dataset!r} are not in {self.path}; "
                "they have not been erased.",
                hint=f"Put the latest {self.path.name} of this project in its place.",
            )
        return found

    # Erasure

    def erase(self, dataset: str, case: str, now: datetime) -> Erasure:
        """Destroy key, salt and mark of a subject; durable, and without a trace in the file, on return.

        ``case`` is the id that the source uses, or the pseudonym; somebody erased already stays so. Raises
        `DataError` if there is no such subject.
        """
        known = self.find(dataset, [case])
        case = known.get(case, case)
        with self._writing() as connection:
            connection.execute("DELETE FROM subject WHERE dataset=? AND case_id=?", (dataset, case))
            (deleted,) = connection.execute("SELECT changes()").fetchone()
            if deleted:
                salt = secrets.token_bytes(SALT_SIZE)
                connection.execute(
                    "INSERT INTO erasure VALUES (?, ?, ?, ?, 0)", (case, dataset, salt, to_us(now))
                )
        found = next((each for each in self.erasures(dataset) if each.case_id == case), None)
        if found is None:
            raise DataError(
                f"Dataset {dataset!r} has no such subject.",
                hint="Give the id as the source writes it, or the pseudonym.",
            )
        self.sweep()
        return found

    def erasures(self, dataset: str) -> list[Erasure]:
        """All erasures of a dataset, in the order of time."""
        rows = self._query(
            "SELECT dataset, case_id, salt, erased_at FROM erasure WHERE dataset=? "
            "ORDER BY erased_at, case_id",
            (dataset,),
        )
        return [Erasure(name, case, salt, from_us(at)) for name, case, salt, at in rows]

    def sweep(self) -> None:
        """Rewrite the file after an erasure, unless that was done, so that not even its free space is old."""
        if not self._query("SELECT 1 FROM erasure WHERE NOT swept LIMIT 1", ()):
            return
        hint = "The keys are deleted; the next run rewrites the file that held them."
        with self._using(hint) as connection:
            connection.execute("VACUUM")
        with self._writing() as connection:
            connection.execute("UPDATE erasure SET swept=1")

    # Inside

    def _marks(self, dataset: str, ids: Iterable[str]) -> dict[bytes, str]:
        """HMAC of each id, or nothing if no subject of the dataset ever came."""
        rows = self._query("SELECT value FROM pepper WHERE dataset=?", (dataset,))
        return {hmac.digest(rows[0][0], name.encode(), "sha256"): name for name in ids} if rows else {}

    def _query(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        if self._connection is None and not self.path.exists():
            return []
        with self._using() as connection:
            return connection.execute(statement, values).fetchall()

    def _each(
        self, statement: str, dataset: str, values: Iterable[Any] | Mapping[Any, Any]
    ) -> list[tuple[Any, ...]]:
        """Rows of ``statement IN (values)``, a part of the values at a time."""
        rest, rows = list(values), []
        for start in range(0, len(rest), _AT_ONCE):
            some = rest[start : start + _AT_ONCE]
            rows += self._query(f"{statement} IN ({', '.join('?' * len(some))})", (dataset, *some))
        return rows

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._using() as connection:
            connection.execute("BEGIN EXCLUSIVE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _using(self, busy: str = "") -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time. What SQLite raises becomes `Busy` or `SetupError`.

        ``busy`` is what to do if another process holds the file.
        """
        with self._one:
            try:
                yield self._open()
            except sqlite3.Error as error:
                told = explain(error, self.path, f"Put the latest copy of {self.path.name} in its place.")
                if busy and isinstance(told, Busy):
                    told = Busy(told.message, hint=busy)
                raise told from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        if not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(
            self.path, isolation_level=None, timeout=self._busy_seconds, check_same_thread=False
        )
        try:
            for pragma in (
                "journal_mode=DELETE",
                "synchronous=EXTRA",
                "secure_delete=ON",
                "temp_store=MEMORY",
            ):
                connection.execute(f"PRAGMA {pragma}")
            if not connection.execute("PRAGMA user_version").fetchone()[0]:
                connection.execute("BEGIN IMMEDIATE")
                if not connection.execute("PRAGMA user_version").fetchone()[0]:
                    for statement in _TABLES.split(";"):
                        connection.execute(statement)
                    connection.execute("PRAGMA user_version=1")
                connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection
