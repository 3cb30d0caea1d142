"""Opens a log, appends one batch and then another, and says what became of each on standard output.

    append_once.py FOLDER COUNT

The log lies in FOLDER/log and its lock in FOLDER/state. The marks around the first append, on standard error,
tell its system calls from those of Python.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal.errors import ForesealError
from foreseal.seal.entry import sign_entry
from foreseal.seal.keys import author_id, public_bytes
from foreseal.seal.log import Log
from foreseal.seal.note import Signer

SIGNER = Signer("example.com/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
AUTHOR = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))


def batch(first: int, count: int) -> list[bytes]:
    """Entries of a kind that a verifier accepts, all different."""
    key, at = author_id(public_bytes(AUTHOR)), datetime(2026, 1, 1, tzinfo=UTC)
    fields = {"key": key, "action": "add", "role": "author"}
    return [
        sign_entry("identity", {"name": f"us {first + k}", **fields}, key=AUTHOR, at=at) for k in range(count)
    ]


def main(folder: Path, count: int) -> None:
    with Log.open(folder / "log", SIGNER, folder / "state" / "lock.db") as log:
        batches = [batch(log.size, count), batch(log.size + count, 2)]
        for name, entries in zip(("first", "second"), batches, strict=True):
            os.write(2, b"mark\n")
            try:
                first, *_ = log.append(entries)
            except (OSError, ForesealError) as error:
                said = f"{name} failed {error}"
            else:
                said = f"{name} sealed {first}"
            os.write(2, b"mark\n")
            os.write(1, said.replace("\n", " ").encode() + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
