"""Does a log on disk hold what its key has signed, as the lock database remembers it?"""

from __future__ import annotations

from pathlib import Path

from foreseal.errors import Malformed, ProofError, Refused, SetupError, Tampered
from foreseal.seal.checkpoint import Checkpoint, open_checkpoint
from foreseal.seal.disk import read_file
from foreseal.seal.lock import Head, default_lock_path, peek_head
from foreseal.seal.note import MAX_NOTE, Signer
from foreseal.seal.reader import CHECKPOINT, LogReader
from foreseal.seal.tiles import WIDTH

ADOPT = "Compare the log with a checkpoint that you trust: foreseal seal adopt CHECKPOINT"


def signed_here(folder: Path, signer: Signer, lock: Path | None = None) -> int:
    """How many entries the key has signed here, as `foreseal.seal.log.Log.open` would find.

    Raises what that would, but for `Busy`, and changes nothing.
    """
    lock = lock or default_lock_path(signer.verifier.public)
    published = read_published(folder, signer)
    head = expect_head(peek_head(lock), published, folder, lock)
    compare(LogReader(folder, Checkpoint(signer.name, head.size, head.root), b""), published, lock)
    return head.size


def read_published(folder: Path, signer: Signer) -> Checkpoint | None:
    """The checkpoint in a log's folder; None if there is none. Raises `Refused` if it is not by this key."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        return open_checkpoint(read_file(path, MAX_NOTE), [signer.verifier])
    except (Malformed, Tampered) as error:
        raise Refused(
            f"{path} is not a checkpoint that this log's key has signed: {error.message}",
            hint="Restore it from a copy, or put the log's own key back if that was exchanged.",
        ) from None


def expect_head(head: Head | None, published: Checkpoint | None, folder: Path, lock: Path) -> Head:
    """The head that the lock database holds. Raises `SetupError` or `Refused` where it holds none."""
    if head is not None:
        return head
    if published is None:
        raise SetupError(f"there is no log in {folder}.", hint="`foreseal init` makes one.")
    raise Refused(f"{lock} knows nothing of the log in {folder}.", hint=ADOPT)


def compare(log: LogReader, published: Checkpoint | None, lock: Path) -> None:
    """Raise `Refused` unless the folder holds what its key has signed, and that extends what is published."""
    if published is not None and published.size > log.size:
        raise Refused(
            f"{lock} holds {log.size} entries, but {published.size} are published in {log.folder}.",
            hint=ADOPT,
        )
    try:
        log.check_edge()
        if log.size % WIDTH:
            log.entry(log.size - 1)
        if published is not None and log.root_at(published.size) != published.root:
            raise Tampered(f"they do not extend the {published.size} entries that are published.")
    except ProofError as error:
        raise Refused(
            f"the log in {log.folder} does not hold the {log.size} entries that its key has signed: "
            f"{error.message}",
            hint="Restore the missing files from a newer copy; `foreseal doctor` names them.",
        ) from None
