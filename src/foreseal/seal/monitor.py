"""Monitoring: do the witnesses of a policy hold one history of a log, the one that the log shows?

Every witness holds a checkpoint that the log has signed. Two that no single tree can have are evidence of a
fork, whoever was shown which.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from foreseal.errors import ForesealError, Malformed, Tampered
from foreseal.merkle import consistency_proof, subtree_root
from foreseal.seal.checkpoint import Checkpoint, open_checkpoint
from foreseal.seal.cosigning import fetch, fetch_checkpoint
from foreseal.seal.disk import read_file
from foreseal.seal.fork import Fork
from foreseal.seal.note import MAX_NOTE, Ed25519Verifier
from foreseal.seal.policy import Cosigned, Policy
from foreseal.seal.quorum import Witness
from foreseal.seal.reader import CHECKPOINT
from foreseal.seal.tiles import TileReader

_WORKERS = 16


@dataclass(slots=True)
class Watch:
    """What was found about one log: ``heads`` by the name of who holds them, the log itself as ``log``.

    ``problems`` are what should not be; ``forks`` prove that the log told two histories; ``notes`` are
    witnesses that did not answer. ``partly``: witnesses hold different sizes, which nothing but the log
    itself could compare, so only those of equal size were.
    """

    origin: str
    heads: dict[str, Cosigned] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    forks: list[Fork] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    partly: bool = False


class Shown:
    """A log as it is shown, in a folder or at an address: its checkpoint, and its tiles."""

    def __init__(self, place: str | Path, wait: float) -> None:
        self._read: Callable[[str, int], bytes]
        if isinstance(place, str) and "://" in place:
            self._read = lambda name, limit: _download(f"{place.rstrip('/')}/{name}", wait)
        else:
            self._read = lambda name, limit: read_file(Path(place) / name, limit)
        self.signed = self._read(CHECKPOINT, MAX_NOTE)

    def at(self, checkpoint: Checkpoint) -> _Tiles:
        """The tiles of the log under this checkpoint; raises `Tampered` if they do not lead to its root."""
        tiles = _Tiles(self._read, checkpoint.size)
        if tiles.edge().root() != checkpoint.root:
            raise Tampered(
                f"its tiles do not lead to the root that it has signed for {checkpoint.size} entries."
            )
        return tiles


class _Tiles(TileReader):
    def __init__(self, read: Callable[[str, int], bytes], size: int) -> None:
        super().__init__(Path(), size)
        self._read = read

    def _file(self, name: str, limit: int) -> bytes:
        return self._read(name, limit)


def watch(policy: Policy, key: Ed25519Verifier, place: str | Path | None, wait: float) -> Watch:
    """Compare what witnesses hold of the log with this key with each other, and with the log at ``place``."""
    found = Watch(key.name)
    witnesses = [each for each in policy.witnesses if each.url]
    with ThreadPoolExecutor(_WORKERS) as pool:
        held = list(pool.map(lambda each: _held(policy, key, each, wait), witnesses))
    for witness, head in zip(witnesses, held, strict=True):
        if isinstance(head, Cosigned):
            found.heads[witness.name] = head
        elif isinstance(head, ForesealError) and not isinstance(head, Malformed | Tampered):
            found.notes.append(f"{witness.name}: {head.message}")
        else:
            why = head.message if head else "it holds nothing of this log"
            (found.problems if head else found.notes).append(f"{witness.name}: {why}")
    found.notes += [
        f"{each.name}: the policy has no address of it" for each in policy.witnesses if not each.url
    ]
    if not found.heads:
        found.problems.append("no witness shows a checkpoint of this log, so there is nothing to compare")
    compare(found)
    if place is not None:
        # Read after the witnesses: what they hold, an honest log shows already.
        try:
            _compare_with(found, key, policy, Shown(place, wait))
        except ForesealError as error:
            found.problems.append(f"the log: {error.message}")
    else:
        found.partly = len({head.checkpoint.size for head in found.heads.values()}) > 1
    return found


def compare(found: Watch) -> None:
    """Find heads of one size and different roots."""
    for (one, a), (two, b) in itertools.combinations(found.heads.items(), 2):
        size = a.checkpoint.size
        if size == b.checkpoint.size and a.checkpoint.root != b.checkpoint.root:
            found.problems.append(f"{one} and {two} hold different trees of {size} entries.")
            found.forks.append(Fork(a.signed, b.signed, b.checkpoint.root))


def _compare_with(found: Watch, key: Ed25519Verifier, policy: Policy, log: Shown) -> None:
    checkpoint = open_checkpoint(log.signed, [key])
    tiles = log.at(checkpoint)
    for name, head in found.heads.items():
        size = head.checkpoint.size
        if size > checkpoint.size:
            found.problems.append(
                f"{name} has cosigned {size} entries, but the log shows only {checkpoint.size}: it withholds "
                "entries, or was restored from an old copy."
            )
        elif size and subtree_root(0, size, tiles.read) != head.checkpoint.root:
            found.problems.append(
                f"the {size} entries that {name} has cosigned are not those that the log shows."
            )
            proof = tuple(consistency_proof(size, checkpoint.size, tiles.read))
            found.forks.append(Fork(head.signed, log.signed, subtree_root(0, size, tiles.read), proof))
    found.heads["log"] = Cosigned(checkpoint, policy.open(log.signed).by, log.signed)


def _held(
    policy: Policy, key: Ed25519Verifier, witness: Witness, wait: float
) -> Cosigned | ForesealError | None:
    try:
        data = fetch_checkpoint(witness, key.name, wait)
        if data is None:
            return None
        checkpoint = open_checkpoint(data, [key])
        head = Cosigned(checkpoint, policy.open(data).by, data)
        if witness.name not in head.by:
            raise Tampered("it shows a checkpoint that it has not cosigned.")
    except ForesealError as error:
        return error
    return head


def _download(url: str, wait: float) -> bytes:
    status, _, body = fetch(url, wait)
    if status != 200:
        raise Tampered(f"{url} is missing (status {status}).")
    return body


def forks_of(watches: Sequence[Watch]) -> list[Fork]:
    """All evidence of forks."""
    return [fork for each in watches for fork in each.forks]
