"""What every case of `bench.seal` measures with."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import rivals
from foreseal.seal.note import Signer

ENTRY = 256
SIGNER = Signer("bench.example/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))

Row = dict[str, Any]


def row(case: str, durability: str, **figures: object) -> Row:
    return {"case": case, "durability": durability, **figures}


def entries(n: int, first: int = 0) -> list[bytes]:
    return [b"%0256d" % k for k in range(first, first + n)]


class Bench:
    """Sizes, and the figures that several cases share."""

    def __init__(self, folder: Path, quick: bool, runs: int) -> None:
        self.folder, self.scale, self.runs = folder, 10 if quick else 1, runs
        self.notes: list[str] = []
        self.limits: dict[str, float] = {}
        self.rival = rivals.pymerkle()
        if isinstance(self.rival, str):
            self.notes.append(self.rival)
        self.hypercore: dict[str, float] = {}

    def rate(
        self, n: int, action: Callable[[], object], clock: Callable[[], float] = time.process_time
    ) -> float:
        """Median over the runs of ``n`` per second of ``action``."""
        times = []
        for _ in range(self.runs):
            gc.collect()
            start = clock()
            action()
            times.append(clock() - start)
        return n / statistics.median(times)

    def wall(self, n: int, action: Callable[[], object]) -> float:
        return self.rate(n, action, time.perf_counter)

    def limits_of_this_run(self) -> Iterator[Row]:
        some, key = entries(50_000), SIGNER.key
        public, signature = key.public_key(), key.sign(some[0])
        self.limits["leaf"] = self.rate(50_000, lambda: [sha256(b"\x00" + each).digest() for each in some])
        self.limits["sign"] = self.rate(2000, lambda: [key.sign(some[0]) for _ in range(2000)])
        self.limits["verify"] = self.rate(
            2000, lambda: [public.verify(signature, some[0]) for _ in range(2000)]
        )

        def sync() -> None:
            with (self.folder / "sync").open("ab", buffering=0) as file:
                for each in some[:100]:
                    file.write(each)
                    os.fsync(file.fileno())

        self.limits["fsync"] = self.wall(100, sync)
        yield row("limit: hashlib leaf hashes", "memory", limit=self.limits["leaf"])
        yield row("limit: Ed25519 signatures", "memory", limit=self.limits["sign"])
        yield row("limit: Ed25519 verifications", "memory", limit=self.limits["verify"])
        yield {
            "case": "limit: append 256 bytes and fsync",
            "durability": "fsynced",
            "limit": self.limits["fsync"],
        }
