"""Keys and logs made from fixed seeds, so that every byte is the same in every run."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal.seal.log import Log
from foreseal.seal.note import Signer


@pytest.fixture(scope="session")
def signer() -> Signer:
    return Signer("example.com/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.fixture(scope="session")
def author() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "state" / "lock.db"


@pytest.fixture
def log(tmp_path: Path, signer: Signer, lock: Path):
    with Log.create(tmp_path / "log", signer, lock) as log:
        yield log
