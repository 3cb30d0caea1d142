"""The outbox: checkpoints on their way to an outside clock, each re-checked until it is final.

    queued ── sent ──> pending ──> included ──> final
       ^                  │            │
       └──── lost ────────┴────────────┘

What is to be sent is written down durably before it is sent, so that a crash at any moment leaves at worst
something to be sent again. One checkpoint is queued per interval, whatever happens; one that still waits when
the next is queued gives way to it, because a later checkpoint covers all that an earlier one does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from foreseal.clock import from_us, to_us
from foreseal.errors import ForesealError, ProofError, SetupError
from foreseal.seal.anchor import Anchor, Status
from foreseal.seal.checkpoint import read_checkpoint
from foreseal.seal.disk import make_folder, sync_folder

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
FORK = "fork"
"""The code of the `ProofError` by which an anchor says that it holds another history, or more of this one."""

Stage = Literal["queued", "pending", "included", "final"]

_SCHEMA = 1
_BUSY_SECONDS = 10.0
_DELETE = "DELETE FROM parcels WHERE anchor = ? AND origin = ? AND size = ?"
_COLUMNS = "origin, size, checkpoint, made, stage, reference, at, tries, retry, says"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A checkpoint on its way. ``says`` is what the anchor last said where it did not do what was asked.

    ``forked``: it has just refused, for it holds another history of this log, or more of it. That is not
    written down, for it is asked again.
    """

    origin: str
    size: int
    checkpoint: bytes
    made: datetime
    stage: Stage
    retry: datetime
    reference: str = ""
    at: datetime | None = None
    tries: int = 0
    says: str = ""
    forked: bool = False

    @property
    def open(self) -> bool:
        """Whether something is still to be done."""
        return self.stage != "final"


def queued(checkpoint: bytes, now: datetime) -> Parcel:
    """A new parcel."""
    head = read_checkpoint(checkpoint)
    return Parcel(head.origin, head.size, checkpoint, now, "queued", now)


def is_due(latest: Parcel | None, size: int, now: datetime, every: timedelta) -> bool:
    """Whether a checkpoint of ``size`` entries is to be queued, ``latest`` being the last that was."""
    if latest is None:
        return size > 0
    # After a clock that ran ahead has been set right, waiting for it would mean waiting for as long.
    return size > latest.size and not latest.made <= now < latest.made + every


def overtaken(parcels: Iterable[Parcel]) -> list[Parcel]:
    """Those that wait to be sent although a larger one is there."""
    parcels = list(parcels)
    largest = max((each.size for each in parcels), default=0)
    return [each for each in parcels if each.stage == "queued" and each.size < largest]


def sent(parcel: Parcel, reference: str, now: datetime) -> Parcel:
    """After it was sent."""
    return replace(parcel, stage="pending", reference=reference, tries=0, retry=now, says="")


def failed(parcel: Parcel, why: str, now: datetime) -> Parcel:
    """After the anchor could not be asked: wait, twice as long each time."""
    wait = min(FIRST_WAIT * 2 ** min(parcel.tries, 16), LONGEST_WAIT)
    return replace(parcel, tries=parcel.tries + 1, retry=now + wait, says=why)


def seen(parcel: Parcel, status: Status, now: datetime) -> Parcel:
    """After the anchor said what has become of it."""
    if status.state == "lost":
        return replace(failed(parcel, "it was lost", now), stage="queued", reference="", at=None)
    if status.state == "final":
        return replace(parcel, stage="final", at=status.at, tries=0, says="")
    # Not wrong, only not final: asked again after a while.
    waiting = failed(parcel, "", now)
    return replace(waiting, stage=status.state, at=status.at)


class Outbox:
    """Parcels of one anchor, in a SQLite file. One process at a time works through it.

    Losing the file, or restoring an older one, costs nothing but sending again.
    """

    def __init__(self, path: Path, name: str, origin: str) -> None:
        self._path, self._name, self._origin = path, name, origin
        make_folder(path.parent)
        with closing(self._connect()) as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS parcels (anchor TEXT NOT NULL, origin TEXT NOT NULL, "
                "size INTEGER NOT NULL, checkpoint BLOB NOT NULL, made INTEGER NOT NULL, "
                "stage TEXT NOT NULL, reference TEXT NOT NULL, at INTEGER, tries INTEGER NOT NULL, "
                "retry INTEGER NOT NULL, says TEXT NOT NULL, PRIMARY KEY (anchor, origin, size))"
            )
            db.execute(f"PRAGMA user_version = {_SCHEMA}")
        sync_folder(path.parent)

    def parcels(self, *, unfinished: bool = False) -> list[Parcel]:
        """Every parcel, or every one that is not final; smallest first."""
        more = " AND stage != 'final'" if unfinished else ""
        return self._select(f"{more} ORDER BY size")

    def latest(self) -> Parcel | None:
        """The largest checkpoint that was ever queued and not overtaken."""
        return next(iter(self._select(" ORDER BY size DESC LIMIT 1")), None)

    def offer(self, checkpoint: bytes, now: datetime, every: timedelta) -> bool:
        """Queue a signed checkpoint if one is due; durable when this returns. The same one twice is one."""
        parcel = queued(checkpoint, now)
        if parcel.origin != self._origin or not is_due(self.latest(), parcel.size, now, every):
            return False
        with closing(self._connect()) as db:
            db.execute("BEGIN IMMEDIATE")
            self._put(db, parcel)
            for each in overtaken([*self.parcels(unfinished=True), parcel]):
                db.execute(_DELETE, self._key(each))
            db.execute("COMMIT")
        return True

    def work(self, anchor: Anchor, clock: Callable[[], datetime]) -> list[Parcel]:
        """Take every unfinished parcel as far as it goes now; returns them as they are afterwards."""
        waiting = self.parcels(unfinished=True)
        drop = overtaken([*waiting, *filter(None, [self.latest()])])
        found = []
        for parcel in waiting:
            if parcel in drop:
                self._drop(parcel)
                continue
            if parcel.stage == "queued":
                parcel = self._save(_submit(anchor, parcel, clock))
            if parcel.stage in ("pending", "included"):
                parcel = self._save(_ask(anchor, parcel, clock))
            found.append(parcel)
        return found

    def next(self, size: int, every: timedelta, now: datetime) -> datetime | None:
        """When there is something to do for a log of ``size`` entries; None if all is final, nothing new."""
        latest = self.latest()
        times = [each.retry for each in self.parcels(unfinished=True)]
        if latest is None:
            times += [now] if size else []
        elif size > latest.size:
            times.append(now if is_due(latest, size, now, every) else latest.made + every)
        return min(times, default=None)

    def _save(self, parcel: Parcel) -> Parcel:
        with closing(self._connect()) as db:
            self._put(db, parcel)
        return parcel

    def _put(self, db: sqlite3.Connection, parcel: Parcel) -> None:
        at = None if parcel.at is None else to_us(parcel.at)
        values = (
            *self._key(parcel),
            parcel.checkpoint,
            to_us(parcel.made),
            parcel.stage,
            parcel.reference,
            at,
            parcel.tries,
            to_us(parcel.retry),
            parcel.says,
        )
        marks = ", ".join("?" * len(values))
        db.execute(f"INSERT OR REPLACE INTO parcels (anchor, {_COLUMNS}) VALUES ({marks})", values)

    def _drop(self, parcel: Parcel) -> None:
        with closing(self._connect()) as db:
            db.execute(_DELETE, self._key(parcel))

    def _key(self, parcel: Parcel) -> tuple[str, str, int]:
        return self._name, parcel.origin, parcel.size

    def _select(self, rest: str) -> list[Parcel]:
        with closing(self._connect()) as db:
            query = f"SELECT {_COLUMNS} FROM parcels WHERE anchor = ? AND origin = ?{rest}"
            rows = db.execute(query, (self._name, self._origin)).fetchall()
        return [
            Parcel(
                origin,
                size,
                checkpoint,
                from_us(made),
                stage,
                from_us(retry),
                reference,
                None if at is None else from_us(at),
                tries,
                says,
            )
            for origin, size, checkpoint, made, stage, reference, at, tries, retry, says in rows
        ]

    def _connect(self) -> sqlite3.Connection:
        try:
            db = sqlite3.connect(self._path, isolation_level=None, timeout=_BUSY_SECONDS)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error as error:
            raise SetupError(
                f"the outbox {self._path} cannot be opened: {error}.",
                hint="If it is damaged, move it away; what was not final is sent again.",
            ) from None
        return db


def _submit(anchor: Anchor, parcel: Parcel, clock: Callable[[], datetime]) -> Parcel:
    try:
        reference = anchor.submit(parcel.checkpoint)
    except ForesealError as error:
        refused = failed(parcel, error.message, clock())
        return replace(refused, forked=isinstance(error, ProofError) and error.code == FORK)
    return sent(parcel, reference, clock())


def _ask(anchor: Anchor, parcel: Parcel, clock: Callable[[], datetime]) -> Parcel:
    """Nothing is final on an anchor's word alone: what it attests is checked against the checkpoint first."""
    try:
        status = anchor.status(parcel.reference)
        if status.state == "final":
            status = Status("final", anchor.verify(parcel.reference, parcel.checkpoint).at)
    except ProofError as error:
        lost = seen(parcel, Status("lost"), clock())
        return replace(lost, says=error.message)
    except ForesealError as error:
        return failed(parcel, error.message, clock())
    return seen(parcel, status, clock())
