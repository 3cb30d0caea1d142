"""Receipts: one file per forecast, decision and score, with which anyone can check it offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from foreseal.run.history import Said
from foreseal.seal.disk import write_files
from foreseal.seal.receipt import SUFFIX
from foreseal.seal.verify import Verdict, verify_receipt

if TYPE_CHECKING:
    from foreseal.run.project import Project

KINDS = ("forecast", "decision", "score")


def write_receipts(project: Project) -> list[Path]:
    """Write the receipts that are not there yet; returns all of them, in the order of the log."""
    from foreseal.run.project import said

    reader, folder = project.reader(), project.folder / "out" / "receipts"
    paths, fresh = [], {}
    for each in said(reader):
        if each.body["kind"] not in KINDS:
            continue
        path = folder / _name(each)
        paths.append(path)
        if not path.exists():
            fresh[path] = bytes(reader.receipt(each.index))
    write_files(fresh)
    return paths


def verify_receipts(project: Project, paths: list[Path]) -> dict[Path, Verdict]:
    """Check receipt files by the key that the project's settings name; reads nothing of the log."""
    keys = [project.trusted()]
    return {path: verify_receipt(path.read_bytes(), keys) for path in paths}


def _name(said: Said) -> str:
    body = said.body
    who = body["forecaster"] if body["kind"] == "forecast" else body["kind"]
    what = body["name"] if body["kind"] == "decision" else body["target"]
    return f"{what}/{body['seq']:05d}-{who}{SUFFIX}"
