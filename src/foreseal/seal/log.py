"""Writing a log. An append is acknowledged when it survives a power cut and is under a signed checkpoint.

The order of an append, and what a crash after each step leaves:

1. entry bundles, then tiles, each written aside, fsynced, renamed, the folder fsynced
   (an unsigned tail, dropped when the log is next opened)
2. compare-and-swap of size and root in the lock database, committed durably
   (the disk reproduces what the lock holds; the same checkpoint is signed when the log is next opened)
3. sign, publish the checkpoint by rename
   (partial tiles beside full ones, removed when the log is next opened)
4. remove the partial tiles of those that are full now; acknowledge

Whoever has an older checkpoint reads by its partial tiles, so each stays until its full tile is there.

A log never signs two checkpoints that are not consistent. Where that cannot be told, it refuses to sign.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType

from foreseal.errors import ProofError, Refused
from foreseal.merkle import EMPTY_ROOT, leaf_hash
from foreseal.seal.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from foreseal.seal.cosigned import COSIGNED, cosigned_path
from foreseal.seal.disk import is_temporary, make_folder, read_file, remove_files, write_file, write_files
from foreseal.seal.lock import Head, LogLock, default_lock_path
from foreseal.seal.note import MAX_NOTE, MAX_SIGNATURES, Note, Signature, Signer, Verifier, parse_note
from foreseal.seal.reader import CHECKPOINT, LogReader
from foreseal.seal.signed import compare, expect_head, read_published
from foreseal.seal.tiles import (
    ENTRIES,
    WIDTH,
    Edge,
    parse_tile_path,
    tile_path,
    width_of,
    write_bundle,
)

_EMPTY = Head(0, EMPTY_ROOT)


class Log(LogReader):
    """A log open for writing, by this process alone. Use it as a context manager.

    ``signer`` is the log's key under the log's origin. ``lock_path`` is the lock database (see
    `foreseal.seal.lock`), by default one outside the project for each key.
    """

    def __init__(self, folder: Path, signer: Signer, lock: LogLock, head: Head) -> None:
        checkpoint = Checkpoint(signer.name, head.size, head.root)
        super().__init__(folder, checkpoint, sign_checkpoint(checkpoint, signer))
        self._signer = signer
        self._lock = lock
        self._edge: Edge
        self._tail: list[bytes]
        # Paths that are to go once a checkpoint is published: what failed appends wrote, and the folders of
        # partial tiles whose full tile that checkpoint covers.
        self._unsigned: set[str] = set()
        self._filled: set[str] = set()
        self._unsure = False

    @classmethod
    def create(cls, folder: Path, signer: Signer, lock_path: Path | None = None) -> Log:
        """Start an empty log. Raises `Refused` if this key has signed one before, or the folder has one."""
        lock = LogLock(lock_path or default_lock_path(signer.verifier.public))
        try:
            if (folder / CHECKPOINT).exists():
                raise Refused(f"there is a log in {folder} already.")
            head = lock.head()
            if head not in (None, _EMPTY):
                raise Refused(
                    f"this key has already signed a log of {head.size if head else 0} entries.",
                    hint="Make a new key for a new log; one key never signs two.",
                )
            if head is None:
                lock.swap(None, _EMPTY)
        except BaseException:
            lock.close()
            raise
        lock.close()
        make_folder(folder)
        return cls.open(folder, signer, lock_path)

    @classmethod
    def open(
        cls,
        folder: Path,
        signer: Signer,
        lock_path: Path | None = None,
        witnesses: Collection[Verifier] = (),
    ) -> Log:
        """Open for writing, after completing or undoing an append that was interrupted.

        A cosignature is published and kept; where one of the two is damaged, the other makes it good, which
        needs the keys of the ``witnesses``.

        Raises `Busy` while another process has it open, and `Refused` where signing could fork the log: the
        lock is missing, is behind the published checkpoint, or holds what the disk cannot reproduce.
        """
        lock = LogLock(lock_path or default_lock_path(signer.verifier.public))
        try:
            published = read_published(folder, signer)
            log = cls(folder, signer, lock, expect_head(lock.head(), published, folder, lock.path))
            compare(log, published, lock.path)
            log._recover(published, witnesses)
        except BaseException:
            lock.close()
            raise
        return log

    @classmethod
    def adopt(
        cls, folder: Path, signer: Signer, checkpoint: bytes, lock_path: Path | None = None
    ) -> Checkpoint:
        """Put the published state of a log under a lock that is missing or behind, and return it.

        ``checkpoint`` is the latest one of this log that the user trusts from elsewhere: a witness, a
        receipt, another copy; an older one proves less. Every entry on disk is checked. Raises `Refused` if
        the log in the folder does not extend it, or if the lock remembers a head that the disk does not
        hold: what was signed cannot be taken back.
        """
        trusted = open_checkpoint(checkpoint, [signer.verifier])
        published = read_published(folder, signer)
        lock = LogLock(lock_path or default_lock_path(signer.verifier.public))
        try:
            if published is None:
                raise Refused(f"there is no checkpoint in {folder} to compare with.")
            reader = LogReader(folder, published, b"")
            for _ in reader.entries():
                pass
            reader.check_edge()
            held = lock.head()
            heads = [(trusted.size, trusted.root, "the checkpoint that you trust")]
            if held is not None:
                heads.append((held.size, held.root, "the last one that this key has signed here"))
            for size, root, what in heads:
                if size > published.size or reader.root_at(size) != root:
                    raise Refused(
                        f"the log in {folder} has {published.size} entries and does not extend {what}, "
                        f"of {size} entries.",
                        hint="Restore the missing entries from a newer copy, or start a new log and key.",
                    )
            new = Head(published.size, published.root)
            if held != new:
                lock.swap(held, new)
        finally:
            lock.close()
        return published

    def append(self, entries: Iterable[bytes]) -> list[int]:
        """Add entries and return their indices; they are sealed and durable when this returns.

        An entry is 1 to 65 535 bytes of anything. If this raises, the entries may or may not be in the log;
        where the lock may hold them and may not, nothing more is appended until the log is opened again.
        """
        fresh = list(entries)
        if not fresh:
            return []
        if self._unsure:
            raise Refused(
                f"an append to the log in {self.folder} failed while {self._lock.path} was being changed, "
                "so it is not known what has been signed.",
                hint="Open the log again: that completes what was signed, and undoes what was not.",
            )
        size = self.size
        bundles = self._bundles(fresh)
        edge = self._edge.copy()
        tiles = edge.append([leaf_hash(entry) for entry in fresh], size)
        new = Head(size + len(fresh), edge.root())

        # Should this fail, the next append removes what it has written.
        written = {*bundles, *(path for path, _ in tiles)}
        self._unsigned |= written
        write_files({self.folder / path: data for path, data in bundles.items()})
        write_files({self.folder / path: data for path, data in tiles})
        # A swap that fails may have been made all the same. The next append would write over its files.
        self._unsure = True
        self._lock.swap(Head(size, self.checkpoint.root), new)
        self._unsure = False
        self._edge = edge
        self._tail = (self._tail + fresh)[-(new.size % WIDTH) :] if new.size % WIDTH else []
        self._unsigned -= written
        self._filled |= {f"{path}.p" for path in written if ".p/" not in path}
        self.checkpoint = Checkpoint(self.origin, new.size, new.root)
        self._tiles.grow(new.size)
        self._publish()
        return list(range(size, new.size))

    def cosign(self, lines: Iterable[Signature]) -> None:
        """Publish cosignatures of the present checkpoint, which the caller has verified, and keep them.

        The first one of a witness stays: it says the most.
        """
        signed = _with_lines(self.signed, lines)
        if signed != self.signed:
            path = self.folder / cosigned_path(self.size)
            write_files({path: signed, self.folder / CHECKPOINT: signed})
            self.signed = signed

    def close(self) -> None:
        """Let another process write."""
        self._lock.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _bundles(self, fresh: list[bytes]) -> dict[str, bytes]:
        entries, first = self._tail + fresh, self.size // WIDTH
        bundles = {}
        for i in range(0, len(entries), WIDTH):
            part = entries[i : i + WIDTH]
            bundles[tile_path(ENTRIES, first + i // WIDTH, len(part))] = write_bundle(part)
        return bundles

    def _publish(self) -> None:
        self.signed = sign_checkpoint(self.checkpoint, self._signer)
        write_file(self.folder / CHECKPOINT, self.signed)
        partials = [path for folder in self._filled for path in (self.folder / folder).glob("*")]
        remove_files([*partials, *(self.folder / path for path in self._unsigned)])
        self._unsigned, self._filled = set(), set()

    def _recover(self, published: Checkpoint | None, witnesses: Collection[Verifier]) -> None:
        """Bring the folder, which has been compared with the lock, to exactly its state."""
        self._edge = self._tiles.edge()
        self._tail = self._tiles.bundle(self.size // WIDTH) if self.size % WIDTH else []
        path, kept = self.folder / CHECKPOINT, self.folder / cosigned_path(self.size)
        lines = {each: _kept_lines(each, self.signed) for each in (kept, path)}
        text = parse_note(self.signed).text.encode()
        found = sorted((*lines[kept], *lines[path]), key=lambda line: _is_wrong(line, text, witnesses))
        self.signed = _with_lines(self.signed, found)
        if published is None or path.read_bytes() != self.signed:
            write_file(path, self.signed)
        if lines[kept] and kept.read_bytes() != self.signed:
            write_file(kept, self.signed)
        remove_files(self._strays())

    def _strays(self) -> list[Path]:
        strays = [path for path in self.folder.iterdir() if path.is_file() and is_temporary(path)]
        for room in ("tile", "payload", COSIGNED):
            for path in (self.folder / room).rglob("*"):
                if path.is_file() and (is_temporary(path) or (room == "tile" and self._is_stray(path))):
                    strays.append(path)
        return strays

    def _is_stray(self, path: Path) -> bool:
        tile = parse_tile_path(path.relative_to(self.folder).as_posix())
        if tile is None:
            return True
        level, index, width = tile
        present = width_of(self.size, level, index)
        if width == present:
            return False
        if width > present or present == WIDTH:
            return True
        current = (self.folder / tile_path(level, index, present)).read_bytes()
        return path.stat().st_size > len(current) or not current.startswith(path.read_bytes())


def _with_lines(signed: bytes, lines: Iterable[Signature]) -> bytes:
    note = parse_note(signed)
    found = {(line.name, line.key_id): line for line in note.signatures}
    for line in lines:
        found.setdefault((line.name, line.key_id), line)
    return bytes(Note(note.text, tuple(found.values())[:MAX_SIGNATURES]))


def _kept_lines(path: Path, signed: bytes) -> tuple[Signature, ...]:
    """The cosignatures in a file, if it is of the same checkpoint; a damaged file has none."""
    try:
        note = parse_note(read_file(path, MAX_NOTE))
    except ProofError:
        return ()
    return note.signatures[1:] if signed.startswith(f"{note.text}\n{note.signatures[0]}".encode()) else ()


def _is_wrong(line: Signature, text: bytes, keys: Iterable[Verifier]) -> bool:
    """Whether a line claims to be by one of these keys, and is not."""
    mine = (key for key in keys if (key.name, key.key_id) == (line.name, line.key_id))
    return any(not key.verifies(text, line.signature) for key in mine)
