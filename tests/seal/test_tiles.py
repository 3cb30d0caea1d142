"""Tiles are laid out as the specification says, and one that is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreseal import merkle
from foreseal.errors import Malformed, Tampered
from foreseal.seal.log import Log
from foreseal.seal.note import Signer
from foreseal.seal.reader import read_log
from foreseal.seal.tiles import (
    ENTRIES,
    Edge,
    parse_tile_path,
    paths_of,
    read_bundle,
    tile_path,
    tiles_of,
    width_of,
    write_bundle,
)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        ((0, 0, 256), "tile/0/000"),
        ((0, 273, 112), "tile/0/273.p/112"),
        ((63, 1_234_067, 256), "tile/63/x001/x234/067"),
        ((ENTRIES, 123_456_789, 255), "tile/entries/x123/x456/789.p/255"),
        ((1, 1000, 1), "tile/1/x001/000.p/1"),
    ],
)
def test_paths_are_those_of_the_specification(tile: tuple[int | str, int, int], path: str) -> None:
    assert tile_path(*tile) == path
    assert parse_tile_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/00/000",
        "tile/0/0",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/x000/001",
        "tile/0/1000",
        "checkpoint",
    ],
)
def test_what_is_not_a_path_of_a_tile_is_not_taken_for_one(path: str) -> None:
    assert parse_tile_path(path) is None


def test_a_log_of_70_000_entries_has_the_tiles_of_the_example() -> None:
    tiles = list(tiles_of(70_000))
    assert [tile for tile in tiles if tile[2] < 256] == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert len(tiles) == 273 + 1 + 1 + 1 + 1
    assert list(tiles_of(256)) == [(0, 0, 256), (1, 0, 1)]
    assert list(tiles_of(0)) == []


@given(st.integers(0, 200_000))
def test_a_tile_is_as_wide_as_its_path_says(size: int) -> None:
    for level, index, width in map(parse_tile_path, sorted(paths_of(size))):
        assert width_of(size, level, index) == width
        assert width_of(size, level, index + 1) < width or width == 256


@given(st.lists(st.integers(1, 700), max_size=6))
def test_an_edge_gives_the_root_of_the_tree(batches: list[int]) -> None:
    edge, leaves, tiles = Edge(), [], {}
    for batch in batches:
        fresh = [merkle.leaf_hash(bytes([i % 256, i // 256, batch % 256])) for i in range(batch)]
        tiles |= dict(edge.append(fresh, len(leaves)))
        leaves += fresh
    assert edge.root() == merkle.root(leaves)
    level = [tiles[tile_path(*tile)] for tile in tiles_of(len(leaves)) if tile[0] == 0]
    assert b"".join(level) == b"".join(leaves)


@given(st.lists(st.binary(min_size=1, max_size=400), max_size=20))
def test_a_bundle_is_read_back(entries: list[bytes]) -> None:
    data = write_bundle(entries)
    assert read_bundle(data) == entries
    if data:
        with pytest.raises(Malformed):
            read_bundle(data[:-1])
        with pytest.raises(Malformed):
            read_bundle(data + b"\0")


def test_a_tile_that_is_wrong_is_named_by_the_reader(log: Log, signer: Signer) -> None:
    log.append([f"entry {i}".encode() for i in range(300)])

    def damage(name: str, data: bytes, match: str) -> None:
        path: Path = log.folder / name
        before = path.read_bytes()
        path.write_bytes(data)
        with pytest.raises(Tampered, match=match):
            list(read_log(log.folder, [signer.verifier]).entries())
        with pytest.raises(Tampered):
            read_log(log.folder, [signer.verifier]).entry(3 if "000" in name else 299)
        path.write_bytes(before)

    bundle = (log.folder / "tile/entries/000").read_bytes()
    damage("tile/entries/000", bundle.replace(b"entry 3", b"entry 5", 1), "entry 3 is not the one")
    damage("tile/entries/000", bundle[:-11], "holds 255 entries, not 256")
    damage("tile/entries/000", bundle[:-1], "ends in the middle")
    damage("tile/0/001.p/44", b"", r"001\.p/44 has 0 bytes, not 1408")
    damage("tile/0/000", bytes(8192), "level 0")
    (log.folder / "tile/1/000.p/1").unlink()
    with pytest.raises(Tampered, match=r"tile/1/000\.p/1 is missing"):
        read_log(log.folder, [signer.verifier])
