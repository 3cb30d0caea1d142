"""Whom to trust: the verifier keys of logs, as text (c2sp.org/tlog-policy).

    log example.com/log+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k
    quorum none

Witnesses are not supported yet: a policy that asks for them is refused, never weakened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from foreseal.errors import Malformed, SettingsError
from foreseal.seal.note import Ed25519Verifier, parse_vkey

MAX_POLICY = 1 << 16


@dataclass(frozen=True, slots=True)
class Policy:
    """The log keys that are trusted. Without any, nothing is verified, only found consistent."""

    logs: tuple[Ed25519Verifier, ...] = ()

    @classmethod
    def of(cls, vkeys: Iterable[str]) -> Policy:
        """A policy of verifier keys that were given one by one."""
        return cls(tuple(map(parse_vkey, vkeys)))


def parse_policy(text: str) -> Policy:
    """Parse a policy file. Raises `SettingsError` naming the line that is wrong or not supported."""
    if len(text) > MAX_POLICY:
        raise SettingsError(f"a policy has more than {MAX_POLICY} characters.")
    logs: list[Ed25519Verifier] = []
    quorum = False
    for number, line in enumerate(text.split("\n"), start=1):
        words = re.split(r"[ \t]+", line.strip(" \t"))
        if words == [""] or words[0].startswith("#"):
            continue
        if words[0] == "log" and len(words) in (2, 3):
            try:
                log = parse_vkey(words[1])
            except Malformed as error:
                raise SettingsError(f"line {number} of the policy: {error.message}") from None
            if any(log.public == other.public for other in logs):
                raise SettingsError(f"line {number} of the policy names the same key again.")
            logs.append(log)
        elif words == ["quorum", "none"] and not quorum:
            quorum = True
        else:
            raise SettingsError(
                f"line {number} of the policy is not supported: {line.strip()[:80]!r}.",
                hint="This version understands `log VKEY`, once `quorum none`, and comments.",
            )
    if not quorum:
        raise SettingsError("the policy has no quorum line.", hint="Add the line: quorum none")
    return Policy(tuple(logs))
