"""A folder or a zip file that somebody else made: safe names, bounded sizes, nothing unpacked.

Refused (`Malformed`, code ``container``): names that are absolute, hold ``..``, a backslash, a colon or a
control character; a name twice; links and devices; encryption; compression other than deflate; more than
`MAX_FILES` files or `MAX_TOTAL` bytes.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from foreseal.errors import Malformed, Tampered
from foreseal.seal.disk import read_file

MAX_FILES = 1 << 20
MAX_TOTAL = 1 << 34
MAX_NAME = 1024

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\:]")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


class Box(Protocol):
    """Files by name; names are relative, with slashes."""

    names: frozenset[str]

    def read(self, name: str, limit: int) -> bytes:
        """A file of at most ``limit`` bytes. `Tampered` if it is missing, `Malformed` if it is longer."""
        ...


class Folder:
    """The files of a folder and its subfolders."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = frozenset(_count(_files(path, "")))

    def read(self, name: str, limit: int) -> bytes:
        if name not in self.names:
            raise Tampered(f"{name} is missing.")
        try:
            return read_file(self.path / name, limit)
        except Malformed:
            raise Malformed(f"{name} has more than {limit} bytes.") from None


class Archive:
    """The members of a zip file."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self._members: dict[str, zipfile.ZipInfo] = {}
        total = 0
        for member in file.infolist():
            name = member.filename.removesuffix("/") if member.is_dir() else member.filename
            _check_name(name, member.orig_filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _unsafe(f"{name} is neither a file nor a folder.")
            if member.flag_bits & 1 or member.compress_type not in _METHODS:
                raise _unsafe(f"{name} is encrypted, or compressed in an uncommon way.")
            if name in self._members:
                raise _unsafe(f"{name} is there twice.")
            self._members[name] = member
            total += member.file_size
        if total > MAX_TOTAL:
            raise _unsafe(f"it has more than {MAX_TOTAL} bytes.")
        self.names = frozenset(_count(name for name, each in self._members.items() if not each.is_dir()))

    def read(self, name: str, limit: int) -> bytes:
        if name not in self.names:
            raise Tampered(f"{name} is missing.")
        try:
            # What a member says about its size is not believed.
            with self._file.open(self._members[name]) as file:
                data = file.read(limit + 1)
        except _BROKEN as error:
            raise _unsafe(f"{name} cannot be read: {error}") from None
        if len(data) > limit:
            raise Malformed(f"{name} has more than {limit} bytes.")
        return data


@contextmanager
def open_box(path: Path) -> Iterator[Box]:
    """The files of a folder or a zip file. Raises `Malformed` (code ``container``) if it is unsafe."""
    if path.is_dir():
        yield Folder(path)
        return
    try:
        file = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise _unsafe(f"{path.name} is neither a folder nor a zip file: {error}") from None
    with file:
        yield Archive(file)


def _files(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as found:
        members = sorted(found, key=lambda each: each.name)
    for each in members:
        name = prefix + each.name
        _check_name(name, name)
        if each.is_dir(follow_symlinks=False):
            yield from _files(folder / each.name, f"{name}/")
        elif each.is_file(follow_symlinks=False):
            yield name
        else:
            raise _unsafe(f"{name} is neither a file nor a folder.")


def _count(names: Iterator[str]) -> Iterator[str]:
    for count, name in enumerate(names):
        if count >= MAX_FILES:
            raise _unsafe(f"it has more than {MAX_FILES} files.")
        yield name


def _check_name(name: str, original: str) -> None:
    # A NUL cuts a member's name short; two readers would then see two names.
    if not 0 < len(original) <= MAX_NAME or _FORBIDDEN.search(original):
        raise _unsafe(f"{name[:80]!r} is no safe name of a file.")
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise _unsafe(f"{name[:80]!r} is no safe name of a file.")


def _unsafe(text: str) -> Malformed:
    return Malformed(text, code="container")
