"""Tiles: a log's hashes and entries as static files (c2sp.org/tlog-tiles).

    tile/0/x001/x234/067          256 hashes of level 0; entry 1 234 067 * 256 and on
    tile/1/000.p/112              112 hashes of level 1: roots of full tiles of level 0
    tile/entries/000.p/15         15 entries, each with its length as a big-endian uint16

A tile at level L holds the roots of complete subtrees of 256**L leaves. Full tiles never change; a partial
one stays until the full one is there. A partial tile is never hashed into the level above.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from foreseal.errors import Malformed, Refused, Tampered
from foreseal.merkle import HASH_SIZE, fold, leaf_hash, node_hash, root
from foreseal.seal.disk import read_file

HEIGHT = 8
WIDTH = 1 << HEIGHT
MAX_ENTRY_BYTES = 0xFFFF
MAX_BUNDLE = WIDTH * (2 + MAX_ENTRY_BYTES)
ENTRIES = "entries"

_CACHED_TILES = 4096
_PATH = re.compile(r"tile/(entries|0|[1-9]\d?)/((?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII)


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """Path of a tile, or of an entry bundle at level ``"entries"``, relative to the log's folder."""
    digits = f"{index:03d}"
    digits = digits.rjust(-(-len(digits) // 3) * 3, "0")
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return f"tile/{level}/{name}" + (f".p/{width}" if width < WIDTH else "")


def parse_tile_path(path: str) -> tuple[int | str, int, int] | None:
    """Level, index and width of a tile's or bundle's path; None if it is not one."""
    match = _PATH.fullmatch(path)
    if not match:
        return None
    level = match[1] if match[1] == ENTRIES else int(match[1])
    index, width = int(match[2].replace("x", "").replace("/", "")), int(match[3] or WIDTH)
    return (level, index, width) if tile_path(level, index, width) == path else None


def tiles_of(size: int) -> Iterator[tuple[int, int, int]]:
    """Level, index and width of every tile of a tree of ``size`` leaves."""
    level = 0
    while size:
        full, partial = divmod(size, WIDTH)
        yield from ((level, index, WIDTH) for index in range(full))
        if partial:
            yield level, full, partial
        level, size = level + 1, full


def bundles_of(size: int) -> Iterator[tuple[int, int]]:
    """Index and width of every entry bundle of a log of ``size`` entries."""
    return ((index, width) for level, index, width in tiles_of(size) if level == 0)


def width_of(size: int, level: int | str, index: int) -> int:
    """Width of a tile or bundle of a log of ``size`` entries; not above 0 if there is none."""
    reach = size if level == ENTRIES else size >> (HEIGHT * int(level))
    return min(reach - index * WIDTH, WIDTH)


def paths_of(size: int) -> set[str]:
    """Paths of every tile and bundle of a log of ``size`` entries."""
    paths = {tile_path(*tile) for tile in tiles_of(size)}
    return paths | {tile_path(ENTRIES, index, width) for index, width in bundles_of(size)}


def write_bundle(entries: Iterable[bytes]) -> bytes:
    """Entries, each after its length. Raises `Refused` for an entry that is empty or too long."""
    parts: list[bytes] = []
    for entry in entries:
        if not 0 < len(entry) <= MAX_ENTRY_BYTES:
            raise Refused(f"an entry has {len(entry)} bytes; a log takes 1 to {MAX_ENTRY_BYTES}.")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def read_bundle(data: bytes) -> list[bytes]:
    """Entries of a bundle."""
    entries, at = [], 0
    while at < len(data):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        if at > len(data) or start > len(data):
            raise Malformed("an entry bundle ends in the middle of an entry.")
        entries.append(data[start:at])
    return entries


class Edge:
    """The right edge of a tiled tree: per level, the hashes of its partial tile. Appending gives new tiles.

    ``levels[L]`` always holds fewer than 256 hashes; with the size they determine the root.
    """

    def __init__(self, levels: Iterable[Sequence[bytes]] = ()) -> None:
        self.levels = [list(hashes) for hashes in levels]

    def copy(self) -> Edge:
        """An edge that can be appended to without changing this one."""
        return Edge(self.levels)

    def append(self, leaves: Sequence[bytes], size: int) -> list[tuple[str, bytes]]:
        """Add leaf hashes to a tree of ``size`` leaves; the tiles that are new or wider, as (path, bytes)."""
        tiles: list[tuple[str, bytes]] = []
        level, fresh, count = 0, leaves, size
        while fresh:
            if level == len(self.levels):
                self.levels.append([])
            hashes = self.levels[level]
            index, above = count // WIDTH, []
            hashes.extend(fresh)
            full = len(hashes) // WIDTH
            for i in range(full):
                tile = hashes[i * WIDTH : (i + 1) * WIDTH]
                tiles.append((tile_path(level, index + i), b"".join(tile)))
                above.append(root(tile))
            del hashes[: full * WIDTH]
            if hashes:
                tiles.append((tile_path(level, index + full, len(hashes)), b"".join(hashes)))
            level, fresh, count = level + 1, above, index
        return tiles

    def root(self) -> bytes:
        """Root of the whole tree."""
        peaks: list[bytes] = []
        for hashes in reversed(self.levels):
            start = 0
            for bit in reversed(range(HEIGHT)):
                if len(hashes) & (1 << bit):
                    peaks.append(root(hashes[start : start + (1 << bit)]))
                    start += 1 << bit
        return fold(peaks)


class TileReader:
    """Reads the tiles of a log of ``size`` entries; ``read`` is a hash reader for `foreseal.merkle`.

    Hashes come as they are on disk: whoever uses one checks where it leads.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = size
        self._cache: OrderedDict[tuple[int, int], list[list[bytes]]] = OrderedDict()

    def grow(self, size: int) -> None:
        """Follow the log to a larger size; what was read of partial tiles is forgotten."""
        for level, index in [key for key in self._cache if self._width(*key) < WIDTH]:
            del self._cache[level, index]
        self.size = size

    def edge(self) -> Edge:
        """The right edge as the tiles give it."""
        levels, rest, level = [], self.size, 0
        while rest:
            full, partial = divmod(rest, WIDTH)
            levels.append(self._tile(level, full)[0] if partial else [])
            level, rest = level + 1, full
        return Edge(levels)

    def read(self, level: int, index: int) -> bytes:
        """Root of the complete subtree of ``2**level`` leaves at ``index``."""
        tile_level, within = divmod(level, HEIGHT)
        first = index << within
        rows = self._tile(tile_level, first // WIDTH)
        return rows[within][(first % WIDTH) >> within]

    def leaves(self) -> Iterator[bytes]:
        """Every leaf hash, in order."""
        for index, _ in bundles_of(self.size):
            yield from self._tile(0, index)[0]

    def bundle(self, index: int) -> list[bytes]:
        """The entries of bundle ``index``; raises `Tampered` unless they hash to their leaves."""
        width = self._width(0, index)
        path = self.folder / tile_path(ENTRIES, index, width)
        try:
            data, whole = self._part(ENTRIES, index, width, MAX_BUNDLE)
            entries = read_bundle(data)
            if whole:
                del entries[width:]
        except Malformed as error:
            raise Tampered(f"{path}: {error.message}") from None
        if len(entries) != width:
            raise Tampered(f"{path} holds {len(entries)} entries, not {width}.")
        leaves = self._tile(0, index)[0]
        for i, (entry, leaf) in enumerate(zip(entries, leaves, strict=True)):
            if leaf_hash(entry) != leaf:
                raise Tampered(f"{path}: entry {index * WIDTH + i} is not the one that the tree holds.")
        return entries

    def _file(self, name: str, limit: int) -> bytes:
        """The bytes of a file of the log; where it is kept elsewhere, a subclass fetches it."""
        return read_file(self.folder / name, limit)

    def _part(self, level: int | str, index: int, width: int, limit: int) -> tuple[bytes, bool]:
        """A tile or bundle; the full one (and True) where the partial one is gone since the log has grown."""
        try:
            return self._file(tile_path(level, index, width), limit), False
        except Tampered:
            if width < WIDTH:
                with suppress(Tampered):
                    return self._file(tile_path(level, index), limit), True
            raise

    def _width(self, level: int, index: int) -> int:
        width = width_of(self.size, level, index)
        if width <= 0:
            raise Malformed(f"a log of {self.size} entries has no tile {index} at level {level}.")
        return width

    def _tile(self, level: int, index: int) -> list[list[bytes]]:
        """Rows of hashes: row r of a tile holds its complete subtrees of ``2**r`` hashes."""
        rows = self._cache.get((level, index))
        if rows is not None:
            self._cache.move_to_end((level, index))
            return rows
        width = self._width(level, index)
        path = self.folder / tile_path(level, index, width)
        data, whole = self._part(level, index, width, WIDTH * HASH_SIZE)
        if whole:
            data = data[: width * HASH_SIZE]
        if len(data) != width * HASH_SIZE:
            raise Tampered(f"{path} has {len(data)} bytes, not {width * HASH_SIZE}.")
        row = [data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)]
        rows = [row]
        while len(row) > 1:
            row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
            rows.append(row)
        self._cache[level, index] = rows
        if len(self._cache) > _CACHED_TILES:
            self._cache.popitem(last=False)
        return rows
