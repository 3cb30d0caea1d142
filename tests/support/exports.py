"""Evidence made by hand, so that it can be tampered with by hand."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from foreseal.merkle import inclusion_proof, leaf_hash, root
from foreseal.seal.checkpoint import Checkpoint, sign_checkpoint
from foreseal.seal.log import Log
from foreseal.seal.note import Signer
from foreseal.seal.receipt import Receipt
from foreseal.seal.tiles import ENTRIES, bundles_of, tile_path, write_bundle

Files = dict[str, bytes]


def head(entries: Iterable[bytes], signer: Signer) -> bytes:
    """The checkpoint that a log with exactly these entries would publish."""
    leaves = [leaf_hash(entry) for entry in entries]
    return sign_checkpoint(Checkpoint(signer.name, len(leaves), root(leaves)), signer)


def bundles(entries: list[bytes]) -> Files:
    """The entry bundles of these entries."""
    return {
        tile_path(ENTRIES, index, width): write_bundle(entries[256 * index : 256 * index + width])
        for index, width in bundles_of(len(entries))
    }


def pack(entries: list[bytes], payloads: Mapping[str, bytes], signer: Signer) -> Files:
    """Evidence of a log that holds these entries, signed by its key."""
    return {
        "checkpoint": head(entries, signer),
        **bundles(entries),
        **{f"payload/sha256/{digest}": data for digest, data in payloads.items()},
    }


def payloads_of(log: Log) -> dict[str, bytes]:
    """All payloads of a log, by digest."""
    folder = log.folder / "payload" / "sha256"
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


def export(log: Log, signer: Signer) -> Files:
    """Honest evidence of everything in a log."""
    return pack(list(log.entries()), payloads_of(log), signer)


def receipt(entries: list[bytes], index: int, signer: Signer) -> bytes:
    """The receipt of one entry in a log with these entries."""
    leaves = [leaf_hash(entry) for entry in entries]

    def read(level: int, at: int) -> bytes:
        return root(leaves[at << level : (at + 1) << level])

    proof = tuple(inclusion_proof(index, len(leaves), read))
    return bytes(Receipt(entries[index], index, proof, head(entries, signer)))


def digest_of(entry: bytes, field: str = "payload") -> str:
    """SHA-256 of the payload that an entry refers to."""
    return str(json.loads(entry)[field]["sha256"])


def find(entries: list[bytes], **fields: object) -> list[int]:
    """Indices of the entries that have these fields."""
    bodies = [json.loads(entry) for entry in entries]
    return [i for i, body in enumerate(bodies) if all(body.get(k) == v for k, v in fields.items())]


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write evidence as a folder, replacing what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write evidence as a zip file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def sha(data: bytes) -> str:
    return sha256(data).hexdigest()
