"""Records of people: each encrypted under its subject's key, and hashed with a salt that dies with the key.

A row of a personal dataset is kept as ``case_id``, ``known_at`` and ``record``. The record is a random nonce
of 12 bytes and the AES-256-GCM ciphertext of all other columns as a JSON object, padded with spaces to a
multiple of 64 bytes. The place of a row, authenticated with it, is one line of text::

    foreseal record v1 ["dataset","part","case_id",known_at in microseconds since 1970,n]

Each record is a leaf of its own: the place, LF, the salt (32 bytes), the record. The salt of a record is the
HMAC-SHA256 of its nonce under the subject's secret, so it cannot be made again once that is destroyed. The
rows of an append are ordered by ``known_at``, ``case_id`` and the bytes of the record; a leaf whose subject
has been erased is taken as it was kept.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from foreseal import merkle
from foreseal.clock import format_instant, from_us
from foreseal.errors import Busy, SetupError, Tampered
from foreseal.records import Rejected
from foreseal.store.chunks import Leaves
from foreseal.store.schema import DTYPES, Part, Schema
from foreseal.store.subjects import Secret, Subjects

MAGIC = "foreseal record v1"
NONCE_SIZE = 12
PADDED = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record belongs. ``known_at`` in microseconds since 1970; ``n`` is the number of its append."""

    dataset: str
    part: str
    case_id: str
    known_at: int
    n: int

    def __bytes__(self) -> bytes:
        place = [self.dataset, self.part, self.case_id, self.known_at, self.n]
        return f"{MAGIC} {json.dumps(place, ensure_ascii=False, separators=(',', ':'))}".encode()


def encrypt(values: Mapping[str, Any], secret: Secret, place: Place) -> bytes:
    """The record of ``values`` (text, numbers, truth values, None) that opens at its own place only."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    nonce = os.urandom(NONCE_SIZE)
    padded = text + b" " * (-len(text) % PADDED)
    return nonce + AESGCM(secret.key).encrypt(nonce, padded, bytes(place))


def decrypt(record: bytes, secret: Secret, place: Place) -> dict[str, Any]:
    """The values of a record. Raises `Tampered` if it is not the one that was put in this place."""
    try:
        text = AESGCM(secret.key).decrypt(record[:NONCE_SIZE], record[NONCE_SIZE:], bytes(place))
    except (InvalidTag, ValueError):
        at = format_instant(from_us(place.known_at))
        raise Tampered(
            f"The record of {place.case_id} known at {at} in append {place.n} of dataset {place.dataset!r} "
            f"({place.part}) is not the one that was accepted.",
            hint="Restore the store folder from a backup.",
        ) from None
    found: dict[str, Any] = json.loads(text)
    return found


def leaf(record: bytes, secret: Secret, place: Place) -> bytes:
    """The bytes whose RFC 6962 leaf hash is in the tree of the append."""
    salt = hmac.digest(secret.salt, record[:NONCE_SIZE], "sha256")
    return bytes(place) + b"\n" + salt + record


def hidden(refused: list[Rejected]) -> list[Rejected]:
    """Refused rows without the values that they had."""
    return [Rejected(each.file, each.row, each.column, "", each.reason) for each in refused]


class Personal:
    """The way in and out of personal datasets. Without ``subjects`` the store was opened without keys."""

    def __init__(self, subjects: Subjects | None) -> None:
        self._subjects = subjects

    @property
    def subjects(self) -> Subjects:
        """The key database. Raises `SetupError` if the store was opened without one."""
        if self._subjects is None:
            raise SetupError(
                "This store was opened without a key database, which personal data needs.",
                hint="Open it through the project, or with Store.open(folder, keys=PATH).",
            )
        return self._subjects

    def close(self) -> None:
        """Close the key database."""
        if self._subjects is not None:
            self._subjects.close()

    def pseudonymise(self, schema: Schema, rows: pl.DataFrame, appends: int) -> pl.DataFrame:
        """``rows`` with pseudonyms instead of the source's ids. ``appends`` is how many there are already."""
        if appends and not self.subjects.has(schema.name):
            raise SetupError(
                f"Dataset {schema.name!r} has records, but their keys are not in {self.subjects.path}.",
                hint=f"Put the latest {self.subjects.path.name} of this project in its place.",
            )
        ids = rows["case_id"].to_list()
        found = self.subjects.admit(schema.name, ids)
        return rows.with_columns(pl.Series("case_id", [found[name] for name in ids], pl.String))

    def seal(self, schema: Schema, part: Part, n: int, rows: pl.DataFrame) -> tuple[pl.DataFrame, Leaves]:
        """Encrypted rows of append ``n``, sorted by case, and their leaves.

        Raises `Busy` if one of the subjects has been erased meanwhile.
        """
        cases = rows["case_id"].unique()
        keys = self.subjects.secrets(schema.name, cases)
        if len(keys) < len(cases):
            raise Busy(
                f"A subject of dataset {schema.name!r} was erased while their records were being collected.",
                hint="Collect again.",
            )
        plain = rows.select(_inside(part)).with_columns(pl.col("claimed_at").to_physical())
        places = _places(schema, part, rows.with_columns(n=pl.lit(n)))
        records = [
            encrypt(values, keys[place.case_id], place)
            for values, place in zip(plain.iter_rows(named=True), places, strict=True)
        ]
        frame = rows.select("case_id", "known_at").with_columns(pl.Series("record", records, pl.Binary))
        ordered = _in_order(frame.with_columns(n=pl.lit(n)))
        hashes = tuple(
            merkle.leaf_hash(leaf(record, keys[place.case_id], place))
            for record, place in zip(ordered["record"], _places(schema, part, ordered), strict=True)
        )
        known = ordered["known_at"].to_numpy().view("i8")
        before = np.arange(len(known)) - np.searchsorted(known, known, side="left")
        return frame, Leaves(hashes, known, known, before.astype(np.int64))

    def open(self, schema: Schema, part: Part, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows as they were accepted, without those of erased subjects."""
        keys = self.subjects.secrets(schema.name, frame["case_id"].unique()) if frame.height else {}
        mine = frame.filter(pl.col("case_id").is_in(list(keys)))
        found = [
            decrypt(record, keys[place.case_id], place)
            for record, place in zip(mine["record"], _places(schema, part, mine), strict=True)
        ]
        columns: dict[str, pl.Series] = {name: mine[name] for name in ("case_id", "known_at", "n")}
        for name in _inside(part):
            dtype = DTYPES[part.columns[name]]
            raw = pl.Int64() if dtype.is_temporal() else dtype
            columns[name] = pl.Series(name, [each[name] for each in found], raw).cast(dtype)
        return pl.DataFrame({name: columns[name] for name in part.frame_schema})

    def count_erased(self, schema: Schema, frame: pl.DataFrame) -> int:
        """How many of these encrypted rows belong to erased subjects."""
        keys = self.subjects.secrets(schema.name, frame["case_id"].unique()) if frame.height else {}
        return frame.filter(~pl.col("case_id").is_in(list(keys))).height

    def leaves(self, schema: Schema, part: Part, frame: pl.DataFrame) -> list[bytes | None]:
        """The leaves of one append, in order; None where the subject has been erased."""
        keys = self.subjects.secrets(schema.name, frame["case_id"].unique()) if frame.height else {}
        ordered = _in_order(frame)
        return [
            leaf(record, keys[place.case_id], place) if place.case_id in keys else None
            for record, place in zip(ordered["record"], _places(schema, part, ordered), strict=True)
        ]


def _inside(part: Part) -> list[str]:
    """The columns that are encrypted."""
    return [name for name in part.columns if name not in ("case_id", "known_at")]


def _places(schema: Schema, part: Part, frame: pl.DataFrame) -> list[Place]:
    rows = frame.select("case_id", pl.col("known_at").to_physical(), "n").iter_rows()
    return [Place(schema.name, part.name, case, known, n) for case, known, n in rows]


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sort("known_at", "case_id", "record")
