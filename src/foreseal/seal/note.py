"""Signed notes: text with signature lines (c2sp.org/signed-note).

    This is an example message.

    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6[...]Yu72IneyaQM=

A signature line is an em dash, the key's name, and base64 of a 4-byte key id and the signature over the
text with its final newline. A key is known by name and id together; signatures by unknown keys are ignored,
and one bad signature by a known key rejects the whole note.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import ClassVar, Protocol, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from foreseal.errors import Malformed, Tampered, UsageError

MAX_NOTE = 1 << 20
MAX_SIGNATURES = 64
MAX_NAME = 255
KEY_ID_SIZE = 4
ED25519 = 0x01
ED25519_SIZE = 32

_DASH = "\N{EM DASH} "


class Verifier(Protocol):
    """A key that is known: what a policy is made of. One implementation per signature type."""

    @property
    def name(self) -> str:
        """Name of the key, such as ``example.com/log``."""
        ...

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        ...

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this key's signature over the note text."""
        ...


_Key = TypeVar("_Key", bound=Verifier)

STRANGER = "no key that you named has signed this"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line, not yet verified."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note. ``text`` ends with a newline; it means nothing until a known key has signed it."""

    text: str
    signatures: tuple[Signature, ...]

    def __bytes__(self) -> bytes:
        return f"{self.text}\n{''.join(map(str, self.signatures))}".encode()

    def signers(self, keys: Iterable[Verifier]) -> tuple[Verifier, ...]:
        """The known keys that signed. Raises `Tampered` if none did, or if one's signature is wrong."""
        found = tuple(key for key, _ in self.verified(keys))
        if not found:
            names = ", ".join(f"{line.name}+{line.key_id.hex()}" for line in self.signatures)
            raise Tampered(f"{STRANGER}; it is signed by {names}.")
        return found

    def verified(self, keys: Iterable[_Key]) -> list[tuple[_Key, Signature]]:
        """The signatures by known keys, in the note's order. Raises `Tampered` if one of them is wrong."""
        known = {(key.name, key.key_id): key for key in keys}
        text = self.text.encode()
        found = []
        for line in self.signatures:
            key = known.get((line.name, line.key_id))
            if key is None:
                continue
            if not key.verifies(text, line.signature):
                raise Tampered(f"the signature by {line.name}+{line.key_id.hex()} does not fit the text.")
            found.append((key, line))
        return found


def parse_note(data: bytes) -> Note:
    """Parse a signed note strictly: what is accepted prints back to the same bytes."""
    if len(data) > MAX_NOTE:
        raise Malformed(f"a signed note has {len(data)} bytes; the limit is {MAX_NOTE}.")
    check_line_ends(data, "a signed note")
    try:
        content = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("a signed note is not UTF-8.") from None
    if any(char < " " and char != "\n" for char in content):
        raise Malformed("a signed note holds a control character.")
    text, gap, lines = content.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise Malformed("a signed note lacks its blank line or its final newline.")
    signatures = lines[:-1].split("\n")
    if len(signatures) > MAX_SIGNATURES:
        raise Malformed(f"a signed note has {len(signatures)} signatures; the limit is {MAX_SIGNATURES}.")
    note = Note(f"{text}\n", tuple(map(parse_signature, signatures)))
    if bytes(note) != data:
        raise Malformed("a signed note is not in its canonical form.")
    return note


def check_line_ends(data: bytes, what: str) -> None:
    """Name what a mail program or an editor did: a signature is over LF and nothing else."""
    if b"\r\n" in data:
        raise Malformed(f"{what} has lines that end in CR LF, as on Windows, not in LF, as it was written.")


def parse_signature(line: str) -> Signature:
    """One signature line, without its newline."""
    name, space, blob = line.removeprefix(_DASH).rpartition(" ")
    if not line.startswith(_DASH) or not space:
        raise Malformed(f"{line[:80]!r} is not a signature line.")
    check_name(name)
    data = decode_base64(blob)
    if len(data) <= KEY_ID_SIZE:
        raise Malformed(f"the signature by {name} is too short.")
    return Signature(name, data[:KEY_ID_SIZE], data[KEY_ID_SIZE:])


def check_name(name: str) -> None:
    """Key names are not empty, have no space of any kind, no plus sign and no control character."""
    if not 0 < len(name) <= MAX_NAME or any(c.isspace() or c < " " or c == "+" for c in name):
        raise Malformed(f"{name[:80]!r} is not the name of a key.")


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """``SHA-256(name || 0x0A || type || public key)[:4]``."""
    return sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:KEY_ID_SIZE]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """An Ed25519 key that is known by its name; the signature type ``kind`` says what it signs."""

    kind: ClassVar[int]
    name: str
    public: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != ED25519_SIZE:
            raise Malformed(f"the key {self.name} is not {ED25519_SIZE} bytes.")

    def __str__(self) -> str:
        """The verifier key (vkey): ``name+hex(id)+base64(type || public key)``."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.kind]) + self.public)}"

    @property
    def key_id(self) -> bytes:
        return key_id(self.name, self.kind, self.public)


@dataclass(frozen=True, slots=True)
class Ed25519Verifier(VerifierKey):
    """A known key that signs the text itself, signature type 0x01."""

    kind: ClassVar[int] = ED25519

    def verifies(self, text: bytes, signature: bytes) -> bool:
        return ed25519_verifies(self.public, text, signature)


# The y coordinates of the points of small order, in every encoding that some library takes.
_SMALL_ORDER = frozenset(
    bytes.fromhex(point)
    for point in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


def _is_small(point: bytes) -> bool:
    return point[:31] + bytes([byte & 0x7F for byte in point[31:]]) in _SMALL_ORDER


def ed25519_verifies(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this is an Ed25519 signature (RFC 8032) by the 32-byte public key.

    Points of small order are refused: with such a key a signature holds for any text, and libraries differ in
    whether they take it.
    """
    if _is_small(public) or _is_small(signature[:32]):
        return False
    try:
        _ed25519(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=256)
def _ed25519(public: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public)


def parse_vkey(text: str) -> Ed25519Verifier:
    """Parse the verifier key of a log; what is accepted prints back to the same text."""
    return parse_key(text, {ED25519: Ed25519Verifier}, "Logs sign with Ed25519 keys (type 0x01).")


def parse_key(text: str, kinds: Mapping[int, Callable[[str, bytes], _Key]], hint: str) -> _Key:
    """Parse a verifier key (vkey) of one of these signature types; ``hint`` tells which they are."""
    if text.count("+") < 2:
        raise UsageError(
            f"{text[:80]!r} is not a verifier key.",
            hint="One reads NAME+ID+KEY: example.com/log+530d903a+AekyeR...; `foreseal init` prints one.",
        )
    name, _, rest = text.partition("+")
    _, _, blob = rest.partition("+")
    check_name(name)
    data = decode_base64(blob)
    if not data or data[0] not in kinds:
        kind = f"{data[0]:#04x}" if data else "none"
        raise UsageError(f"the key {name} has signature type {kind}, which is not supported here.", hint=hint)
    verifier = kinds[data[0]](name, data[1:])
    if str(verifier) != text:
        raise Malformed(f"{text!r} is not a verifier key: its id does not belong to its name and key.")
    return verifier


@dataclass(frozen=True, slots=True)
class Signer:
    """A private Ed25519 key under the name it signs notes with."""

    name: str
    key: Ed25519PrivateKey

    @property
    def verifier(self) -> Ed25519Verifier:
        """The public half."""
        return Ed25519Verifier(self.name, self.key.public_key().public_bytes_raw())

    def sign(self, text: str) -> Signature:
        """Signature line for a text that ends with a newline."""
        return Signature(self.name, self.verifier.key_id, self.key.sign(text.encode()))


def sign_note(text: str, *signers: Signer) -> bytes:
    """A signed note. The same text and keys give the same bytes: Ed25519 is deterministic."""
    if not text.endswith("\n"):
        raise UsageError("the text of a note ends with a newline.")
    data = bytes(Note(text, tuple(signer.sign(text) for signer in signers)))
    parse_note(data)
    return data


def encode_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648, section 4)."""
    return base64.b64encode(data).decode()


def decode_base64(text: str) -> bytes:
    """Strict inverse of :func:`encode_base64`: no other spelling of the same bytes is accepted."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Malformed(f"{text[:80]!r} is not base64.") from None
    if encode_base64(data) != text:
        raise Malformed(f"{text[:80]!r} is not canonical base64.")
    return data
