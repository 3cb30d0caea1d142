"""Receipts: one file per forecast, decision and score, with which anyone can check it offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from foreseal.run.history import Said
from foreseal.seal.disk import read_file, write_files
from foreseal.seal.policy import Policy
from foreseal.seal.receipt import MAX_RECEIPT, SUFFIX, parse_receipt
from foreseal.seal.verify import Verdict, verify_receipt

if TYPE_CHECKING:
    from foreseal.run.project import Project

KINDS = ("forecast", "decision", "score")


def write_receipts(project: Project) -> list[Path]:
    """Write the receipts that are not there yet; returns all of them, in the order of the log.

    Where the log has witnesses, a receipt carries the first checkpoint that a quorum of them cosigned with
    its entry; one that was written before there was such a checkpoint is written again. What was said a
    second time has its entry's index in the name.
    """
    from foreseal.run.project import said

    reader, folder = project.reader(), project.folder / "out" / "receipts"
    sealing, trust = project.sealing(), project.trust()
    taken: set[Path] = set()
    paths, fresh = [], {}
    for each in said(reader):
        if each.body["kind"] not in KINDS:
            continue
        path = folder / f"{_name(each)}{SUFFIX}"
        if path in taken:
            path = folder / f"{_name(each)}-entry-{each.index}{SUFFIX}"
        taken.add(path)
        paths.append(path)
        head = sealing.head(each.index) if sealing else None
        if not path.exists() or (head and not _is_witnessed(path, trust)):
            fresh[path] = bytes(reader.receipt(each.index, head.signed if head else None))
    write_files(fresh)
    return paths


def _is_witnessed(path: Path, trust: Policy) -> bool:
    return trust.met(trust.open(parse_receipt(path.read_bytes()).checkpoint).by)


def verify_receipts(project: Project, paths: list[Path]) -> dict[Path, Verdict]:
    """Check receipt files by the key and witnesses that the settings name; reads nothing of the log."""
    trust = project.trust()
    return {path: verify_receipt(read_file(path, MAX_RECEIPT), trust) for path in paths}


def _name(said: Said) -> str:
    body = said.body
    who = body["forecaster"] if body["kind"] == "forecast" else body["kind"]
    what = body["name"] if body["kind"] == "decision" else body["target"]
    return f"{what}/{body['seq']:05d}-{who}"
