"""Files that survive a power cut: written beside their place, fsynced, renamed, their folder fsynced."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from foreseal.errors import Malformed, Tampered

TEMPORARY = ".tmp"


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable (on Windows a folder cannot be synced, and need not be)."""
    if os.name == "nt":
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, each name durable in its parent before anything is put inside."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        sync_folder(each.parent)


def write_file(path: Path, data: bytes) -> None:
    """Put a file in its place, whole and durable when this returns, or not at all."""
    write_files({path: data})


def write_files(files: Mapping[Path, bytes]) -> None:
    """Put several files in place: each is whole or absent at any time, and all are durable on return."""
    for path, data in files.items():
        make_folder(path.parent)
        temporary = _temporary(path)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    for path in files:
        _temporary(path).replace(path)
    for folder in dict.fromkeys(path.parent for path in files):
        sync_folder(folder)


def remove_files(paths: Iterable[Path]) -> None:
    """Remove files that nothing refers to any more, and folders that this leaves empty."""
    for path in paths:
        path.unlink(missing_ok=True)
        if path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()


def is_temporary(path: Path) -> bool:
    """Whether an interrupted write left this file; nothing ever reads it."""
    return path.name.startswith(".") and path.name.endswith(TEMPORARY)


def read_file(path: Path, limit: int) -> bytes:
    """Read a file of at most ``limit`` bytes. Raises `Tampered` if it is missing, `Malformed` if longer.

    Devices and pipes, which may never end, are `Malformed` too.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise Malformed(f"{path} is not a regular file.")
        with path.open("rb") as file:
            data = file.read(limit + 1) if about.st_size <= limit else b""
    except (FileNotFoundError, NotADirectoryError):
        raise Tampered(f"{path} is missing.") from None
    if max(len(data), about.st_size) > limit:
        raise Malformed(f"{path} has more than {limit} bytes.")
    return data


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}{TEMPORARY}")
