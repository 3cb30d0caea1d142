"""The lock database: the last checkpoint that a log's key has signed, and the one process that may sign next.

A restored backup of a log is a valid but old log; signing from it would tell a second history. So the last
signed size and root are kept away from the log, one small SQLite database for each log key, changed only by
compare-and-swap, and never part of a backup. The database is held exclusively while the log is open for
writing: a second process gets `Busy`.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from foreseal.errors import Busy, Refused, SetupError
from foreseal.seal.disk import make_folder, sync_folder

_SCHEMA = 1


def default_lock_path(public: bytes, environ: Mapping[str, str] = os.environ) -> Path:
    """``<SHA-256 of the log key>.db`` in the state folder.

    That is ``$FORESEAL_STATE``, else ``$XDG_STATE_HOME/foreseal``, else ``~/.local/state/foreseal``.
    """
    state = environ.get("FORESEAL_STATE")
    if state:
        folder = Path(state)
    elif environ.get("XDG_STATE_HOME"):
        folder = Path(environ["XDG_STATE_HOME"]) / "foreseal"
    else:
        folder = Path.home() / ".local" / "state" / "foreseal"
    return folder / f"{sha256(public).hexdigest()}.db"


@dataclass(frozen=True, slots=True)
class Head:
    """Size and root of the last checkpoint that was signed."""

    size: int
    root: bytes


def peek_head(path: Path) -> Head | None:
    """The last signed head as a copy of the database shows it; None if it has never known one.

    Nothing is made, locked or recovered, so it can be asked while a process writes, and of files that cannot
    be written.
    """
    if not path.is_file():
        return None
    with TemporaryDirectory() as name:
        for suffix in ("", "-wal"):
            source = path.with_name(path.name + suffix)
            if source.is_file():
                shutil.copyfile(source, Path(name, f"lock.db{suffix}"))
        with closing(sqlite3.connect(Path(name, "lock.db"))) as db:
            try:
                if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'head'").fetchone():
                    return None
                row = db.execute("SELECT size, root FROM head").fetchone()
            except sqlite3.Error as error:
                raise _explained(path, error) from None
    return Head(*row) if row else None


class LogLock:
    """The lock database of one log key, held by this process until closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        make_folder(path.parent)
        try:
            # A log may be written by another thread than the one that opened it, one at a time.
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
        except sqlite3.OperationalError as error:
            raise SetupError(f"the lock database {path} cannot be opened: {error}.") from None
        try:
            # With exclusive locking the lock is taken by the first write and kept until the end of the
            # process, and the log needs no shared memory; synchronous=FULL makes each commit durable.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("BEGIN EXCLUSIVE")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS head "
                "(one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, root BLOB NOT NULL)"
            )
            self._db.execute(f"PRAGMA user_version = {_SCHEMA}")
            self._db.execute("COMMIT")
            sync_folder(path.parent)
        except sqlite3.Error as error:
            self._db.close()
            raise self._explain(error) from None

    def head(self) -> Head | None:
        """The last signed head, or None if this database has never known one."""
        row = self._db.execute("SELECT size, root FROM head").fetchone()
        return Head(*row) if row else None

    def swap(self, old: Head | None, new: Head) -> None:
        """Replace ``old`` by ``new``, durably. Raises `Refused` if the head is not ``old``."""
        if old is None:
            change = "INSERT INTO head (one, size, root) VALUES (1, ?, ?) ON CONFLICT DO NOTHING"
            values: tuple[int | bytes, ...] = (new.size, new.root)
        else:
            change = "UPDATE head SET size = ?, root = ? WHERE size = ? AND root = ?"
            values = (new.size, new.root, old.size, old.root)
        try:
            changed = self._db.execute(change, values).rowcount
        except sqlite3.Error as error:
            raise self._explain(error) from None
        if changed != 1:
            raise Refused(
                f"{self.path} does not hold the head of {old.size if old else 0} entries that was expected; "
                "something else has signed for this log."
            )

    def _explain(self, error: sqlite3.Error) -> SetupError:
        return _explained(self.path, error)

    def close(self) -> None:
        """Let the next process in."""
        self._db.close()


def _explained(path: Path, error: sqlite3.Error) -> SetupError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_BUSY"):
        return Busy(
            f"another process is writing to this log; it holds {path}.",
            hint="Wait until it is done, or stop it.",
        )
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return SetupError(
            f"the lock database {path} is damaged: {error}.",
            hint="Move it away, then compare the log with a checkpoint you trust: foreseal seal adopt",
        )
    return SetupError(f"the lock database {path} cannot be written: {error}.")
