"""Checkpoints: a log's size and root, signed (c2sp.org/tlog-checkpoint).

example.com/log
15
rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=

— example.com/log M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMv[...]dPWF74ewI=
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from foreseal.errors import Malformed, Tampered
from foreseal.merkle import EMPTY_ROOT, HASH_SIZE
from foreseal.seal.note import Signer, Verifier, decode_base64, encode_base64, parse_note, sign_note

# Indices stay exact in every language that reads them, JavaScript included.
MAX_SIZE = 2**53 - 1

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: ``size`` entries under ``root``. Extension lines are kept, and not understood."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.origin or "\n" in self.origin:
            raise Malformed("a checkpoint has no origin.")
        if not 0 <= self.size <= MAX_SIZE or len(self.root) != HASH_SIZE:
            raise Malformed(f"the checkpoint of {self.origin} has an impossible size or root.")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise Malformed(f"the checkpoint of {self.origin} gives an empty log the root of another.")
        if any(not line or "\n" in line for line in self.extensions):
            raise Malformed(f"the checkpoint of {self.origin} has an empty extension line.")

    def __str__(self) -> str:
        """The text that is signed."""
        lines = (self.origin, str(self.size), encode_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """Parse the text of a checkpoint strictly: what is accepted prints back to the same text."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1]:
        raise Malformed("a checkpoint has fewer than three lines, or no final newline.")
    origin, size, root, *extensions = lines[:-1]
    checkpoint = Checkpoint(origin, parse_index(size), decode_base64(root), tuple(extensions))
    if str(checkpoint) != text:
        raise Malformed(f"the checkpoint of {origin} is not in its canonical form.")
    return checkpoint


def parse_index(text: str) -> int:
    """A decimal number without sign or leading zeros, at most `MAX_SIZE`."""
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise Malformed(f"{text[:40]!r} is not a size or an index.")
    return int(text)


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """The signed note; the same checkpoint and key give the same bytes."""
    return sign_note(str(checkpoint), signer)


def read_checkpoint(data: bytes) -> Checkpoint:
    """The checkpoint in a signed note **whose signatures nobody has checked**."""
    return parse_checkpoint(parse_note(data).text)


def open_checkpoint(data: bytes, keys: Iterable[Verifier]) -> Checkpoint:
    """The checkpoint in a note that a known key of this very log has signed; raises `Tampered` otherwise."""
    note = parse_note(data)
    checkpoint = parse_checkpoint(note.text)
    signers = note.signers(keys)
    if all(key.name != checkpoint.origin for key in signers):
        raise Tampered(f"the checkpoint of {checkpoint.origin} is signed by another log, {signers[0].name}.")
    return checkpoint
