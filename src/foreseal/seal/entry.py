"""Entries: canonical JSON, signed by their author, at most 8 KiB; what the log holds.

The author's signature lies inside the entry: Ed25519 over ``foreseal/entry/v1\\n`` and the canonical bytes of
the entry without ``sig``. A leaf of the log is the RFC 6962 hash of the exact bytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal.clock import format_instant, parse_instant
from foreseal.errors import Malformed, ProofError, Tampered
from foreseal.merkle import leaf_hash
from foreseal.seal import jcs
from foreseal.seal.agreement import check_signatures
from foreseal.seal.keys import author_id, parse_author, public_bytes
from foreseal.seal.note import ed25519_verifies
from foreseal.seal.schema import COMMON, VERSION, check_fields

MAX_ENTRY = 8192

_BATCH = 256
_DOMAIN = b"foreseal/entry/v1\n"
_COMMITMENT = b"foreseal/commit/v1\x00"


@dataclass(frozen=True, slots=True)
class Entry:
    """A well-formed entry whose author's signature holds. ``fields`` has all fields, the common ones too.

    ``leaf`` is its leaf hash in hexadecimal: how other entries refer to it.
    """

    raw: bytes
    fields: Mapping[str, Any]
    leaf: str

    def __getitem__(self, field: str) -> Any:
        return self.fields[field]

    @property
    def kind(self) -> str:
        return str(self.fields["kind"])

    @property
    def author(self) -> str:
        """``ed25519:<hex>``."""
        return str(self.fields["author"])

    @property
    def at(self) -> datetime:
        """When the author says it was made; a claim, not evidence."""
        return parse_instant(self.fields["at"])


def sign_entry(kind: str, fields: Mapping[str, object], *, key: Ed25519PrivateKey, at: datetime) -> bytes:
    """The exact bytes of a new entry. Raises `Malformed` if the fields are not those of its kind.

    The same fields, key and time give the same bytes.
    """
    clash = sorted(COMMON.keys() & fields.keys())
    if clash:
        raise Malformed(f"the field {clash[0]!r} of an entry is set by signing it.")
    unsigned = {
        **fields,
        "v": VERSION,
        "kind": kind,
        "author": author_id(public_bytes(key)),
        "at": format_instant(at),
    }
    message = _DOMAIN + jcs.encode(unsigned)
    jcs.refuse_decomposed(unsigned)
    signature = key.sign(message).hex()
    raw = jcs.encode({**unsigned, "sig": signature})
    parse_entry(raw)
    return raw


def parse_entry(raw: bytes) -> Entry:
    """Parse an entry and check its author's signature.

    Raises `Malformed` if it is not the canonical bytes of a known kind, `Tampered` if the signature is wrong.
    """
    return _check_signature(_read(raw))


def parse_entries(raws: Iterable[bytes]) -> Iterator[Entry | ProofError]:
    """What :func:`parse_entry` gives or raises, for each of many."""
    rest = iter(raws)
    # Reading and signatures in turns would drive each other out of the CPU's caches.
    while batch := list(itertools.islice(rest, _BATCH)):
        yield from [_tried(_check_signature, each) for each in [_tried(_read, raw) for raw in batch]]


def _tried(step: Callable[[Any], Entry], given: bytes | Entry | ProofError) -> Entry | ProofError:
    if isinstance(given, ProofError):
        return given
    try:
        return step(given)
    except ProofError as error:
        return error


def _read(raw: bytes) -> Entry:
    if len(raw) > MAX_ENTRY:
        raise Malformed(f"an entry has {len(raw)} bytes; the limit is {MAX_ENTRY}.")
    found = jcs.decode(raw, bounded=False)
    try:
        fields = check_fields(found)
    except Malformed as error:
        jcs.decode(raw)
        raise Malformed(error.message, code="fields") from None
    return Entry(raw, fields, leaf_hash(raw).hex())


def _check_signature(entry: Entry) -> Entry:
    message, signature = _DOMAIN + _unsigned(entry.raw, entry.fields), bytes.fromhex(entry["sig"])
    if not ed25519_verifies(parse_author(entry.author), message, signature):
        raise Tampered(
            f"the signature in a {entry.kind} entry is not by its author {entry.author}.", code="signature"
        )
    if entry.kind == "agreement":
        check_signatures(entry.fields, {each["key"]: each["signature"] for each in entry["parties"]})
    return entry


def _unsigned(raw: bytes, fields: Mapping[str, Any]) -> bytes:
    """Canonical bytes of an entry without its signature."""
    member = f',"sig":"{fields["sig"]}"'.encode()
    before, _, after = raw.partition(member)
    if after and member not in after:
        # Keys are in order and "author" comes first, so this is the signature and nothing else.
        return before + after
    return jcs.encode({key: value for key, value in fields.items() if key != "sig"})


def commitment(author: str, salt: bytes, payload_sha256: bytes) -> str:
    """Hides a payload until its salt is revealed; the author is bound in, so nobody else can use it.

    ``SHA-256("foreseal/commit/v1" || 0x00 || author's public key || salt || SHA-256 of the payload)``, in
    hexadecimal; the salt is 32 fresh random bytes.
    """
    public = parse_author(author)
    if len(salt) != 32 or len(payload_sha256) != 32:
        raise Malformed("a commitment needs a salt of 32 bytes and a SHA-256 digest.")
    return sha256(_COMMITMENT + public + salt + payload_sha256).hexdigest()
