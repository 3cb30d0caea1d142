"""Appends to a log, has a witness cosign, and publishes that, acknowledging each step on standard output.

    cosign_loop.py FOLDER COUNT

The log lies in FOLDER/log, its lock in FOLDER/state, the memory of the witness in FOLDER/witness. A line is
``witness SIZE`` once the witness has answered, ``cosigned SIZE`` once its cosignature is published.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal.seal.cosignature import CosignatureSigner
from foreseal.seal.log import Log
from foreseal.seal.note import Signer, parse_signature
from foreseal.seal.witness import Request, Witness

SIGNER = Signer("example.com/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
COSIGNER = CosignatureSigner("w", Ed25519PrivateKey.from_private_bytes(bytes(range(64, 96))))
AT = datetime(2026, 1, 1, tzinfo=UTC)


def open_witness(folder: Path) -> Witness:
    return Witness(folder / "witness" / "witness.db", COSIGNER, [SIGNER.verifier], lambda: AT)


def main(folder: Path, count: int) -> None:
    witness, old = open_witness(folder), 0
    with Log.create(folder / "log", SIGNER, folder / "state" / "lock.db") as log:
        for i in range(count):
            log.append([b"%d" % i])
            proof = tuple(log.consistency(old)) if old else ()
            reply = witness.add_checkpoint(bytes(Request(old, proof, log.signed)))
            assert reply.status == 200, reply
            os.write(1, b"witness %d\n" % log.size)
            old = log.size
            log.cosign([parse_signature(reply.body.removesuffix("\n"))])
            os.write(1, b"cosigned %d\n" % log.size)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
