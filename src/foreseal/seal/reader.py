"""Reading a log: its folder, a signed checkpoint, and nothing that is not checked against it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from foreseal.errors import Tampered, UsageError
from foreseal.merkle import (
    consistency_proof,
    inclusion_proof,
    root,
    subtree_root,
    verify_inclusion,
)
from foreseal.seal.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from foreseal.seal.disk import read_file
from foreseal.seal.note import MAX_NOTE, Verifier
from foreseal.seal.payload import Payloads
from foreseal.seal.receipt import Receipt
from foreseal.seal.tiles import WIDTH, TileReader, bundles_of

CHECKPOINT = "checkpoint"

# A writer may publish, and remove what it superseded, between two of a reader's reads.
_ATTEMPTS = 5


class LogReader:
    """A log as of one signed checkpoint.

    Every entry that is handed out has been shown to lie under the checkpoint's root; anything else on disk
    raises `Tampered` with the file that is wrong.
    """

    def __init__(self, folder: Path, checkpoint: Checkpoint, signed: bytes) -> None:
        self.folder = folder
        self.checkpoint = checkpoint
        self.signed = signed
        self.payloads = Payloads(folder)
        self._tiles = TileReader(folder, checkpoint.size)
        self._indices: dict[str, int] = {}

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self.checkpoint.origin

    @property
    def size(self) -> int:
        """Number of entries under the checkpoint."""
        return self.checkpoint.size

    def __len__(self) -> int:
        return self.checkpoint.size

    def entry(self, index: int) -> bytes:
        """The exact bytes of one entry."""
        leaf = self.leaf_hash(index)
        entry = self._tiles.bundle(index // WIDTH)[index % WIDTH]
        proof = inclusion_proof(index, self.size, self._tiles.read)
        verify_inclusion(leaf, index, self.size, proof, self.checkpoint.root)
        return entry

    def entries(self, start: int = 0) -> Iterator[bytes]:
        """All entries in order, from ``start`` on."""
        if root(self._tiles.leaves()) != self.checkpoint.root:
            raise Tampered(f"the tiles of level 0 in {self.folder} do not lead to the signed root.")
        for bundle, _ in bundles_of(self.size):
            if (bundle + 1) * WIDTH > start:
                yield from self._tiles.bundle(bundle)[max(start - bundle * WIDTH, 0) :]

    def leaf_hash(self, index: int) -> bytes:
        """Leaf hash of one entry."""
        if not 0 <= index < self.size:
            raise UsageError(f"there is no entry {index} in a log of {self.size} entries.")
        return self._tiles.read(0, index)

    def index_of(self, leaf: str) -> int | None:
        """Index of the first entry with this leaf hash (hexadecimal), or None."""
        if len(self._indices) < self.size:
            for index, value in enumerate(self._tiles.leaves()):
                self._indices.setdefault(value.hex(), index)
        return self._indices.get(leaf)

    def root_at(self, size: int) -> bytes:
        """Root of the first ``size`` entries."""
        if not 0 <= size <= self.size:
            raise UsageError(f"there is no root of {size} in a log of {self.size} entries.")
        return subtree_root(0, size, self._tiles.read)

    def proof(self, index: int, size: int | None = None) -> Sequence[bytes]:
        """Inclusion proof of an entry in the tree of ``size`` entries (all of them, if not given)."""
        return inclusion_proof(index, self._size(size), self._tiles.read)

    def consistency(self, old: int, new: int | None = None) -> Sequence[bytes]:
        """Proof that the first ``old`` entries are a prefix of the first ``new``."""
        return consistency_proof(old, self._size(new), self._tiles.read)

    def receipt(self, index: int, signed: bytes | None = None) -> Receipt:
        """The receipt of an entry; ``bytes(receipt)`` is the file.

        It carries the present checkpoint, or an older one of this log that is given ``signed``.
        """
        signed = self.signed if signed is None else signed
        size = read_checkpoint(signed).size
        receipt = Receipt(self.entry(index), index, tuple(self.proof(index, size)), signed)
        receipt.check()
        return receipt

    def _size(self, size: int | None) -> int:
        if size is None:
            return self.size
        if size > self.size:
            raise UsageError(f"the log has {self.size} entries, not {size}.")
        return size

    def check_edge(self) -> None:
        """Raise `Tampered` unless the right edge of the tiles leads to the signed root."""
        if self._tiles.edge().root() != self.checkpoint.root:
            raise Tampered(
                f"the tiles in {self.folder} do not lead to the signed root of {self.size} entries.",
                hint="`foreseal doctor` names the damaged file.",
            )


def read_log(folder: Path, keys: Iterable[Verifier]) -> LogReader:
    """Open a log for reading. ``keys`` are those you trust for it; one must have signed the checkpoint.

    Raises `Tampered` with the file that is wrong.
    """
    keys, path = tuple(keys), folder / CHECKPOINT
    signed = read_file(path, MAX_NOTE)
    for attempt in range(_ATTEMPTS):
        reader = LogReader(folder, open_checkpoint(signed, keys), signed)
        try:
            reader.check_edge()
            break
        except Tampered:
            before, signed = signed, read_file(path, MAX_NOTE)
            if signed == before or attempt == _ATTEMPTS - 1:
                raise
    return reader
