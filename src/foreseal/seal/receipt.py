"""Receipts: one file that proves one entry offline (c2sp.org/tlog-proof).

    c2sp.org/tlog-proof@v1
    extra eyJhY3Rpb24iOiJhZGQiLCJhdCI6...
    index 73894
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
    ...

    example.com/log
    109482
    ...

``extra`` is base64 of the exact entry bytes. It is trusted for nothing: the leaf hash is computed from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from foreseal.errors import Malformed
from foreseal.merkle import HASH_SIZE, leaf_hash, verify_inclusion
from foreseal.seal.checkpoint import Checkpoint, parse_index, read_checkpoint
from foreseal.seal.note import MAX_NOTE, check_line_ends, decode_base64, encode_base64
from foreseal.seal.tiles import MAX_ENTRY_BYTES

SUFFIX = ".tlog-proof"
MAX_PROOF = 63
MAX_RECEIPT = MAX_NOTE + 2 * MAX_ENTRY_BYTES + 64 * (MAX_PROOF + 4)

_HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Receipt:
    """An entry, where it stands, the path to a root, and the signed checkpoint with that root."""

    entry: bytes
    index: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def __bytes__(self) -> bytes:
        lines = (
            _HEADER,
            f"extra {encode_base64(self.entry)}",
            f"index {self.index}",
            *map(encode_base64, self.proof),
            "",
        )
        return "".join(f"{line}\n" for line in lines).encode() + self.checkpoint

    def check(self) -> Checkpoint:
        """The checkpoint, once the entry is shown to lie under its root. **Signatures are not checked here.**

        Raises `Malformed` or `Tampered`.
        """
        checkpoint = read_checkpoint(self.checkpoint)
        verify_inclusion(leaf_hash(self.entry), self.index, checkpoint.size, self.proof, checkpoint.root)
        return checkpoint


def parse_receipt(data: bytes) -> Receipt:
    """Parse a receipt strictly: what is accepted prints back to the same bytes."""
    if len(data) > MAX_RECEIPT:
        raise Malformed(f"a receipt has {len(data)} bytes; the limit is {MAX_RECEIPT}.")
    check_line_ends(data, "a receipt")
    head, gap, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Malformed("a receipt has a line that is not ASCII before its checkpoint.") from None
    if not gap or lines[0] != _HEADER:
        raise Malformed(f"this is not a receipt: it does not begin with {_HEADER}.")
    if len(lines) < 3 or not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise Malformed("a receipt lacks its line 'extra' with the entry, or its line 'index'.")
    if len(lines) - 3 > MAX_PROOF:
        raise Malformed(f"a receipt has {len(lines) - 3} hashes; the limit is {MAX_PROOF}.")
    proof = tuple(decode_base64(line) for line in lines[3:])
    if any(len(value) != HASH_SIZE for value in proof):
        raise Malformed(f"a receipt has a hash that is not {HASH_SIZE} bytes.")
    entry, index = decode_base64(lines[1][6:]), parse_index(lines[2][6:])
    if not 0 < len(entry) <= MAX_ENTRY_BYTES:
        raise Malformed(f"a receipt has an entry of {len(entry)} bytes.")
    receipt = Receipt(entry, index, proof, checkpoint)
    if bytes(receipt) != data:
        raise Malformed("a receipt is not in its canonical form.")
    return receipt
