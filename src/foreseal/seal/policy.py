"""Whom to trust: logs, witnesses, and how many of these must agree (c2sp.org/tlog-policy).

    log example.com/log+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k
    witness a example.org/a+2f1c67ad+BG4r... https://a.example.org
    witness b example.net/b+9b10ce42+BLqT... https://b.example.net
    witness c us.example/c+70a1f5be+BPzw...
    group all-of-us 2 a b c
    quorum all-of-us
    tolerate 0
    own c

``tolerate`` and ``own`` are lines of ours: how many of the witnesses may collude with the log, and which of
them its own operator runs. These have no weight, neither in a quorum nor for time. A quorum that colluders
could give to two different trees is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from foreseal.errors import Malformed, ProofError, SettingsError, UsageError
from foreseal.seal.checkpoint import Checkpoint, open_checkpoint
from foreseal.seal.cosignature import parse_witness
from foreseal.seal.disk import read_file
from foreseal.seal.note import MAX_SIGNATURES, Ed25519Verifier, Note, Verifier, parse_note, parse_vkey
from foreseal.seal.quorum import Group, Part, Witness, check_group, met, overlap

MAX_POLICY = 1 << 16
MAX_WITNESSES = MAX_SIGNATURES - 1
MAX_GROUPS = 63
NONE = "none"

_GROUP = "witnesses"


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint that a trusted log has signed, and when which witness of the policy cosigned it."""

    checkpoint: Checkpoint
    by: Mapping[str, datetime]
    signed: bytes


@dataclass(frozen=True, slots=True)
class Policy:
    """Trusted logs, witnesses and the quorum. Without a log nothing is verified, only found consistent.

    Raises `SettingsError` if the quorum is too weak against ``tolerate`` colluding witnesses.
    """

    logs: tuple[Ed25519Verifier, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NONE
    tolerate: int = 0
    own: frozenset[str] = frozenset()
    _parts: Mapping[str, Part] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts: dict[str, Part] = {}
        used: set[str] = set()
        if len(self.witnesses) > MAX_WITNESSES:
            raise SettingsError(f"the policy has {len(self.witnesses)} witnesses; limit: {MAX_WITNESSES}.")
        if len(self.groups) > MAX_GROUPS:
            raise SettingsError(f"the policy has {len(self.groups)} groups; limit: {MAX_GROUPS}.")
        if len({witness.key.public for witness in self.witnesses}) < len(self.witnesses):
            raise SettingsError("two witnesses of the policy have the same key.")
        everything: tuple[Part, ...] = (*self.witnesses, *self.groups)
        for part in everything:
            if part.name in parts or part.name == NONE:
                raise SettingsError(f"the policy cannot use the name {part.name!r} for two things.")
            if isinstance(part, Group):
                check_group(part, parts, used)
            parts[part.name] = part
        for name in self.own:
            if not isinstance(parts.get(name), Witness):
                raise SettingsError(f"own names {name!r}, which is no witness of the policy.")
        if self.quorum not in (NONE, *parts):
            raise SettingsError(f"the quorum {self.quorum!r} is no witness or group of the policy.")
        object.__setattr__(self, "_parts", parts)
        self._refuse_weak()

    @classmethod
    def of(cls, trust: Policy | Iterable[str | Verifier]) -> Policy:
        """A policy as it is, or one of log keys that were given one by one, without witnesses."""
        if isinstance(trust, Policy):
            return trust
        try:
            keys = [parse_vkey(key) if isinstance(key, str) else key for key in trust]
        except Malformed as error:
            raise UsageError(error.message, hint=error.hint) from None
        if not all(isinstance(key, Ed25519Verifier) for key in keys):
            raise UsageError("a log is trusted by its Ed25519 key.")
        return cls(tuple(key for key in keys if isinstance(key, Ed25519Verifier)))

    @classmethod
    def k_of_n(
        cls,
        logs: Sequence[Ed25519Verifier],
        need: int,
        witnesses: Iterable[str],
        *,
        tolerate: int = 0,
        own: Iterable[str] = (),
    ) -> Policy:
        """``need`` of the witnesses, each given as ``"VKEY URL"`` and known by the name in its key."""
        found = []
        for text in witnesses:
            vkey, _, url = text.strip().partition(" ")
            try:
                key = parse_witness(vkey)
            except Malformed as error:
                raise SettingsError(f"a witness is not given as 'VKEY URL': {error.message}") from None
            found.append(Witness(key.name, key, url.strip()))
        group = Group(_GROUP, need, tuple(witness.name for witness in found))
        return cls(tuple(logs), tuple(found), (group,), _GROUP, tolerate, frozenset(own))

    def __str__(self) -> str:
        """The policy file; parses back to the same policy."""
        lines = [f"log {key}" for key in self.logs]
        lines += [f"witness {each.name} {each.key} {each.url}".strip() for each in self.witnesses]
        lines += [f"group {each.name} {each.need} {' '.join(each.members)}" for each in self.groups]
        lines.append(f"quorum {self.quorum}")
        lines += [f"tolerate {self.tolerate}"] if self.tolerate else []
        lines += [f"own {' '.join(sorted(self.own))}"] if self.own else []
        return "".join(f"{line}\n" for line in lines)

    def open(self, data: bytes) -> Cosigned:
        """A checkpoint that a log of this policy has signed. **Whether its quorum is met is not checked.**

        Raises `Malformed`, or `Tampered` if no trusted log has signed, or a known key's signature is wrong.
        """
        return Cosigned(open_checkpoint(data, self.logs), self.cosignatures(parse_note(data)), data)

    def cosignatures(self, note: Note) -> dict[str, datetime]:
        """When each witness of the policy first cosigned. Raises `Tampered` for a wrong cosignature."""
        names = {each.key.public: each.name for each in self.witnesses}
        found: dict[str, datetime] = {}
        for key, line in note.verified([each.key for each in self.witnesses]):
            name, at = names[key.public], key.time(line.signature)
            found[name] = min(at, found.get(name, at))
        return found

    def met(self, by: Collection[str]) -> bool:
        """Whether cosignatures by these witnesses are a quorum."""
        return self.quorum == NONE or met(self._parts, self.quorum, set(by) - self.own)

    def time(self, cosignatures: Mapping[str, datetime]) -> datetime | None:
        """The sealing time: by then, ``tolerate`` liars apart, a witness had seen it.

        It is the (f+1)-th smallest time among the witnesses that the log's operator does not run; None if
        there are not that many.
        """
        times = sorted(at for name, at in cosignatures.items() if name not in self.own)
        return times[self.tolerate] if len(times) > self.tolerate else None

    def missing(self, by: Collection[str]) -> str:
        """What a checkpoint with these cosignatures lacks, in words; empty if it lacks nothing."""
        if self.met(by):
            return ""
        others = [each.name for each in self.witnesses if each.name not in self.own]
        absent = [name for name in others if name not in by]
        part = self._parts[self.quorum]
        need = f"{part.need} of {len(part.members)}" if isinstance(part, Group) else "1 of 1"
        return (
            f"the quorum has not cosigned it yet: {len(others) - len(absent)} of {len(others)} witnesses "
            f"have, and {self.quorum} needs {need}; no cosignature by {', '.join(absent)}"
        )

    def overlap(self) -> int:
        """The fewest witnesses, none of them the operator's own, that any two quorums share."""
        return 0 if self.quorum == NONE else overlap(self._parts, self.quorum, self.own) or 0

    def _refuse_weak(self) -> None:
        if self.tolerate < 0:
            raise SettingsError(f"the policy tolerates {self.tolerate} witnesses; that is no number.")
        if self.quorum == NONE or self.overlap() > self.tolerate:
            return
        if overlap(self._parts, self.quorum, self.own) is None:
            raise SettingsError(
                f"the quorum {self.quorum} cannot be had without {', '.join(sorted(self.own))}, which the "
                "log's operator runs: these count for nothing.",
                hint="Name witnesses that others run, or ask for fewer.",
            )
        part, f = self._parts[self.quorum], self.tolerate
        if isinstance(part, Group) and all(isinstance(self._parts[name], Witness) for name in part.members):
            k, n = part.need, len(set(part.members) - self.own)
            least = (n + f) // 2 + 1
            raise SettingsError(
                f"a quorum of {k} of {n} witnesses is too weak if {f} of them may collude with the log: two "
                f"different trees could both get it. It needs more than (n + f) / 2 = ({n} + {f}) / 2.",
                hint=f"Ask for {least} of {n}." if least <= n else "Name more witnesses, or tolerate fewer.",
            )
        raise SettingsError(
            f"the quorum {self.quorum} is too weak if {f} witnesses may collude with the log: two quorums "
            f"may share as few as {self.overlap()}, and must share at least {f + 1}.",
            hint="Raise the thresholds of its groups, or name more witnesses.",
        )


def read_policy(path: Path) -> Policy:
    """The policy in a file. Raises `SettingsError` if there is none."""
    try:
        return parse_policy(read_file(path, 4 * MAX_POLICY).decode())
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not a policy file: it is not UTF-8.") from None
    except ProofError as error:
        raise SettingsError(error.message) from None


def parse_policy(text: str) -> Policy:
    """Parse a policy file. Raises `SettingsError` naming the line that is wrong or not supported."""
    # An editor may have put a byte order mark before it, and CR LF at the ends of lines.
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if len(text) > MAX_POLICY:
        raise SettingsError(f"a policy has more than {MAX_POLICY} characters.")
    found = _Draft()
    for number, line in enumerate(text.split("\n"), start=1):
        words = re.split(r"[ \t]+", line.strip(" \t"))
        if words == [""] or words[0].startswith("#"):
            continue
        try:
            known = all(char >= " " or char == "\t" for char in line) and found.take(words)
        except (Malformed, UsageError) as error:
            raise SettingsError(f"line {number} of the policy: {error.message}", hint=error.hint) from None
        if not known:
            raise SettingsError(
                f"line {number} of the policy is not understood: {line.strip()[:80]!r}.",
                hint="A policy has lines log, witness, group, tolerate, own, comments, and one line quorum.",
            )
    if found.quorum is None:
        raise SettingsError("the policy has no quorum line.", hint="Add one; without witnesses: quorum none")
    return Policy(
        tuple(found.logs),
        tuple(found.witnesses),
        tuple(found.groups),
        found.quorum,
        found.tolerate or 0,
        frozenset(found.own),
    )


@dataclass(slots=True)
class _Draft:
    """A policy while its lines are read."""

    logs: list[Ed25519Verifier] = field(default_factory=list)
    witnesses: list[Witness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorum: str | None = None
    tolerate: int | None = None
    own: list[str] = field(default_factory=list)

    def take(self, words: list[str]) -> bool:
        """Take one line; False if it is none that a policy may have."""
        parts: dict[str, Part] = {each.name: each for each in self.witnesses}
        parts |= {each.name: each for each in self.groups}
        match words:
            case ["log", vkey] | ["log", vkey, _]:
                log = parse_vkey(vkey)
                if any(log.public == other.public for other in self.logs):
                    raise SettingsError("it names the same key again.")
                self.logs.append(log)
            case ["witness", name, vkey, *url] if len(url) < 2:
                key = parse_witness(vkey)
                if name in (NONE, *parts) or any(key.public == other.key.public for other in self.witnesses):
                    raise SettingsError(f"it names {name!r} or its key again.")
                if len(self.witnesses) == MAX_WITNESSES:
                    raise SettingsError(f"a policy has at most {MAX_WITNESSES} witnesses.")
                self.witnesses.append(Witness(name, key, *url))
            case ["group", name, need, _, *_]:
                if name in (NONE, *parts):
                    raise SettingsError(f"it names {name!r} again.")
                if len(self.groups) == MAX_GROUPS:
                    raise SettingsError(f"a policy has at most {MAX_GROUPS} groups.")
                members = tuple(words[3:])
                group = Group(name, _threshold(need, len(members)), members)
                check_group(group, parts, {m for other in self.groups for m in other.members})
                self.groups.append(group)
            case ["quorum", name] if self.quorum is None:
                if name not in (NONE, *parts):
                    raise SettingsError(f"the quorum {name!r} is not declared before it.")
                self.quorum = name
            case ["tolerate", count] if self.tolerate is None:
                self.tolerate = _number(count)
            case ["own", _, *_]:
                self.own += words[1:]
            case _:
                return False
        return True


def _threshold(word: str, members: int) -> int:
    return {"any": 1, "all": members}.get(word) or _number(word)


def _number(word: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,3}", word, re.ASCII):
        raise SettingsError(f"{word[:40]!r} is not a count.")
    return int(word)
