"""Signing keys: Ed25519, one PKCS#8 PEM file each, readable by the owner only.

Author keys sign entries, the log key signs checkpoints; they are never the same key. Nothing here makes a key
unless asked to, and nothing overwrites one.
"""

from __future__ import annotations

import os
import re
import stat
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from foreseal.errors import KeyMissing, Malformed, Refused, SetupError
from foreseal.seal.disk import sync_folder

MAX_PEM = 16_384

_AUTHOR = re.compile(r"ed25519:([0-9a-f]{64})", re.ASCII)


def generate_key(path: Path, passphrase: bytes | None = None) -> Ed25519PrivateKey:
    """Make a key and write it to ``path`` (0600), durably. Raises `Refused` if the file exists."""
    key = Ed25519PrivateKey.generate()
    write_key(path, key, passphrase)
    return key


def write_key(
    path: Path, key: Ed25519PrivateKey | EllipticCurvePrivateKey, passphrase: bytes | None = None
) -> None:
    """Write a key to ``path`` (0600), durably, encrypted if there is a passphrase."""
    lock: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Refused(
            f"{path} exists; a key is never overwritten.",
            hint="Keep it, or move it away yourself if it is truly not needed.",
        ) from None
    except FileNotFoundError:
        raise SetupError(f"the folder {path.parent} does not exist.", hint="Make it first.") from None
    with os.fdopen(fd, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(fd)
    sync_folder(path.parent)


def load_key(path: Path, passphrase: bytes | None = None) -> Ed25519PrivateKey:
    """Read a key. Raises `KeyMissing`, or `SetupError` if others can read it or the passphrase is wrong."""
    key = load_pem(path, passphrase, hint="`foreseal init` makes the keys of a new project.")
    if not isinstance(key, Ed25519PrivateKey):
        raise SetupError(f"{path} does not hold an Ed25519 key.")
    return key


def load_pem(path: Path, passphrase: bytes | None = None, *, hint: str) -> PrivateKeyTypes:
    """A private key of whatever kind; raises as `load_key` does. ``hint`` says how one is made."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            pem = file.read(MAX_PEM + 1)
    except FileNotFoundError:
        raise KeyMissing(
            f"there is no key at {path}.",
            hint=f"Restore it from its backup; {hint}",
        ) from None
    if os.name == "posix" and mode & 0o077:
        raise SetupError(f"{path} can be read by others (mode {mode:04o}).", hint=f"chmod 600 {path}")
    if len(pem) > MAX_PEM:
        raise SetupError(f"{path} is too large to be a key.")
    try:
        return load_pem_private_key(pem, passphrase)
    except TypeError:
        wrong = "needs a passphrase" if passphrase is None else "has no passphrase, but one was given"
        raise SetupError(f"the key {path} {wrong}.") from None
    except ValueError:
        what = "cannot be read" if passphrase is None else "cannot be read with this passphrase"
        raise SetupError(f"the key {path} {what}.") from None


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes of the public half."""
    return key.public_key().public_bytes_raw()


def author_id(public: bytes) -> str:
    """``ed25519:<hex>``, the name of an author in entries."""
    return f"ed25519:{public.hex()}"


@lru_cache(maxsize=256)
def parse_author(text: str) -> bytes:
    """The 32-byte public key of an author id."""
    match = _AUTHOR.fullmatch(text)
    if not match:
        raise Malformed(f"{text[:80]!r} is not an author; one looks like ed25519:<64 hex digits>.")
    return bytes.fromhex(match[1])
