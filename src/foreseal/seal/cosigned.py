"""Cosigned checkpoints that a log keeps, and what they say about when an entry was sealed.

``cosigned/<size>`` holds the checkpoint of that size with the cosignatures it got, so that an entry can be
shown to have been there when witnesses first saw it, not only when they last did.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from foreseal.clock import format_instant
from foreseal.errors import Malformed, ProofError, Tampered
from foreseal.merkle import Frontier
from foreseal.seal.box import Numbered
from foreseal.seal.checkpoint import parse_index
from foreseal.seal.disk import read_file
from foreseal.seal.note import MAX_NOTE
from foreseal.seal.policy import Cosigned, Policy
from foreseal.seal.problem import Problem

COSIGNED = "cosigned"


def cosigned_path(size: int) -> str:
    """Where the cosigned checkpoint of this size is kept."""
    return f"{COSIGNED}/{size}"


def cosigned_size(name: str) -> int | None:
    """The size that a path in a log's folder names, or None if it is not that of a cosigned checkpoint."""
    folder, _, size = name.partition("/")
    try:
        return parse_index(size) if folder == COSIGNED else None
    except Malformed:
        return None


def read_cosigned(folder: Path) -> Numbered:
    """The kept checkpoints of a log, by size, smallest first. **Nobody has checked them.**"""
    names = (path.relative_to(folder).as_posix() for path in (folder / COSIGNED).glob("*"))
    sizes = (size for size in map(cosigned_size, names) if size is not None)
    return Numbered(sizes, lambda size: read_file(folder / cosigned_path(size), MAX_NOTE))


class Sealing:
    """When entries were sealed, by the witnesses of a policy. ``heads`` are checkpoints of one log.

    The smallest checkpoint that includes an entry, has the quorum and gives a time decides; checkpoints
    without the quorum say nothing.
    """

    def __init__(self, policy: Policy, heads: Iterable[Cosigned]) -> None:
        self._heads: list[Cosigned] = []
        self._times: list[datetime] = []
        for head in sorted(heads, key=lambda head: head.checkpoint.size):
            at = policy.time(head.by)
            if at is not None and policy.met(head.by):
                self._heads.append(head)
                self._times.append(at)
        self._sizes = [head.checkpoint.size for head in self._heads]

    @classmethod
    def of(cls, policy: Policy, folder: Path) -> Sealing:
        """What the checkpoints kept in a log's own folder say. Raises `Tampered` if one is not genuine."""
        heads = []
        kept = read_cosigned(folder)
        for size in kept:
            try:
                heads.append(policy.open(kept[size]))
            except ProofError as error:
                raise Tampered(
                    f"{folder / cosigned_path(size)}: {error.message}",
                    hint="Restore this file from a copy; without it, entries count as sealed later.",
                ) from None
        return cls(policy, heads)

    def head(self, index: int) -> Cosigned | None:
        """The checkpoint that decides when the entry at this index was sealed."""
        at = bisect_right(self._sizes, index)
        return self._heads[at] if at < len(self._heads) else None

    def time(self, index: int) -> datetime | None:
        """When the entry at this index was sealed; None while no quorum has seen it."""
        at = bisect_right(self._sizes, index)
        return self._times[at] if at < len(self._times) else None


def check_heads(
    policy: Policy, head: Cosigned, kept: Mapping[int, bytes], leaves: Sequence[bytes]
) -> tuple[Sealing, list[Problem]]:
    """What the kept checkpoints of a log say about time, and what is wrong with them.

    ``head`` is the present checkpoint, whose leaf hashes are ``leaves``. A kept one counts only if it is
    signed by the same log and has the root of as many of these leaves. What says when keeps no bytes of them.
    """
    heads, problems, frontier = [head], [], Frontier()
    for size in sorted(kept):
        name = cosigned_path(size)
        try:
            found = policy.open(kept[size])
        except ProofError as error:
            if error.code == "container":
                raise
            code = "checkpoint" if isinstance(error, Malformed) else "signature"
            problems.append(Problem.of(error, code, name))
            continue
        if (found.checkpoint.origin, found.checkpoint.size) != (head.checkpoint.origin, size):
            problems.append(Problem(f"{name} is a checkpoint of another log or size.", "checkpoint"))
        elif size > head.checkpoint.size:
            problems.append(Problem(f"{name} has more entries than the checkpoint.", "fork"))
        else:
            frontier.extend(leaves[frontier.size : size])
            if frontier.root() == found.checkpoint.root:
                heads.append(replace(found, signed=b""))
            else:
                problems.append(Problem(f"{name} has a root that the entries do not give.", "fork"))
    return Sealing(policy, heads), problems


def time_statements(policy: Policy, head: Cosigned, unattested: str) -> list[str]:
    """By when witnesses have seen a checkpoint, in words; ``unattested`` where none says so."""
    at, named = policy.time(head.by), [name for name in head.by if name not in policy.own]
    lines = [unattested]
    if at is not None:
        liars = f", even if {policy.tolerate} of them lie" if policy.tolerate else ""
        lines = [f"sealed by {format_instant(at)}, as {', '.join(named)} cosigned{liars}"]
    own = [name for name in head.by if name in policy.own]
    if own:
        lines.append(f"{', '.join(own)}: run by the log's own operator: no evidence of time")
    return lines
