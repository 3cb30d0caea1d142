"""Appends to a log until it is killed, acknowledging each append on standard output.

    append_loop.py FOLDER COUNT [TAG]

The log lies in FOLDER/log and its lock in FOLDER/state. Append i holds i % 3 + 1 entries.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal.errors import Busy
from foreseal.seal.log import Log
from foreseal.seal.note import Signer

SIGNER = Signer("example.com/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def lock(folder: Path) -> Path:
    return folder / "state" / "lock.db"


def open_log(folder: Path) -> Log:
    if lock(folder).exists() and (folder / "log" / "checkpoint").exists():
        return Log.open(folder / "log", SIGNER, lock(folder))
    return Log.create(folder / "log", SIGNER, lock(folder))


def batch(i: int, tag: str) -> list[bytes]:
    return [f"{tag} {i} {k}".encode() for k in range(i % 3 + 1)]


def main(folder: Path, count: int, tag: str = "entry") -> None:
    if tag == "entry":
        with open_log(folder) as log:
            for i in range(count):
                acknowledge(log.append(batch(i, tag)), batch(i, tag))
        return
    # A named writer opens the log anew for each append, so that writers meet.
    i = 0
    while i < count:
        try:
            with open_log(folder) as log:
                acknowledge(log.append(batch(i, tag)), batch(i, tag))
            i += 1
        except Busy:
            continue


def acknowledge(indices: list[int], entries: list[bytes]) -> None:
    for index, entry in zip(indices, entries, strict=True):
        os.write(1, b"%d %s\n" % (index, entry))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
