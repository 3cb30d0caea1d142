"""Quorums: which sets of witnesses are enough, and how many witnesses any two such sets share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from foreseal.errors import SettingsError
from foreseal.seal.cosignature import Cosigner


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness, and the policy's name for it. ``url`` is where it takes checkpoints, or empty."""

    name: str
    key: Cosigner
    url: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """``need`` of the ``members`` (witnesses or groups declared before) must have cosigned."""

    name: str
    need: int
    members: tuple[str, ...]


Part = Group | Witness

Parts = Mapping[str, Part]


def check_group(group: Group, parts: Parts, used: set[str]) -> None:
    """Refuse a group of things that are not declared before it (``parts``) or are ``used`` in a group."""
    for member in group.members:
        if member not in parts:
            raise SettingsError(f"the group {group.name} names {member!r}, which is not declared before it.")
        if member in used:
            raise SettingsError(f"{member!r} is a member of a group more than once.")
        used.add(member)
    if not 1 <= group.need <= len(group.members):
        raise SettingsError(f"the group {group.name} needs {group.need} of its {len(group.members)} members.")


def met(parts: Parts, name: str, by: Collection[str]) -> bool:
    """Whether cosignatures by these witnesses satisfy a witness or group."""
    part = parts[name]
    if isinstance(part, Witness):
        return name in by
    return sum(met(parts, member, by) for member in part.members) >= part.need


def overlap(parts: Parts, name: str, own: Collection[str] = ()) -> int | None:
    """The fewest witnesses that any two sets satisfying a witness or group share; None if none satisfies it.

    ``own`` witnesses are in no set. No name is a member twice, so groups are disjoint: two choices of k of n
    members have at least 2k - n in common, at worst those members whose own sets share the fewest.
    """
    part = parts[name]
    if isinstance(part, Witness):
        return None if name in own else 1
    shared = [each for each in (overlap(parts, member, own) for member in part.members) if each is not None]
    if len(shared) < part.need:
        return None
    return sum(sorted(shared)[: max(2 * part.need - len(shared), 0)])
