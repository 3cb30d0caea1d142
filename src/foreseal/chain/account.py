"""The account that pays for anchors: a secp256k1 key in a PKCS#8 PEM file, readable by its owner only.

It is used for one log only and for nothing else: the first transaction of it that is not in a block is always
the newest anchor's, so whatever waits there may be replaced.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256K1,
    EllipticCurvePrivateKey,
    generate_private_key,
)

from foreseal.chain.contract import need
from foreseal.errors import SetupError
from foreseal.seal.keys import load_pem, write_key

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


def make_account(path: Path, passphrase: bytes | None = None) -> str:
    """Make an account and keep its key at ``path``; returns its address. Raises `Refused` if it exists."""
    need("An account on a chain")
    key = generate_private_key(SECP256K1())
    write_key(path, key, passphrase)
    return str(_account(key).address).lower()


def load_account(path: Path, passphrase: bytes | None = None) -> LocalAccount:
    """Read an account. Raises `KeyMissing` or `SetupError` as for other keys, and `MissingExtra`."""
    need("An account on a chain")
    key = load_pem(path, passphrase, hint="`foreseal seal account` makes one.")
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256K1):
        raise SetupError(f"{path} does not hold the key of an account (secp256k1).")
    return _account(key)


def _account(key: EllipticCurvePrivateKey) -> LocalAccount:
    from eth_account import Account

    found: LocalAccount = Account.from_key(key.private_numbers().private_value.to_bytes(32, "big"))
    return found
