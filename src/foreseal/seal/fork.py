"""Evidence of a fork: two checkpoints of one log, signed by its key, that no single tree can have.

    foreseal/fork/v1
    older <base64 of a signed checkpoint>
    newer <base64 of a signed checkpoint>
    root <base64>
    <base64 of a hash>
    ...

``root`` is that of the first entries of the newer tree, as many as the older tree has, and the hashes are its
consistency proof. It is not the root that the older checkpoint has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from foreseal.errors import Malformed, ProofError, Tampered
from foreseal.merkle import verify_consistency
from foreseal.seal.checkpoint import open_checkpoint, read_checkpoint
from foreseal.seal.note import MAX_NOTE, Verifier, decode_base64, encode_base64
from foreseal.seal.policy import Policy
from foreseal.seal.problem import Problem
from foreseal.seal.verify import Verdict, refused

HEADER = "foreseal/fork/v1"
MAX_FORK = 4 * MAX_NOTE


@dataclass(frozen=True, slots=True)
class Fork:
    """Two signed checkpoints, and why they exclude each other."""

    older: bytes
    newer: bytes
    root: bytes
    proof: tuple[bytes, ...] = ()

    def __bytes__(self) -> bytes:
        lines = (
            HEADER,
            f"older {encode_base64(self.older)}",
            f"newer {encode_base64(self.newer)}",
            f"root {encode_base64(self.root)}",
            *map(encode_base64, self.proof),
        )
        return "".join(f"{line}\n" for line in lines).encode()

    def check(self, keys: Iterable[Verifier]) -> str:
        """What it proves about a log whose key is among ``keys``, in words; raises if it proves nothing."""
        keys = tuple(keys)
        older, newer = (open_checkpoint(each, keys) for each in (self.older, self.newer))
        if older.origin != newer.origin:
            raise Tampered(f"these are checkpoints of two logs, {older.origin} and {newer.origin}.")
        verify_consistency(older.size, newer.size, self.proof, self.root, newer.root)
        if self.root == older.root:
            raise Tampered("these checkpoints agree with each other.")
        what = f"checkpoints of {older.size} and {newer.size} entries"
        if older.size == newer.size:
            what = f"two checkpoints of {older.size} entries with different roots"
        return f"the key of {older.origin} has signed two histories: {what}, which no single log can have"


def verify_fork(data: bytes, trust: Policy | Iterable[Verifier]) -> Verdict:
    """Check evidence of a fork. It is verified if a log's key that you trust has signed two histories."""
    keys = Policy.of(trust).logs
    try:
        fork = parse_fork(data)
        if not keys:
            raise Tampered("whether one key has signed both is not checked until you name it (--key).")
        said = fork.check(keys)
    except ProofError as error:
        return refused(Problem.of(error, "signature" if isinstance(error, Tampered) else "canonical"))
    newer = read_checkpoint(fork.newer)
    return Verdict(ok=True, statements=(f"a fork is proven: {said}",), origin=newer.origin, size=newer.size)


def parse_fork(data: bytes) -> Fork:
    """Parse evidence of a fork strictly: what is accepted prints back to the same bytes."""
    lines = data[:MAX_FORK].decode("ascii", "replace").split("\n")
    names = [line.partition(" ")[0] for line in lines[:4]]
    if names != [HEADER, "older", "newer", "root"] or lines[-1]:
        raise Malformed(f"this is no evidence of a fork: it does not begin with {HEADER}.")
    older, newer, root = (decode_base64(line.partition(" ")[2]) for line in lines[1:4])
    fork = Fork(older, newer, root, tuple(map(decode_base64, lines[4:-1])))
    if bytes(fork) != data:
        raise Malformed("evidence of a fork is not in its canonical form.")
    return fork
