"""Cosignatures: what a witness adds to a checkpoint (c2sp.org/tlog-cosignature).

    cosignature/v1
    time 1679315147
    example.com/behind-the-sofa
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

The witness signs two lines of its own and the whole text of the checkpoint: at this time, this is the largest
tree of this log that it has seen, and it extends all that it had seen before. The signature line carries the
time as 8 bytes, big-endian, before the 64 bytes of Ed25519.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal.errors import UsageError
from foreseal.seal.note import Signature, Verifier, VerifierKey, ed25519_verifies, parse_key

COSIGNATURE_V1 = 0x04
TIME_SIZE = 8
SIGNATURE_SIZE = TIME_SIZE + 64

# The last second that can be written as RFC 3339; no clock is right beyond it.
MAX_TIME = 253_402_300_799


class Cosigner(Verifier, Protocol):
    """The key of a witness. One implementation per signature type."""

    @property
    def public(self) -> bytes:
        """The public key, by which witnesses are told apart."""
        ...

    def time(self, signature: bytes) -> datetime:
        """When the signature says that it was made. Means nothing until it is verified."""
        ...


@dataclass(frozen=True, slots=True)
class CosignatureVerifier(VerifierKey):
    """The Ed25519 key of a witness, signature type 0x04."""

    kind: ClassVar[int] = COSIGNATURE_V1

    def verifies(self, text: bytes, signature: bytes) -> bool:
        seconds = _seconds(signature)
        if len(signature) != SIGNATURE_SIZE or seconds > MAX_TIME:
            return False
        return ed25519_verifies(self.public, _message(text, seconds), signature[TIME_SIZE:])

    def time(self, signature: bytes) -> datetime:
        return datetime.fromtimestamp(_seconds(signature), UTC)


@dataclass(frozen=True, slots=True)
class CosignatureSigner:
    """The private key of a witness, under the name it cosigns with."""

    name: str
    key: Ed25519PrivateKey

    @property
    def verifier(self) -> CosignatureVerifier:
        """The public half."""
        return CosignatureVerifier(self.name, self.key.public_key().public_bytes_raw())

    def sign(self, text: str, at: datetime) -> Signature:
        """Signature line over the text of a checkpoint, at a time (UTC, whole seconds)."""
        seconds = int(at.timestamp())
        if not 0 <= seconds <= MAX_TIME:
            raise UsageError(f"a cosignature cannot be made at {at}.")
        signature = self.key.sign(_message(text.encode(), seconds))
        return Signature(self.name, self.verifier.key_id, seconds.to_bytes(TIME_SIZE, "big") + signature)


# Signature types that count as a witness's; ML-DSA-44 (0x06) would be one more.
_COSIGNERS: Mapping[int, Callable[[str, bytes], Cosigner]] = {COSIGNATURE_V1: CosignatureVerifier}


def parse_witness(text: str) -> Cosigner:
    """Parse the verifier key of a witness; what is accepted prints back to the same text."""
    return parse_key(text, _COSIGNERS, "Witnesses cosign with keys of type 0x04 (cosignature/v1).")


def _message(text: bytes, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n".encode() + text


def _seconds(signature: bytes) -> int:
    return int.from_bytes(signature[:TIME_SIZE], "big")
