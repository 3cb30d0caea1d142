"""Zip files that somebody else made, read strictly: what two readers could see differently is refused.

Taken are archives of plain files and folders, stored or deflated, with one directory of members at the very
end and no comment, no other disks, and no 64-bit fields: at most 65 535 members and 4 GiB. Names are UTF-8
(a flag says so where they are not ASCII) and the same in both places where they stand. Refused is `Malformed`
with the code ``container``. PKWARE's APPNOTE, section 4.3, has the layout.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from foreseal.errors import Malformed, Tampered

MAX_TOTAL = 1 << 34
MAX_NAME = 1024

_END = struct.Struct("<4s4H2LH")
_MEMBER = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED = 0, 8
# Bits 1 and 2 say how hard the compressor tried, 3 that sizes follow the data, 11 that the name is UTF-8.
_FLAGS = 0x080E
_UTF8 = 0x0800
_CHUNK = 1 << 16
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\:]")


@dataclass(frozen=True, slots=True)
class _Member:
    name: bytes
    method: int
    crc: int
    packed: int
    size: int
    start: int


class Archive:
    """The members of a zip file, which stays open as long as they are read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._members: dict[str, _Member] = {}
        self._end = file.seek(0, os.SEEK_END) - _END.size
        if self._end < 0:
            raise unsafe("it is too short for a zip file.")
        sign, disk, first, here, count, size, start, comment = _END.unpack(self._take(self._end, _END.size))
        if sign != b"PK\5\6" or comment or disk or first or here != count or start + size != self._end:
            raise unsafe("it does not end with the directory of a plain zip file.")
        seen: set[str] = set()
        total, at = 0, start
        for _ in range(count):
            name, member, at = self._member(at)
            if name.removesuffix("/") in seen:
                raise unsafe(f"{name} is there twice.")
            seen.add(name.removesuffix("/"))
            total += member.size
            if not name.endswith("/"):
                self._members[name] = member
        if at != self._end or total > MAX_TOTAL:
            raise unsafe(f"its directory is damaged, or it has more than {MAX_TOTAL} bytes.")
        self.names = frozenset(self._members)

    def read(self, name: str, limit: int) -> bytes:
        """A member of at most ``limit`` bytes, as `foreseal.seal.box.Box`."""
        member = self._members.get(name)
        if member is None:
            raise Tampered(f"{name} is missing.")
        if member.size > limit:
            raise Malformed(f"{name} has more than {limit} bytes.")
        local = self._take(member.start, _LOCAL.size)
        if len(local) < _LOCAL.size:
            raise unsafe(f"{name} is not where the archive says.")
        sign, _, _, method, *_, width, extra = _LOCAL.unpack(local)
        at = member.start + _LOCAL.size
        if sign != b"PK\3\4" or method != member.method or self._take(at, width) != member.name:
            raise unsafe(f"{name} is not where the archive says, or under another name there.")
        at += width + extra
        if at + member.packed > self._end or (member.method == _STORED and member.packed != member.size):
            raise unsafe(f"{name} reaches beyond its end.")
        data = self._inflated(name, member, at) if member.method else self._take(at, member.packed)
        if len(data) != member.size or zlib.crc32(data) != member.crc:
            raise unsafe(f"{name} is not what the archive says.")
        return data

    def _inflated(self, name: str, member: _Member, at: int) -> bytes:
        engine, parts, size, left = zlib.decompressobj(-zlib.MAX_WBITS), [], 0, member.packed
        self._file.seek(at)
        try:
            while left and not engine.eof:
                packed = self._file.read(min(left, _CHUNK))
                left -= len(packed)
                # One byte more than announced is enough to refuse it.
                parts.append(engine.decompress(packed, member.size + 1 - size))
                size += len(parts[-1])
                if engine.unconsumed_tail or size > member.size:
                    raise unsafe(f"{name} is longer than the archive says.")
        except zlib.error:
            raise unsafe(f"{name} cannot be inflated.") from None
        if left or engine.unused_data or not engine.eof:
            raise unsafe(f"{name} is compressed otherwise than the archive says.")
        return b"".join(parts)

    def _member(self, at: int) -> tuple[str, _Member, int]:
        head = self._take(at, _MEMBER.size)
        if at + _MEMBER.size > self._end or head[:4] != b"PK\1\2":
            raise unsafe("its directory is damaged.")
        _, _, _, flags, method, _, _, crc, packed, size, width, extra, comment, disk, _, mode, start = (
            _MEMBER.unpack(head)
        )
        raw, end = self._take(at + _MEMBER.size, width), at + _MEMBER.size + width + extra + comment
        try:
            name = raw.decode("utf-8" if flags & _UTF8 else "ascii")
        except UnicodeDecodeError:
            raise unsafe("a name is not what it says: UTF-8 or ASCII.") from None
        check_name(name.removesuffix("/"))
        plain = stat.S_IFMT(mode >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
        if flags & ~_FLAGS or method not in (_STORED, _DEFLATED) or disk or not plain or end > self._end:
            raise unsafe(f"{name} is encrypted, compressed in an uncommon way, or neither file nor folder.")
        return name, _Member(raw, method, crc, packed, size, start), end

    def _take(self, at: int, size: int) -> bytes:
        self._file.seek(at)
        return self._file.read(size)


def check_name(name: str) -> None:
    """Refuse names that are absolute, climb, or mean something else on another system."""
    if not 0 < len(name) <= MAX_NAME or _FORBIDDEN.search(name):
        raise unsafe(f"{name[:80]!r} is no safe name of a file.")
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise unsafe(f"{name[:80]!r} is no safe name of a file.")


def unsafe(text: str) -> Malformed:
    """An archive or folder that is not read."""
    return Malformed(text, code="container")
