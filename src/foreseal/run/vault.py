"""The vault: payloads that are committed to and not yet revealed, with their salts.

It lies outside the published folder. A file is durable before its commitment is sealed, so that a crash can
leave a salt without a commitment, and never a commitment without its salt.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from foreseal.errors import SetupError
from foreseal.seal.disk import make_folder, write_file
from foreseal.seal.entry import commitment

SALT_SIZE = 32


@dataclass(frozen=True, slots=True)
class Vault:
    """One file per commitment: the salt, then the payload."""

    folder: Path

    def commit(self, author: str, data: bytes) -> str:
        """Draw a salt, keep it with the payload, and return the commitment in hexadecimal."""
        salt = secrets.token_bytes(SALT_SIZE)
        digest = commitment(author, salt, sha256(data).digest())
        make_folder(self.folder)
        self.folder.chmod(0o700)
        write_file(self.folder / digest, salt + data)
        return digest

    def open(self, digest: str) -> tuple[bytes, bytes]:
        """Salt and payload of a commitment. Raises `SetupError` if they are not here."""
        path = self.folder / digest
        try:
            kept = path.read_bytes()
        except FileNotFoundError:
            raise SetupError(
                f"The salt of commitment {digest} is not in {self.folder}; its forecast cannot be revealed.",
                hint="Restore the project's store folder from its backup.",
            ) from None
        return kept[:SALT_SIZE], kept[SALT_SIZE:]
