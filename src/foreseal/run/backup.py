"""Backups: a project in a folder that can be checked and restored, without what must never be in two places.

DIR/
  SHA256SUMS    digest and name of every file, as ``sha256sum -c`` reads it; written last
  project/      the project: settings, data, store, log, receipts

Never in it: private keys (the folder ``keys/``, and any other file that holds one), keys of personal data,
and what must not forget: the lock database of the log, a witness's memory. A key belongs in a safe place of
its own; a restored memory would let a key sign a second history.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from foreseal import settings as toml
from foreseal.errors import Busy, Malformed, Refused, Tampered, UsageError
from foreseal.seal.disk import is_temporary, make_folder, read_file, sync_folder, write_file
from foreseal.seal.lock import LogLock, default_lock_path
from foreseal.seal.note import parse_vkey
from foreseal.seal.reader import read_log
from foreseal.store.catalogue import connect

MANIFEST = "SHA256SUMS"
MAX_MANIFEST = 1 << 28

_ROOM = "project"
_LINE = re.compile(rf"([0-9a-f]{{64}})  ({_ROOM}/[^\n\\]+)")
_LOCK = re.compile(r"[0-9a-f]{64}\.db(-wal|-shm|-journal)?")
_NAMES = {"subjects.db": "keys of personal data", "witness.db": "a witness's memory"}
_PASSING = re.compile(r".*\.(partial|db-wal|db-shm|db-journal)")
_SQLITE = b"SQLite format 3\x00"
_PRIVATE = b"PRIVATE KEY-----"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds: files, bytes, entries of its log; and what was left out of it, with the reason."""

    files: int
    bytes: int
    size: int
    left_out: tuple[tuple[str, str], ...] = ()


def back_up(project: Path, target: Path) -> Backup:
    """Copy the project into the folder ``target``, durably.

    Raises `UsageError` if ``target`` holds anything, and `Busy` while another process writes to the log.
    """
    settings = toml.load(project)
    project = settings.path.parent
    if target.resolve().is_relative_to(project.resolve()):
        raise UsageError(
            f"{target} lies inside the project.", hint="Put the backup elsewhere, best on another disk."
        )
    _check_empty(target)
    key = parse_vkey(settings.seal.key)
    with _still(default_lock_path(key.public)):
        names, left_out = _choose(project)
        # What is in the databases refers to files, so the files are copied after them.
        names.sort(key=lambda name: (not _is_database(project / name), name))
        sums: dict[str, str] = {}
        total = 0
        for name in names:
            digest, size = _copy_safely(project / name, target / _ROOM / name)
            if digest:
                sums[f"{_ROOM}/{name}"] = digest
                total += size
            else:
                left_out.append((name, "holds a private key"))
    _check_segments(target / _ROOM)
    log = read_log(target / _ROOM / "log", [key])
    for folder, _, _ in os.walk(target):
        sync_folder(Path(folder))
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
    write_file(target / MANIFEST, text.encode())
    return Backup(len(sums), total, log.size, tuple(sorted(left_out)))


def restore(backup: Path, folder: Path) -> Backup:
    """Put a backup's project into ``folder``, which must be empty, after checking every file of it.

    The settings come last, so that a folder without them is a restore that was interrupted. Raises
    `Tampered` naming what is damaged, missing or not part of the backup.
    """
    _check_empty(folder)
    sums = _read_manifest(backup)
    problems = [*_damaged(backup, sums)]
    if problems:
        more = f" (and {len(problems) - 10} more)" if len(problems) > 10 else ""
        raise Tampered(
            f"the backup in {backup} is damaged: {'; '.join(problems[:10])}{more}.",
            hint="Nothing was restored. Use another copy of this backup, or another backup.",
        )
    settings = f"{_ROOM}/{toml.FILE_NAME}"
    total = 0
    for name in sorted(sums, key=lambda name: (name == settings, name)):
        place = folder / name.removeprefix(f"{_ROOM}/")
        digest, size = _copy(backup / name, place)
        total += size
        if digest != sums[name]:
            raise Tampered(f"{backup / name} changed while it was being restored.")
    for each, _, _ in os.walk(folder):
        sync_folder(Path(each))
    (folder / "keys").mkdir(mode=0o700, exist_ok=True)
    found = toml.load(folder)
    return Backup(len(sums), total, read_log(folder / "log", [parse_vkey(found.seal.key)]).size)


def _check_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not an empty folder.", hint="Give a new one.")
    make_folder(folder)


@contextmanager
def _still(lock: Path) -> Iterator[None]:
    """No process of this machine appends to the log meanwhile."""
    with closing(LogLock(lock)) if lock.exists() else nullcontext():
        yield


def _choose(project: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Names of the files to copy, and what is left out, with the reason."""
    names: list[str] = []
    left_out: list[tuple[str, str]] = []
    for place, folders, files in os.walk(project):
        here = Path(place).relative_to(project)
        for folder in list(folders):
            name = (here / folder).as_posix()
            reason = {"keys": "private keys", ".git": "a repository of its own"}.get(name)
            if (project / name).is_symlink():
                reason = "a link to elsewhere"
            if reason:
                folders.remove(folder)
                left_out.append((f"{name}/", reason))
        for file in files:
            path = project / here / file
            name = (here / file).as_posix()
            if _LOCK.fullmatch(file):
                left_out.append((name, "a lock database"))
            elif file in _NAMES:
                left_out.append((name, _NAMES[file]))
            elif is_temporary(path) or _PASSING.fullmatch(file):
                continue
            elif path.is_symlink() or not path.is_file():
                left_out.append((name, "a link to elsewhere, or no file"))
            elif "\n" in name or "\\" in name:
                raise UsageError(f"{name!r} cannot be in a backup: rename this file.")
            else:
                names.append(name)
    return names, left_out


def _copy_safely(source: Path, target: Path) -> tuple[str, int]:
    """Copy a file; SHA-256 and size, or an empty digest and no copy if it holds a private key."""
    if not _is_database(source):
        return _copy(source, target, private=False)
    make_folder(target.parent)
    with closing(connect(source, 60.0)[0]) as database:
        # A database that is being written is copied as of one commit, and without deleted rows.
        database.execute("VACUUM INTO ?", (str(target),))
    with target.open("rb+") as file:
        os.fsync(file.fileno())
        digest, size = sha256(), 0
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def _copy(source: Path, target: Path, *, private: bool = True) -> tuple[str, int]:
    make_folder(target.parent)
    digest, size, tail, found = sha256(), 0, b"", False
    with source.open("rb") as old, target.open("xb") as new:
        while block := old.read(_BLOCK):
            found = found or _PRIVATE in tail + block
            tail = block[-len(_PRIVATE) :]
            digest.update(block)
            size += len(block)
            new.write(block)
        new.flush()
        os.fsync(new.fileno())
    if found and not private:
        target.unlink()
        return "", 0
    return digest.hexdigest(), size


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _check_segments(project: Path) -> None:
    """The store's database refers to files that may have been merged away before they were copied."""
    database = project / "store" / "store.db"
    if not database.exists():
        return
    with closing(sqlite3.connect(database)) as copy:
        files = [file for (file,) in copy.execute("SELECT file FROM segment")]
    missing = [file for file in files if not (project / "store" / file).is_file()]
    if missing:
        raise Busy(
            f"the store was being written while it was copied; {missing[0]} is gone.",
            hint="Remove this backup and make it again.",
        )


def _read_manifest(backup: Path) -> dict[str, str]:
    try:
        text = read_file(backup / MANIFEST, MAX_MANIFEST).decode()
    except (Malformed, UnicodeDecodeError):
        raise Tampered(f"{backup / MANIFEST} is damaged.") from None
    except Tampered:
        raise Refused(
            f"there is no {MANIFEST} in {backup}: it is no backup, or one that was interrupted."
        ) from None
    sums: dict[str, str] = {}
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        match = _LINE.fullmatch(line)
        if match is None or ".." in Path(match[2]).parts or match[2] in sums:
            raise Tampered(f"{backup / MANIFEST} is damaged in line {number}.")
        sums[match[2]] = match[1]
    if not text.endswith("\n") or f"{_ROOM}/{toml.FILE_NAME}" not in sums:
        raise Tampered(f"{backup / MANIFEST} is damaged: it is cut off.")
    return sums


def _damaged(backup: Path, sums: dict[str, str]) -> Iterator[str]:
    for name, digest in sums.items():
        path = backup / name
        if path.is_symlink() or not path.is_file():
            yield f"{name} is missing"
            continue
        with path.open("rb") as file:
            found = sha256()
            while block := file.read(_BLOCK):
                found.update(block)
        if found.hexdigest() != digest:
            yield f"{name} is not what was saved"
    for path in sorted((backup / _ROOM).rglob("*")):
        name = path.relative_to(backup).as_posix()
        if name not in sums and not path.is_dir():
            yield f"{name} is not part of it"
