"""Logs and evidence with anything wrong in them, signed again by author and log as a cheat would.

Keys are made from fixed seeds, so that every byte is the same in every run.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal.errors import Malformed
from foreseal.merkle import leaf_hash, root
from foreseal.seal import jcs
from foreseal.seal.checkpoint import Checkpoint
from foreseal.seal.cosignature import CosignatureSigner
from foreseal.seal.keys import author_id, public_bytes
from foreseal.seal.note import Note, Signature, Signer
from foreseal.seal.receipt import Receipt
from foreseal.seal.tiles import ENTRIES, Edge, bundles_of, tile_path

Body = dict[str, Any]
Edit = Callable[[Body], "Body | bytes | None"]
Files = dict[str, bytes]


def private_key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(sha256(f"foreseal test key {name}".encode()).digest())


LOG = Signer("example.com/log", private_key("log"))
AUTHOR = private_key("author")
STRANGER = private_key("stranger")
WITNESSES = tuple(
    CosignatureSigner(f"w{i}.example/witness", private_key(f"witness {i}")) for i in range(1, 4)
)
KEYS = {
    author_id(public_bytes(key)): key for key in (AUTHOR, STRANGER, private_key("next"), private_key("third"))
}


def sign_body(body: Mapping[str, Any]) -> bytes:
    """The entry with these fields, whatever they are, signed by its author if the author's key is ours."""
    unsigned = {name: value for name, value in body.items() if name != "sig"}
    key = KEYS.get(str(body.get("author")))
    message = b"foreseal/entry/v1\n" + jcs.encode(unsigned)
    return jcs.encode({**unsigned, "sig": key.sign(message).hex() if key else body.get("sig", "")})


def leaf(raw: bytes) -> str:
    return leaf_hash(raw).hex()


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    if isinstance(value, dict):
        return {key: _renamed(each, names) for key, each in value.items()}
    return value


@dataclass(frozen=True)
class Forged:
    """Entries and payloads (by SHA-256), and who is to cosign: (size, witness, seconds)."""

    entries: tuple[bytes, ...]
    payloads: Mapping[str, bytes]
    cosigned: tuple[tuple[int, CosignatureSigner, int], ...] = ()
    receipts: Mapping[str, int] = field(default_factory=dict)
    signer: Signer = LOG

    def bodies(self) -> list[Body]:
        return [jcs.decode(raw) for raw in self.entries]  # type: ignore[misc]

    def bodies_or_empty(self) -> list[Body]:
        """The bodies of all entries; an empty one for what is none."""
        found: list[Body] = []
        for raw in self.entries:
            try:
                body = jcs.decode(raw)
            except Malformed:
                body = {}
            found.append(body if isinstance(body, dict) else {})
        return found

    def find(self, kind: str, n: int = 0, **fields: Any) -> int:
        """Index of the n-th entry of a kind with these fields."""
        found = [
            index
            for index, body in enumerate(self.bodies())
            if body["kind"] == kind and all(body.get(name) == value for name, value in fields.items())
        ]
        return found[n]

    def edited(self, edits: Mapping[int, Edit], *, follow: bool = True) -> Forged:
        """Entries changed (a body: signed again; bytes: as they are; None: left out).

        With ``follow`` later entries refer to the changed ones and are signed again.
        """
        names: dict[str, str] = {}
        made: list[bytes] = []
        for index, raw in enumerate(self.entries):
            try:
                body = jcs.decode(raw)
            except Malformed:
                body = None
            if not isinstance(body, dict):  # an earlier edit has broken it
                made.append(raw)
                continue
            if follow and names:
                body = _renamed(body, names)
            found = edits[index](dict(body)) if index in edits else body
            if found is None:
                continue
            try:
                new = found if isinstance(found, bytes) else sign_body(found)
            except Malformed:
                new = raw  # what has no canonical form cannot be signed
            if new != raw:
                names[leaf(raw)] = leaf(new)
            made.append(new)
        return replace(self, entries=tuple(made))

    def with_payload(self, data: bytes) -> tuple[Forged, dict[str, Any]]:
        """A payload more, and the reference to it."""
        digest = sha256(data).hexdigest()
        return replace(self, payloads={**self.payloads, digest: data}), {"sha256": digest, "size": len(data)}

    def checkpoint(self, size: int | None = None, extensions: tuple[str, ...] = ()) -> bytes:
        """The checkpoint of the first entries, signed and cosigned."""
        size = len(self.entries) if size is None else size
        tree = Checkpoint(self.signer.name, size, root(map(leaf_hash, self.entries[:size])), extensions)
        return self.note(str(tree), [each[1:] for each in self.cosigned if each[0] == size])

    def note(self, text: str, cosigners: Iterable[tuple[CosignatureSigner, int]] = ()) -> bytes:
        lines: list[Signature] = [self.signer.sign(text)]
        lines += [who.sign(text, datetime.fromtimestamp(at, UTC)) for who, at in cosigners]
        return bytes(Note(text, tuple(lines)))

    def receipt(self, index: int, size: int | None = None) -> Receipt:
        size = len(self.entries) if size is None else size
        leaves = [leaf_hash(raw) for raw in self.entries[:size]]
        return Receipt(self.entries[index], index, tuple(path(leaves, index)), self.checkpoint(size))

    def files(self, *, log: bool = False) -> Files:
        """Evidence, or with ``log`` the folder of a published log."""
        size = len(self.entries)
        files: Files = {"checkpoint": self.checkpoint()}
        for at in sorted({each[0] for each in self.cosigned if each[0] <= size}):
            files[f"cosigned/{at}"] = self.checkpoint(at)
        for index, width in bundles_of(size):
            raws = self.entries[index * 256 : index * 256 + width]
            bundle = b"".join(len(raw).to_bytes(2, "big") + raw for raw in raws)
            files[tile_path(ENTRIES, index, width)] = bundle
        if log:
            files |= dict(Edge().append([leaf_hash(raw) for raw in self.entries], 0))
        files |= {f"payload/sha256/{digest}": data for digest, data in self.payloads.items()}
        return files | {
            f"receipts/{name}": bytes(self.receipt(index)) for name, index in self.receipts.items()
        }


def path(leaves: list[bytes], index: int) -> list[bytes]:
    """Inclusion proof by the definition of RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    if index < k:
        return [*path(leaves[:k], index), root(leaves[k:])]
    return [*path(leaves[k:], index - k), root(leaves[:k])]


def pack(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files, always the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name)
            member.compress_type = method
            member.external_attr = 0o644 << 16
            archive.writestr(member, files[name])
    return buffer.getvalue()
