"""The contract ``Anchor`` as it is compiled into the package: its calls, its code, the slots of its storage.

The source is contracts/Anchor.vy; nobody needs its compiler to use it.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from foreseal.errors import MissingExtra

EXTRA = "chain"
NOBODY = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class Head:
    """What the contract holds of a log: its owner, whether checkpoints are proven, the newest size."""

    owner: str
    proven: bool
    size: int

    @property
    def claimed(self) -> bool:
        """Whether anybody owns the name."""
        return self.owner != NOBODY


def available() -> bool:
    """Whether a chain can be read here."""
    return importlib.util.find_spec("web3") is not None


def need(what: str) -> None:
    """Raise `MissingExtra` unless the extra ``chain`` is installed."""
    if not available():
        raise MissingExtra(EXTRA, what)


def name_of(origin: str) -> bytes:
    """How the contract names a log: the SHA-256 of its origin."""
    return sha256(origin.encode()).digest()


def keccak(data: bytes) -> bytes:
    """The hash of Ethereum (Keccak-256, not the SHA-3 of FIPS 202)."""
    from eth_utils.crypto import keccak as hashed

    return hashed(data)


def bytecode() -> bytes:
    """What is sent to deploy the contract."""
    return bytes.fromhex(_artifact()["bytecode"].removeprefix("0x"))


@cache
def code_hash() -> bytes:
    """Keccak-256 of the code of every contract that was deployed from this source."""
    return keccak(bytes.fromhex(_artifact()["runtime"].removeprefix("0x")))


def claim_call(origin: str, *, proven: bool) -> bytes:
    """The call ``claim``."""
    return _call("claim", (name_of(origin), proven))


def anchor_call(origin: str, size: int, root: bytes, proof: Sequence[bytes]) -> bytes:
    """The call ``anchor``."""
    return _call("anchor", (name_of(origin), size, root, list(proof)))


def head_call(origin: str) -> bytes:
    """The call ``head_of``."""
    return _call("head_of", (name_of(origin),))


def read_head(answer: bytes) -> Head:
    """What ``head_of`` answers: three words. Raises `ValueError` for anything else."""
    owner, proven, size = (int.from_bytes(answer[at : at + 32], "big") for at in (0, 32, 64))
    if len(answer) != 96 or owner >> 160 or proven > 1 or size >> 64:
        raise ValueError("this is no answer of head_of")
    return Head(f"0x{owner:040x}", bool(proven), size)


def root_call(origin: str, size: int) -> bytes:
    """The call ``root_of``, which answers 32 bytes: zero where there is none."""
    return _call("root_of", (name_of(origin), size))


def root_slot(origin: str, size: int) -> bytes:
    """Where the contract stores the root of a size (Vyper hashes the slot of a map before the key)."""
    outer = keccak(_artifact()["slots"]["roots"].to_bytes(32, "big") + name_of(origin))
    return keccak(outer + size.to_bytes(32, "big"))


def _call(name: str, values: Sequence[Any]) -> bytes:
    from eth_abi.abi import encode

    (found,) = [
        each for each in _artifact()["abi"] if each.get("name") == name and each["type"] == "function"
    ]
    types = [each["type"] for each in found["inputs"]]
    return keccak(f"{name}({','.join(types)})".encode())[:4] + encode(types, list(values))


@cache
def _artifact() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files("foreseal.chain").joinpath("Anchor.json").read_text("utf-8"))
    return found
