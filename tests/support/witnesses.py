"""Witnesses for tests: keys from fixed seeds, clocks that are set by hand, servers on free local ports."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal.seal.cosignature import CosignatureSigner
from foreseal.seal.note import Ed25519Verifier
from foreseal.seal.witness import Request, Witness, parse_request
from foreseal.seal.witness_server import WitnessServer

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Hand:
    """A clock that is moved by hand."""

    def __init__(self, at: datetime = AT) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def move(self, by: timedelta) -> None:
        self.at += by


def cosigner(number: int) -> CosignatureSigner:
    return CosignatureSigner(f"w{number}", Ed25519PrivateKey.from_private_bytes(bytes([number + 1]) * 32))


def make_witness(folder: Path, number: int, *logs: Ed25519Verifier, clock: Hand | None = None) -> Witness:
    return Witness(folder / f"w{number}" / "witness.db", cosigner(number), logs, clock or Hand())


@contextmanager
def served(witness: Witness) -> Iterator[WitnessServer]:
    """Serve a witness until the block ends."""
    with WitnessServer(witness) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def send(url: str, body: bytes | None = None) -> tuple[int, str, str]:
    """POST a body, or GET without one: status, content type, text."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def advance(
    folder: Path, number: int, verifier: Ed25519Verifier, bodies: list[bytes], won: Callable[[Request], None]
) -> None:
    """Offer requests to a witness in order; ``won`` is told of each that it cosigned."""
    witness = make_witness(folder, number, verifier)
    for body in bodies:
        if witness.add_checkpoint(body).status == 200:
            won(parse_request(body))


def race(folder: str, key: Ed25519Verifier, bodies: list[bytes], results: Any) -> None:
    """Offer all bodies in a process of its own; what was cosigned goes to the queue ``results``."""
    won: list[tuple[int, bytes]] = []
    advance(Path(folder), 0, key, bodies, lambda each: won.append((each.old, each.checkpoint)))
    results.put(won)
