"""Agreements: terms that several parties have signed, each with the key by which it signs its own entries.

What they sign says nothing of any log: Ed25519 over ``foreseal/agree/v1\\n`` and the canonical JSON of name,
terms (digest and size), time, and the parties' names and keys. So one agreement can be an entry in the log of
each of its parties, and whoever withdraws it from one log is still bound by its signature in the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal.clock import format_instant, parse_instant
from foreseal.errors import Malformed, Tampered, UsageError
from foreseal.seal import jcs
from foreseal.seal.keys import author_id, parse_author, public_bytes
from foreseal.seal.note import ed25519_verifies
from foreseal.seal.schema import KINDS, check_agreed

MAX_AGREEMENT = 8192

_DOMAIN = b"foreseal/agree/v1\n"


@dataclass(frozen=True, slots=True)
class Agreement:
    """What is agreed, and who has signed it so far. ``parties`` are names and author ids, by ascending id."""

    name: str
    sha256: str
    size: int
    made: datetime
    parties: tuple[tuple[str, str], ...]
    signatures: Mapping[str, str]

    @classmethod
    def of(cls, name: str, terms: bytes, made: datetime, parties: Mapping[str, str]) -> Agreement:
        """A new one that nobody has signed: ``parties`` are author ids by name, ``terms`` the exact bytes."""
        ordered = tuple(sorted(parties.items(), key=lambda party: party[1]))
        return cls(name, sha256(terms).hexdigest(), len(terms), made, ordered, {})

    @classmethod
    def parse(cls, data: bytes) -> Agreement:
        """From its file; signatures that are there must hold. Raises `Malformed` or `Tampered`."""
        if len(data) > MAX_AGREEMENT:
            raise Malformed(f"an agreement has more than {MAX_AGREEMENT} bytes.")
        found = jcs.decode(data)
        check_agreed(found)
        assert isinstance(found, dict)
        given = {each["key"]: each["signature"] for each in found["parties"] if "signature" in each}
        agreement = cls(
            found["name"],
            found["terms"]["sha256"],
            found["terms"]["size"],
            parse_instant(found["made"]),
            tuple((each["name"], each["key"]) for each in found["parties"]),
            given,
        )
        check_signatures(found, given)
        return agreement

    def __bytes__(self) -> bytes:
        """Its file: canonical JSON, as much signed as it is."""
        return jcs.encode(self.fields)

    @property
    def fields(self) -> dict[str, Any]:
        """As an entry holds it, once everybody has signed."""
        return {
            "name": self.name,
            "terms": {"sha256": self.sha256, "size": self.size},
            "made": format_instant(self.made),
            "parties": [
                {
                    "name": name,
                    "key": key,
                    **({"signature": self.signatures[key]} if key in self.signatures else {}),
                }
                for name, key in self.parties
            ],
        }

    @property
    def lacks(self) -> Sequence[str]:
        """Who has not signed yet."""
        return [name for name, key in self.parties if key not in self.signatures]

    def signed(self, key: Ed25519PrivateKey) -> Agreement:
        """With one more signature. Raises `UsageError` if the key is no party's."""
        author = author_id(public_bytes(key))
        if author not in [party for _, party in self.parties]:
            raise UsageError(f"{author} is no party to the agreement {self.name}.")
        signature = key.sign(_message(self.fields)).hex()
        return Agreement(
            self.name,
            self.sha256,
            self.size,
            self.made,
            self.parties,
            {**self.signatures, author: signature},
        )


def check_signatures(fields: Mapping[str, Any], signatures: Mapping[str, str]) -> None:
    """Raise `Tampered` unless each of the signatures, by key, holds over what is agreed."""
    message = _message(fields)
    names = {each["key"]: each["name"] for each in fields["parties"]}
    for key, signature in signatures.items():
        if not ed25519_verifies(parse_author(key), message, bytes.fromhex(signature)):
            raise Tampered(f"the agreement is not signed by its party {names[key]}.", code="signature")


def _message(fields: Mapping[str, Any]) -> bytes:
    agreed = {field: fields[field] for field in KINDS["agreement"]}
    agreed["parties"] = [{"name": each["name"], "key": each["key"]} for each in fields["parties"]]
    return _DOMAIN + jcs.encode(agreed)
