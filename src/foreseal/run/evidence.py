"""Write evidence: what another person needs to check a track record without us, in a folder or one zip."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foreseal.errors import Refused, UsageError
from foreseal.merkle import leaf_hash
from foreseal.run.history import Said
from foreseal.run.receipts import write_receipts
from foreseal.seal.anchor import read_tokens, token_path
from foreseal.seal.cosigned import COSIGNED, cosigned_size
from foreseal.seal.disk import make_folder, sync_folder, write_file
from foreseal.seal.evidence import COPIES, PAYLOADS, RECEIPTS
from foreseal.seal.reader import CHECKPOINT, LogReader
from foreseal.seal.receipt import parse_receipt
from foreseal.seal.tiles import ENTRIES, bundles_of, tile_path, write_bundle

if TYPE_CHECKING:
    from foreseal.run.project import Project

VERIFIERS = COPIES[1:]

_EPOCH = (1980, 1, 1, 0, 0, 0)
_README = """\
Evidence of forecasts: {targets}
Log {origin}, up to {size} entries.

Everything that the author has ever put into this log is here, entry by entry, with the payloads
(forecasts, outcomes, decisions, scores) of the targets named above. To check it, offline:

    pip install foreseal
    foreseal verify THIS --key VKEY

or, with Python and the package `cryptography` alone:

    python foreseal_verify.py THIS --key VKEY

THIS is this folder or zip file. VKEY is the verifier key of the log; where witnesses cosign it, write
--policy FILE instead, with a file that names them. Get these, and the verifier, from where you trust
them, not from here: the copies of verifiers that may lie beside this text are a convenience and prove
nothing.{partly}
"""
_PARTLY = """

Left out: the payloads of {targets}. Add {options}
to check what is here; without it the verdict names what is left out."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written. ``absent`` are verifiers that this installation does not have."""

    path: Path
    targets: tuple[str, ...]
    left_out: tuple[str, ...]
    size: int
    payloads: int
    receipts: int
    absent: tuple[str, ...]


def write_evidence(project: Project, targets: Sequence[str] = (), out: Path | None = None) -> Written:
    """Write the evidence of targets (all that were declared, if none is named).

    ``out`` is a new folder, or a new zip file if it ends in ``.zip``; if not given, ``out/evidence/NAME.zip``
    is made, or made again. Raises `UsageError` for a target that is not declared, or where ``out`` exists.
    """
    from foreseal.run.project import said

    path = out or project.folder / "out" / "evidence" / f"{project.name}.zip"
    _check_free(path, again=out is None)
    receipts = write_receipts(project)
    reader = project.reader()
    entries = said(reader)
    declared = tuple(dict.fromkeys(each.body["name"] for each in entries if each.body["kind"] == "target"))
    for name in targets:
        if name not in declared:
            raise UsageError(
                f"The log declares no target {name!r}.", hint=f"It declares: {', '.join(declared) or 'none'}."
            )
    asked = tuple(name for name in declared if not targets or name in targets)
    left_out = tuple(name for name in declared if name not in asked)
    by_leaf = {each.leaf: each for each in entries}
    about = [each for each in entries if _target(each, by_leaf) in asked]
    digests = {**dict(_references(about)), **_options(about, reader), **_terms(entries, reader)}
    proofs = _receipts(project, receipts, {each.leaf for each in about})
    absent = tuple(name for name in VERIFIERS if not _shipped(name).is_file())
    members = _members(project, reader, digests, proofs)
    partly = ""
    if left_out:
        options = " ".join(f"--target {name}" for name in asked)
        partly = _PARTLY.format(targets=", ".join(left_out), options=options)
    readme = _README.format(
        targets=", ".join(asked) or "none", origin=reader.origin, size=reader.size, partly=partly
    )
    write = _write_zip if path.suffix == ".zip" else _write_folder
    write(path, _with_readme(readme, members))
    return Written(path, asked, left_out, reader.size, len(digests), len(proofs), absent)


def _target(said: Said, entries: Mapping[str, Said]) -> str | None:
    """The target that an entry is about."""
    body = said.body
    if body["kind"] == "target":
        return str(body["name"])
    if body["kind"] == "reveal":
        return _target(entries[body["forecast"]], entries) if body["forecast"] in entries else None
    return body.get("target")


def _references(about: Sequence[Said]) -> Iterator[tuple[str, int]]:
    for each in about:
        for name in ("schedule", "payload"):
            reference: Mapping[str, Any] | None = each.body.get(name)
            if reference is not None:
                yield reference["sha256"], reference["size"]


def _options(about: Sequence[Said], reader: LogReader) -> dict[str, int]:
    """The options of the policies that decided, which their entries name by digest alone."""
    named = dict.fromkeys(each.body["options"] for each in about if each.body["kind"] == "decision")
    return {digest: len(reader.payloads.find(digest)) for digest in named}


def _terms(entries: Sequence[Said], reader: LogReader) -> dict[str, int]:
    """The terms of agreements, where they are kept among the payloads."""
    terms = [each.body["terms"] for each in entries if each.body["kind"] == "agreement"]
    return {each["sha256"]: each["size"] for each in terms if reader.payloads.path(each["sha256"]).is_file()}


def _receipts(project: Project, paths: Sequence[Path], leaves: set[str]) -> dict[str, bytes]:
    found, folder = {}, project.folder / "out" / "receipts"
    for path in paths:
        data = path.read_bytes()
        if leaf_hash(parse_receipt(data).entry).hex() in leaves:
            found[RECEIPTS + path.relative_to(folder).as_posix()] = data
    return found


def _members(
    project: Project,
    reader: LogReader,
    digests: Mapping[str, int],
    receipts: Mapping[str, bytes],
) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of everything but the README, one at a time."""
    yield CHECKPOINT, reader.signed
    raws = reader.entries()
    for index, width in bundles_of(reader.size):
        yield tile_path(ENTRIES, index, width), write_bundle(next(raws) for _ in range(width))
    for digest, size in sorted(digests.items()):
        yield PAYLOADS + digest, reader.payloads.get(digest, size)
    yield from sorted(receipts.items())
    for path in sorted(project.log_folder.glob(f"{COSIGNED}/*")):
        held = cosigned_size(f"{COSIGNED}/{path.name}")
        if held is not None and held <= reader.size:
            yield f"{COSIGNED}/{path.name}", path.read_bytes()
    for kind, tokens in read_tokens(project.log_folder).items():
        for size in tokens:
            if size <= reader.size:
                yield token_path(size, kind), tokens[size]
    for name in VERIFIERS:
        if _shipped(name).is_file():
            yield name, _shipped(name).read_bytes()


def _with_readme(readme: str, members: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    yield COPIES[0], readme.encode()
    yield from members


def _shipped(name: str) -> Any:
    return files("foreseal") / "seal" / "verifier" / name


def _check_free(path: Path, *, again: bool) -> None:
    """Nothing that is there is written over, but for what was made as evidence before."""
    if path.suffix == ".zip" and path.is_dir():
        raise UsageError(f"{path} is a folder.", hint="Give a name that is free, or one without .zip.")
    if path.suffix == ".zip" and path.exists() and not again:
        raise UsageError(f"{path} exists.", hint="Give another name, or remove it.")
    if path.suffix != ".zip" and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(
            f"{path} exists and is no empty folder.", hint="Give a new folder, or a name ending in .zip."
        )


def _write_folder(path: Path, members: Iterator[tuple[str, bytes]]) -> None:
    for name, data in members:
        write_file(path / name, data)


def _write_zip(path: Path, members: Iterator[tuple[str, bytes]]) -> None:
    """The same evidence gives the same bytes; the file is whole or absent."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=False) as archive:
                for name, data in members:
                    member = zipfile.ZipInfo(name, _EPOCH)
                    member.external_attr = 0o100644 << 16
                    member.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(member, data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except zipfile.LargeZipFile:
        raise Refused(
            f"{path} would be too large for a plain zip file (65 535 files, 4 GiB).",
            hint="Give the name of a folder instead.",
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
