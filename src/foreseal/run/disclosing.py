"""Disclose the rows that a sealed forecast rested on, and nothing else of the dataset."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from foreseal.clock import format_instant
from foreseal.errors import UsageError
from foreseal.seal.disclosure import SUFFIX, write_disclosure
from foreseal.seal.disk import write_file
from foreseal.store.disclosures import prove_chunk

if TYPE_CHECKING:
    from foreseal.run.project import Project


def disclose(
    project: Project, dataset: str, cutoff: datetime, series: str, ds: datetime, out: Path | None = None
) -> Path:
    """Write the chunk that holds one value as known at a cutoff, with the proof that it was sealed.

    Raises `UsageError` if no forecast at this cutoff rests on the dataset, `DataError` if there is no value.
    """
    from foreseal.run.project import said

    reader, at = project.reader(), format_instant(cutoff)
    for each in said(reader):
        if each.body["kind"] != "forecast" or each.body["cutoff"] != at:
            continue
        snapshot = next((data for data in each.body["data"] if data["dataset"] == dataset), None)
        if snapshot is not None:
            break
    else:
        raise UsageError(
            f"No sealed forecast at the cutoff {at} rests on the dataset {dataset!r}.",
            hint="`foreseal status` lists targets; a cutoff is written like 2018-08-01T05:00:00Z.",
        )
    with project.store() as store:
        proof = prove_chunk(store, dataset, cutoff, snapshot["n"], series, ds)
    sealing = project.sealing()
    head = sealing.head(each.index) if sealing else None
    data = write_disclosure(
        {
            "dataset": dataset,
            "cutoff": at,
            "n": proof.n,
            "append": proof.append,
            "index": proof.index,
            "chunks": proof.chunks,
            "inner": [value.hex() for value in proof.inner],
            "outer": [value.hex() for value in proof.outer],
            "series": series,
            "ds": format_instant(ds),
        },
        proof.chunk,
        bytes(reader.receipt(each.index, head.signed if head else None)),
    )
    stem = re.sub(r"[^A-Za-z0-9]+", "-", f"{dataset} {series} {format_instant(ds)} at {at}").strip("-")
    path = out or project.folder / "out" / "disclosures" / f"{stem[:120]}{SUFFIX}"
    write_file(path, data)
    return path
