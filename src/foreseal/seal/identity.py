"""Who may say something: keys that were added, what replaced them, and which were revoked.

A key and all that replace it are one *line*, and one author. Only the current key of a line may speak; a
recovery key, declared beforehand, can rotate and revoke and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal.clock import format_instant
from foreseal.errors import Malformed, ProofError, Tampered
from foreseal.seal import jcs
from foreseal.seal.entry import Entry, parse_entry, sign_entry
from foreseal.seal.keys import author_id, parse_author, public_bytes
from foreseal.seal.note import ed25519_verifies
from foreseal.seal.schema import VERSION

JUDGING = ("outcome", "score")
"""Kinds of entries behind which no revocation reaches back."""

_DOMAIN = b"foreseal/rotate/v1\n"
_REVOKE = b'"action":"revoke"'
_JUDGED = (b'"kind":"outcome"', b'"kind":"score"')
_IDENTITY = b'"kind":"identity"'


@dataclass(frozen=True, slots=True)
class Revocation:
    """A key is void from the index ``holds`` on: so said the entry at ``index``, made ``at``, it claims."""

    holds: int
    index: int
    at: datetime


Revoked = Mapping[str, tuple[Revocation, ...]]
"""All revocations of each key, in the order of the log."""


def sign_rotation(
    fields: Mapping[str, Any], *, key: Ed25519PrivateKey, consent: Ed25519PrivateKey, at: datetime
) -> bytes:
    """The entry by which ``key`` takes the place of ``fields["previous"]``.

    ``consent`` is the key before, or a recovery key of its line; it signs everything but the signatures.
    """
    author = author_id(public_bytes(key))
    whole = {**fields, "action": "rotate", "key": author}
    unsigned = {**whole, "v": VERSION, "kind": "identity", "author": author, "at": format_instant(at)}
    previous_sig = consent.sign(_DOMAIN + jcs.encode(unsigned)).hex()
    return sign_entry("identity", {**whole, "previous_sig": previous_sig}, key=key, at=at)


@dataclass(slots=True)
class Identities:
    """The keys of a log after the identity entries taken so far.

    ``revoked`` may hold from the start what later entries will revoke (:func:`find_revocations`), because a
    revocation reaches back. Which key is a line's current one never depends on what comes later.
    """

    revoked: dict[str, tuple[Revocation, ...]] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)
    _current: dict[str, str] = field(default_factory=dict)
    _recovery: dict[str, set[str]] = field(default_factory=dict)
    _rotated: dict[str, int] = field(default_factory=dict)
    _handed: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Key to the key before it that consented to it, and where."""

    def line(self, key: str) -> str:
        """The first key of the line that a key belongs to; the key itself if it is unknown."""
        return self.lines.get(key, key)

    def same(self, one: str | None, other: str) -> bool:
        """Whether two keys are one author's."""
        return one is not None and self.line(one) == self.line(other)

    def recovery(self, key: str) -> frozenset[str]:
        """The recovery keys of a key's line."""
        return frozenset(self._recovery.get(self.line(key), ()))

    def current(self, key: str) -> str | None:
        """The key that replaced a key, or itself; None if the key is unknown."""
        return self._current.get(self.line(key))

    def void(self, key: str, index: int) -> tuple[Revocation, ...]:
        """The revocations by which a key is void at an index, in the order of the log."""
        return tuple(each for each in self.revoked.get(key, ()) if each.holds <= index)

    def check(self, author: str, index: int) -> bool:
        """Whether an entry by ``author`` at ``index`` counts; False if a later revocation sets it aside.

        Raises `Malformed` if it could have been known that it does not.
        """
        if author not in self.lines:
            raise Malformed(f"its author {author} has no identity in this log.", code="identity")
        void = self.void(author, index)
        if void and void[0].index < index:
            raise Malformed(f"its author's key was revoked in entry {void[0].index}.", code="revoked")
        if void:
            return False
        if self.current(author) != author:
            raise Malformed(f"its author's key was replaced by {self.current(author)}.", code="revoked")
        return True

    def take(self, index: int, entry: Entry, judged: int) -> bool:
        """Take an identity entry; ``judged`` is the index of the last outcome or score before it, or -1.

        False if a later revocation sets it aside. Raises `Malformed` or `Tampered` if it has no right.
        """
        action, key = entry["action"], entry["key"]
        if action == "add":
            if key not in self.lines:
                self.lines[key] = self._current[key] = key
                self._recovery[key] = set()
                self._recover(key, entry)
        elif action == "rotate":
            return self._rotate(index, entry)
        else:
            return self._revoke(index, entry, judged)
        return True

    def _recover(self, line: str, entry: Entry) -> None:
        if "recovery" in entry.fields:
            self._recovery[line].add(entry["recovery"])

    def _speaks(self, key: str, index: int) -> bool:
        """Whether a key could speak as far as the entries before ``index`` tell."""
        return self.current(key) == key and all(each.index >= index for each in self.revoked.get(key, ()))

    def _rotate(self, index: int, entry: Entry) -> bool:
        key, previous = entry["key"], entry["previous"]
        if key in self.lines:
            raise Malformed(f"the key {key} is in this log already.", code="identity")
        if previous not in self.lines:
            raise Malformed(f"the key {previous} has no identity in this log.", code="identity")
        line = self.line(previous)
        consents = [*([previous] if self._speaks(previous, index) else ()), *sorted(self._recovery[line])]
        unsigned = {
            name: value for name, value in entry.fields.items() if name not in ("sig", "previous_sig")
        }
        message, signature = _DOMAIN + jcs.encode(unsigned), bytes.fromhex(entry["previous_sig"])
        by = next((a for a in consents if ed25519_verifies(parse_author(a), message, signature)), None)
        if by is None:
            raise Tampered(
                f"the rotation is signed neither by {previous}, as the current key, nor by a recovery key.",
                code="signature",
            )
        self.lines[key] = line
        self._current[line], self._rotated[line] = key, index
        if by == previous:
            self._handed[key] = (previous, index)
        if by == previous and self.void(previous, index):
            return False
        self._recover(line, entry)
        return True

    def _revoke(self, index: int, entry: Entry, judged: int) -> bool:
        author, key = entry.author, entry["key"]
        if key not in self.lines:
            raise Malformed(f"the key {key} has no identity in this log.", code="identity")
        line = self.line(key)
        recovers, void = author in self._recovery[line], self.void(author, index)
        if not recovers and void and void[0].index > index:
            return False
        if not recovers and not (self.same(author, key) and self._speaks(author, index)):
            raise Malformed(f"{author} has no right to revoke {key}.", code="identity")
        if entry["from"] > index:
            raise Malformed("a revocation does not begin after the entry that says so.", code="identity")
        if all(each.index != index for each in self.revoked.get(key, ())):
            # Only a recovery key reaches back behind the rotation that made the present key the current one.
            least = judged + 1 if recovers else max(judged, self._rotated.get(line, -1)) + 1
            self._void(key, Revocation(max(entry["from"], least), index, entry.at))
        return True

    def _void(self, key: str, found: Revocation) -> None:
        self.revoked[key] = (*self.revoked.get(key, ()), found)
        # Whoever held the key by then is not its owner, and neither is who they handed it to.
        for following, (previous, at) in self._handed.items():
            if previous == key and found.holds <= at:
                self._void(following, Revocation(at, found.index, found.at))


def find_revocations(raws: Iterable[bytes]) -> dict[str, tuple[Revocation, ...]]:
    """What the identity entries of a whole log revoke, by key.

    A revocation holds from the index it names, but not back behind the last outcome or score before it:
    nobody can take back what has been judged.
    """
    raws = raws if isinstance(raws, Sequence) else list(raws)
    if not any(_REVOKE in raw for raw in raws):
        return {}
    found = Identities()
    for index, raw in enumerate(raws):
        # In canonical JSON these bytes occur as a member and nowhere inside a text; parsing decides.
        if _IDENTITY in raw:
            entry = _parsed(raw)
            if entry is not None and entry.kind == "identity":
                judged = _last_judged(raws, index) if entry["action"] == "revoke" else -1
                try:
                    found.take(index, entry, judged)
                except ProofError:
                    continue  # the replay names it
    return found.revoked


def _last_judged(raws: Sequence[bytes], index: int) -> int:
    for at in range(index - 1, -1, -1):
        if any(kind in raws[at] for kind in _JUDGED):
            entry = _parsed(raws[at])
            if entry is not None and entry.kind in JUDGING:
                return at
    return -1


def _parsed(raw: bytes) -> Entry | None:
    try:
        return parse_entry(raw)
    except ProofError:
        return None
