"""Read a source and keep what is new; what cannot be kept is kept aside with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foreseal.collect.source import Context
from foreseal.errors import DataError
from foreseal.options import build
from foreseal.records import Rejected
from foreseal.run.erasure import check_outside
from foreseal.store.quality import QualityRules
from foreseal.store.schema import Schema

if TYPE_CHECKING:
    from foreseal.run.project import Project
    from foreseal.store.store import Store


@dataclass(frozen=True, slots=True)
class Collected:
    """What one dataset's source brought. ``examples`` are rejected rows with file, row and column.

    ``failure`` says why the source, or the rest of it, could not be read, or is empty.
    """

    dataset: str
    added: int
    repeats: int
    late: int
    rejected: int
    reasons: Mapping[str, int]
    examples: tuple[str, ...] = ()
    failure: str = ""

    @property
    def hopeless(self) -> bool:
        """Whether the source could not be read, or brought rows and none of them could be kept."""
        return bool(self.failure) or (self.rejected > 0 and self.added == 0 and self.repeats == 0)

    def as_dict(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "added": self.added,
            "repeats": self.repeats,
            "late": self.late,
            "rejected": self.rejected,
            "reasons": dict(self.reasons),
            "failure": self.failure,
        }


def collect(project: Project, store: Store, name: str) -> Collected:
    """Declare one dataset, read its source and append every batch."""
    table, source = project.settings.datasets[name], project.sources[name]
    store.declare(
        Schema(
            name=name,
            kind=table.kind,
            title=table.title,
            unit=table.unit,
            origin=table.origin,
            licence=table.licence,
            crs=table.crs,
            personal=table.personal,
            quality=build(QualityRules, table.quality, f"quality in [datasets.{name}]"),
            features=dict(getattr(source, "features", None) or {}),
            labels=dict(getattr(source, "labels", None) or {}),
        )
    )
    context = Context(project.folder, table.timezone or project.timezone, table.known_at, table.personal)
    counts: Counter[str] = Counter()
    refused: dict[tuple[str, Rejected], None] = {}
    failure = ""
    try:
        if table.personal:
            check_outside(project, name)
        for batch in source.read(context):
            part = None if table.kind == "series" else batch.part
            done = store.append(
                name, batch.rows, part=part, known_at=batch.known_at, file=batch.file, rejected=batch.rejected
            )
            counts.update(added=done.added, repeats=done.repeated, late=done.late)
            # A row that several series were read from is refused once, as the store keeps it.
            refused |= {(done.part, row): None for row in done.rejected}
    except DataError as error:
        failure = f"{error.message} {error.hint}".strip()
    return Collected(
        dataset=name,
        added=counts["added"],
        repeats=counts["repeats"],
        late=counts["late"],
        rejected=len(refused),
        reasons=dict(Counter(row.reason for _, row in refused)),
        examples=tuple(_line(row) for _, row in refused),
        failure=failure,
    )


def source_of(project: Project, file: Path) -> str:
    """The dataset whose source reads this file, whether it is there or not; empty if none does."""
    for name, source in project.sources.items():
        path = str(getattr(source, "path", ""))
        if path:
            read = (project.folder / path).resolve()
            if file.resolve() == read or file.resolve().match(str(read)):
                return name
    return ""


def _line(row: Rejected) -> str:
    where = " ".join([row.column, *([repr(row.value)] if row.value else [])]).strip()
    return f"{row.file}, row {row.row}{', ' if where else ''}{where}: {row.reason}"
