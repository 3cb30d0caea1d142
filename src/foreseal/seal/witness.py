"""A witness: it remembers the largest tree that it has seen of each log, and cosigns only what extends it.

The rules are those of c2sp.org/tlog-witness. What it has cosigned is durable before anyone is told, and
comparing with what it remembers and remembering the new are one transaction: of two requests that start from
the same tree one wins, whatever threads or processes serve them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from foreseal.errors import Malformed, ProofError, SetupError, Tampered
from foreseal.merkle import EMPTY_ROOT, HASH_SIZE, verify_consistency
from foreseal.seal.checkpoint import Checkpoint, parse_checkpoint, parse_index
from foreseal.seal.cosignature import CosignatureSigner, CosignatureVerifier
from foreseal.seal.disk import make_folder, sync_folder
from foreseal.seal.note import Ed25519Verifier, Note, decode_base64, encode_base64, parse_note

MAX_REQUEST = 1 << 16
MAX_PROOF_LINES = 63
TEXT = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"

_SCHEMA = 1
_BUSY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What a witness answers: an HTTP status, the body, and its content type."""

    status: int
    body: str
    content_type: str = TEXT


@dataclass(frozen=True, slots=True)
class Request:
    """``add-checkpoint``: the size that was cosigned last, a consistency proof from it, a checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def __bytes__(self) -> bytes:
        lines = (f"old {self.old}", *map(encode_base64, self.proof), "")
        return "".join(f"{line}\n" for line in lines).encode() + self.checkpoint


def parse_request(data: bytes) -> Request:
    """Parse the body of a request strictly. Raises `Malformed`."""
    if len(data) > MAX_REQUEST:
        raise Malformed(f"a request has {len(data)} bytes; the limit is {MAX_REQUEST}.")
    head, gap, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Malformed("a request has a line that is not ASCII before its checkpoint.") from None
    if not gap or not lines[0].startswith("old "):
        raise Malformed("a request does not begin with its old size, or has no checkpoint.")
    if len(lines) - 1 > MAX_PROOF_LINES:
        raise Malformed(f"a consistency proof has {len(lines) - 1} lines; the limit is {MAX_PROOF_LINES}.")
    proof = tuple(decode_base64(line) for line in lines[1:])
    if any(len(value) != HASH_SIZE for value in proof):
        raise Malformed(f"a consistency proof has a hash that is not {HASH_SIZE} bytes.")
    return Request(parse_index(lines[0][4:]), proof, checkpoint)


def origin_path(origin: str) -> str:
    """Where a witness shows what it holds of a log: ``<SHA-256 of the origin, in hex>/checkpoint``."""
    return f"{sha256(origin.encode()).hexdigest()}/checkpoint"


class Witness:
    """Cosigns for the logs whose keys it is given. ``path`` is its SQLite database; ``clock`` gives the time.

    Safe to call from several threads.
    """

    def __init__(
        self,
        path: Path,
        signer: CosignatureSigner,
        logs: Iterable[Ed25519Verifier],
        clock: Callable[[], datetime],
    ) -> None:
        self._path, self._signer, self._clock = path, signer, clock
        self._logs: dict[str, list[Ed25519Verifier]] = {}
        for key in logs:
            self._logs.setdefault(key.name, []).append(key)
        make_folder(path.parent)
        with closing(self._connect()) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(
                "CREATE TABLE IF NOT EXISTS heads (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, "
                "root BLOB NOT NULL, at INTEGER NOT NULL, note BLOB NOT NULL)"
            )
            db.execute(f"PRAGMA user_version = {_SCHEMA}")
        sync_folder(path.parent)

    @property
    def verifier(self) -> CosignatureVerifier:
        """The key by which others know this witness."""
        return self._signer.verifier

    def add_checkpoint(self, body: bytes) -> Reply:
        """Answer ``POST /add-checkpoint``. When this returns 200, what it cosigned is durable."""
        try:
            request = parse_request(body)
        except Malformed as error:
            return Reply(400, f"bad request: {error.message}\n")
        try:
            note = parse_note(request.checkpoint)
        except Malformed as error:
            text = request.checkpoint.rpartition(b"\n\n")[0].decode(errors="replace")
            signed = text.partition("\n")[0] in self._logs
            return Reply(403 if signed else 400, f"invalid signature: {error.message}\n")
        keys = self._logs.get(note.text.partition("\n")[0])
        if keys is None:
            return Reply(404, "unknown log\n")
        try:
            # Signatures by others are no concern of a witness, so they are not kept.
            note = Note(note.text, tuple(line for _, line in note.verified(keys)))
        except Tampered:
            return Reply(403, "invalid signature\n")
        if not note.signatures:
            return Reply(403, "invalid signature: no trusted key of this log has signed\n")
        try:
            checkpoint = parse_checkpoint(note.text)
        except Malformed as error:
            return Reply(422 if _empty_with_root(note.text) else 400, f"bad checkpoint: {error.message}\n")
        if request.old > checkpoint.size:
            return Reply(400, f"the old size {request.old} is above the size {checkpoint.size}\n")
        try:
            return self._advance(request, checkpoint, note)
        except sqlite3.Error as error:
            return Reply(503, f"nothing was cosigned: {error}\n")

    def checkpoint(self, path: str) -> Reply:
        """Answer ``GET /<SHA-256 of the origin>/checkpoint``: the latest checkpoint, cosigned."""
        for origin in self._logs:
            if origin_path(origin) == path:
                with closing(self._connect()) as db:
                    row = db.execute("SELECT note FROM heads WHERE origin = ?", (origin,)).fetchone()
                if row:
                    return Reply(200, row[0].decode())
        return Reply(404, "no checkpoint of this log\n")

    def _advance(self, request: Request, checkpoint: Checkpoint, note: Note) -> Reply:
        with closing(self._connect()) as db:
            # Nobody else reads or writes between this line and the commit.
            db.execute("BEGIN IMMEDIATE")
            row = db.execute(
                "SELECT size, root, at FROM heads WHERE origin = ?", (checkpoint.origin,)
            ).fetchone()
            size, root, before = row or (0, EMPTY_ROOT, 0)
            if request.old != size:
                return Reply(409, f"{size}\n", SIZE)
            try:
                _check_extends(size, root, checkpoint, request.proof)
            except ProofError as error:
                return Reply(422, f"bad consistency proof: {error.message}\n")
            # A clock that was set back must not make a later statement look older than an earlier one.
            at = max(int(self._clock().timestamp()), before)
            line = self._signer.sign(note.text, datetime.fromtimestamp(at, UTC))
            kept = bytes(Note(note.text, (*note.signatures, line)))
            db.execute(
                "INSERT OR REPLACE INTO heads (origin, size, root, at, note) VALUES (?, ?, ?, ?, ?)",
                (checkpoint.origin, checkpoint.size, checkpoint.root, at, kept),
            )
            db.execute("COMMIT")
        return Reply(200, str(line))

    def _connect(self) -> sqlite3.Connection:
        # A connection that is closed within a transaction rolls it back.
        try:
            db = sqlite3.connect(self._path, isolation_level=None, timeout=_BUSY_SECONDS)
            db.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error as error:
            raise SetupError(f"the witness's database {self._path} cannot be opened: {error}.") from None
        return db


def _check_extends(size: int, root: bytes, checkpoint: Checkpoint, proof: tuple[bytes, ...]) -> None:
    if size:
        verify_consistency(size, checkpoint.size, proof, root, checkpoint.root)
    elif proof:
        raise Malformed("a consistency proof from size 0 must be empty.")


def _empty_with_root(text: str) -> bool:
    """Whether this says that an empty log has the root of another; nothing is consistent with that."""
    origin, _, rest = text.partition("\n")
    size, _, root = rest.partition("\n")
    try:
        return bool(origin) and size == "0" and len(decode_base64(root.partition("\n")[0])) == HASH_SIZE
    except Malformed:
        return False
