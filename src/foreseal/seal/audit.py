"""The bytes of a published log against its signed root: every damaged file is named."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from foreseal.errors import Malformed, ProofError
from foreseal.merkle import HASH_SIZE, leaf_hash
from foreseal.seal.anchor import token_of
from foreseal.seal.checkpoint import Checkpoint
from foreseal.seal.cosigned import cosigned_size
from foreseal.seal.disk import is_temporary, read_file
from foreseal.seal.problem import Problem
from foreseal.seal.reader import CHECKPOINT
from foreseal.seal.schema import MAX_PAYLOAD
from foreseal.seal.tiles import (
    ENTRIES,
    MAX_BUNDLE,
    WIDTH,
    Edge,
    bundles_of,
    parse_tile_path,
    read_bundle,
    tile_path,
    tiles_of,
    width_of,
)

MAX_PROBLEMS = 1000

_PAYLOADS = "payload/sha256/"


@dataclass(slots=True)
class Audit:
    """What the files of a log hold. ``entries`` are complete only if there are no ``problems``."""

    entries: list[bytes] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def audit_files(folder: Path, checkpoint: Checkpoint) -> Audit:
    """Recompute the tree from the entries and compare it with every tile, and with the signed root."""
    audit = Audit()
    bundles: dict[int, list[bytes] | None] = {}
    for index, width in bundles_of(checkpoint.size):
        bundles[index] = _bundle(audit, folder, index, width)
        if len(audit.problems) >= MAX_PROBLEMS:
            # A checkpoint may claim any size.
            audit.problems.append(Problem("so much is missing that the rest was not looked at.", "entries"))
            return audit
    stored = {tile: _tile(audit, folder, *tile) for tile in tiles_of(checkpoint.size)}
    leaves: list[bytes] = []
    for index, width in bundles_of(checkpoint.size):
        entries, hashes = bundles[index], stored[0, index, width]
        if entries is not None:
            leaves += map(leaf_hash, entries)
        elif hashes is not None:
            leaves += hashes
        else:
            return audit
    edge = Edge()
    computed = dict(edge.append(leaves, 0))
    if edge.root() == checkpoint.root:
        # The entries are what was signed, so a tile that says otherwise is the damaged one.
        for tile, found in stored.items():
            if found is not None and b"".join(found) != computed[tile_path(*tile)]:
                audit.problems.append(
                    Problem(f"{tile_path(*tile)} does not hold the hashes of the entries.", "tile")
                )
    else:
        _blame_entries(audit, checkpoint, stored, leaves)
    for index in bundles:
        audit.entries += bundles[index] or ()
    return audit


def _bundle(audit: Audit, folder: Path, index: int, width: int) -> list[bytes] | None:
    path = tile_path(ENTRIES, index, width)
    try:
        entries = read_bundle(read_file(folder / path, MAX_BUNDLE))
    except Malformed as error:
        audit.problems.append(Problem(f"{path}: {error.message}", "entries"))
    except ProofError:
        audit.problems.append(Problem(f"{path} is missing.", "entries"))
    else:
        if len(entries) == width:
            return entries
        audit.problems.append(Problem(f"{path} holds {len(entries)} entries, not {width}.", "entries"))
    return None


def _tile(audit: Audit, folder: Path, level: int, index: int, width: int) -> list[bytes] | None:
    path = tile_path(level, index, width)
    try:
        data = read_file(folder / path, WIDTH * HASH_SIZE)
    except Malformed:
        data = b""
    except ProofError:
        audit.problems.append(Problem(f"{path} is missing.", "tile"))
        return None
    if len(data) != width * HASH_SIZE:
        audit.problems.append(Problem(f"{path} does not hold {width} hashes.", "tile"))
        return None
    return [data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)]


def _blame_entries(
    audit: Audit,
    checkpoint: Checkpoint,
    stored: dict[tuple[int, int, int], list[bytes] | None],
    leaves: list[bytes],
) -> None:
    """The entries do not give the signed root: name those that the tiles of level 0 do not hold."""
    blamed = False
    for index, width in bundles_of(checkpoint.size):
        for i, leaf in enumerate(stored[0, index, width] or ()):
            at = index * WIDTH + i
            if leaves[at] != leaf:
                blamed = True
                name = tile_path(ENTRIES, index, width)
                text = f"{name}: entry {at} is not the one that the tree holds."
                audit.problems.append(Problem(text, "root", at))
    if not blamed:
        text = f"{CHECKPOINT}: its root is not the root of the {checkpoint.size} entries in the folder."
        audit.problems.append(Problem(text, "root"))


def audit_rest(audit: Audit, folder: Path, size: int, held: Collection[str]) -> None:
    """Every other file: harmless remains are noted, what does not belong to the log is a problem.

    Payloads must have the digest that is their name; those of the digests ``held`` have been seen to.
    """
    seen = {f"{_PAYLOADS}{digest}" for digest in held}
    for name in sorted(_names(folder), key=lambda name: name.split("/")):
        if name in seen or name == CHECKPOINT:
            continue
        if cosigned_size(name) is not None or token_of(name) is not None:
            continue
        path = folder / name
        if is_temporary(path):
            audit.notes.append(f"{name} was left by an interrupted write.")
        elif name.startswith(_PAYLOADS) and name.count("/") == 2:
            if not _holds(path):
                text = f"{name} does not hold the payload of this digest."
                audit.problems.append(Problem(text, "payload-differs"))
        else:
            _check_tile_stray(audit, folder, name, size)


def _names(folder: Path) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        prefix = "" if place == str(folder) else f"{Path(place).relative_to(folder).as_posix()}/"
        yield from (prefix + name for name in names if os.path.isfile(f"{place}/{name}"))


def _holds(path: Path) -> bool:
    try:
        return sha256(read_file(path, MAX_PAYLOAD)).hexdigest() == path.name
    except Malformed:
        return False


def _check_tile_stray(audit: Audit, folder: Path, name: str, size: int) -> None:
    tile = parse_tile_path(name)
    if tile is None:
        audit.problems.append(Problem(f"{name} does not belong to a log.", "stray"))
        return
    level, index, width = tile
    present = width_of(size, level, index)
    if width == present:
        return
    if width > present:
        audit.notes.append(f"{name} is beyond the signed size; an interrupted append left it.")
        return
    limit = MAX_BUNDLE if level == ENTRIES else WIDTH * HASH_SIZE
    try:
        current = read_file(folder / tile_path(level, index, present), limit)
    except ProofError:
        return  # which has been named
    try:
        agrees = current.startswith(read_file(folder / name, limit))
    except ProofError:
        agrees = False
    if not agrees:
        text = f"{name} does not agree with the wider tile that is there."
        audit.problems.append(Problem(text, "stray"))
    elif present == WIDTH:
        audit.notes.append(f"{name} is superseded; whoever next opens the log for writing removes it.")
