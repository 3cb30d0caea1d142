"""A folder or a zip file that somebody else made: safe names, bounded sizes, nothing unpacked.

Refused (`Malformed`, code ``container``): names that are absolute, hold ``..``, a backslash, a colon or a
control character; a name twice; links and devices; more than `MAX_FILES` files; and zip files that are not
plain (`foreseal.seal.archive`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from foreseal.errors import Malformed, Tampered
from foreseal.seal.archive import Archive, check_name, unsafe
from foreseal.seal.disk import read_file

MAX_FILES = 1 << 20


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


class Numbered(Mapping[int, bytes]):
    """Files that have a number in their names. Each is read when it is asked for: all may be huge."""

    def __init__(self, numbers: Iterable[int], read: Callable[[int], bytes]) -> None:
        self._numbers, self._read = dict.fromkeys(sorted(numbers)), read

    def __getitem__(self, number: int) -> bytes:
        if number not in self._numbers:
            raise KeyError(number)
        return self._read(number)

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


@contextmanager
def open_box(path: Path) -> Iterator[Box]:
    """The files of a folder or a zip file. Raises `Malformed` (code ``container``) if it is unsafe."""
    if path.is_dir():
        yield Folder(path)
        return
    if not path.is_file():
        raise unsafe(f"{path.name} is not a regular file.")
    try:
        file = path.open("rb")
    except OSError as error:
        raise unsafe(f"{path.name} cannot be read: {error}") from None
    with file:
        yield Archive(file)


def _files(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as found:
        members = sorted(found, key=lambda each: each.name)
    for each in members:
        name = prefix + each.name
        check_name(name)
        if each.is_dir(follow_symlinks=False):
            yield from _files(folder / each.name, f"{name}/")
        elif each.is_file(follow_symlinks=False):
            yield name
        else:
            raise unsafe(f"{name} is neither a file nor a folder.")


def _count(names: Iterator[str]) -> Iterator[str]:
    for count, name in enumerate(names):
        if count >= MAX_FILES:
            raise unsafe(f"it has more than {MAX_FILES} files.")
        yield name
