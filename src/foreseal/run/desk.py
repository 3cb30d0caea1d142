"""The desk: signs entries with the author's key and appends those of one step together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal.clock import LiveClock
from foreseal.errors import Refused
from foreseal.run.history import Said, replayed
from foreseal.seal.anchor import Times
from foreseal.seal.entry import parse_entry, sign_entry
from foreseal.seal.keys import author_id, public_bytes
from foreseal.seal.log import Log
from foreseal.seal.track import Placed

RECOVER = "Only a recovery key can name a new one: foreseal key rotate --with RECOVERY"


class Desk:
    """Stages what is said in one step and seals it with one append, so that a step is whole or absent.

    Every entry goes through the verifier's own ``history`` first: what others would refuse is never sealed.
    ``sealing`` tells when entries were sealed, where the log has witnesses. ``at`` in an entry is the
    machine's time, in replay too: a replay claims nothing about when it was made.
    """

    def __init__(self, log: Log, key: Ed25519PrivateKey, sealing: Times | None = None) -> None:
        self.author = author_id(public_bytes(key))
        self.history = replayed(log, sealing)
        self._log, self._key = log, key
        self._clock = LiveClock()
        self._staged: list[Placed] = []

    @property
    def last(self) -> str:
        """What the newest entry says about when it was made; empty if there is none."""
        newest = max(self.history.entries.values(), key=lambda each: each.index, default=None)
        return str(newest.entry["at"]) if newest else ""

    def say(self, kind: str, fields: Mapping[str, object]) -> Placed:
        """Stage an entry, to which others may refer at once. Raises `Refused` if a verifier would."""
        return self.stage(sign_entry(kind, fields, key=self._key, at=self.now()))

    def stage(self, raw: bytes) -> Placed:
        """Stage an entry that may be signed by another key than the desk's."""
        entry = parse_entry(raw)
        placed = Placed(self.history.size, entry)
        known = len(self.history.problems)
        self.history.add(entry)
        if len(self.history.problems) > known:
            hint = RECOVER if self.history.identities.void(entry.author, placed.index) else ""
            raise Refused(f"This would be sealed in vain: {self.history.problems[-1]}", hint=hint)
        self._staged.append(placed)
        return placed

    def commit(self) -> list[Said]:
        """Append what is staged. When this returns it is durable."""
        staged, self._staged = self._staged, []
        self._log.append([placed.entry.raw for placed in staged])
        return list(map(Said.of, staged))

    def now(self) -> datetime:
        """What entries made now say about when."""
        return self._clock.now().replace(microsecond=0)
