"""What a dataset is: its kind, unit, terms and columns, and the append-only tables (parts) it is kept in."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import polars as pl

from foreseal.errors import DataError, SettingsError
from foreseal.options import build
from foreseal.store.quality import QualityRules
from foreseal.store.unit import check_unit

ColumnType = Literal["str", "int", "float", "bool", "time", "bytes"]

DTYPES: Mapping[str, pl.DataType] = {
    "str": pl.String(),
    "int": pl.Int64(),
    "float": pl.Float64(),
    "bool": pl.Boolean(),
    "time": pl.Datetime("us", "UTC"),
    "bytes": pl.Binary(),
}
SYSTEM_COLUMNS = ("known_at", "claimed_at", "source", "quality", "flags", "n", "row")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """One append-only table of a dataset.

    A row is identified by ``keys`` and carries ``values``; two rows agree if their values do. ``columns`` are
    all stored columns in the order in which they are encoded, with their types. Columns in ``nullable`` may
    be empty. ``claimed_at`` is empty unless the row claims another time than its ``known_at``.
    """

    name: str
    keys: tuple[str, ...]
    values: tuple[str, ...]
    columns: Mapping[str, ColumnType]
    nullable: frozenset[str]

    @property
    def frame_schema(self) -> dict[str, pl.DataType]:
        """Polars types of the stored columns, with the append number ``n`` last."""
        return {name: DTYPES[kind] for name, kind in self.columns.items()} | {"n": pl.Int64()}


SERIES = Part(
    name="series",
    keys=("unique_id", "ds"),
    values=("y", "quality"),
    columns={
        "unique_id": "str",
        "ds": "time",
        "y": "float",
        "known_at": "time",
        "claimed_at": "time",
        "source": "str",
        "quality": "str",
        "flags": "str",
    },
    nullable=frozenset({"claimed_at"}),
)

ENCRYPTED = Part(
    name="",
    keys=("case_id",),
    values=("record",),
    columns={"case_id": "str", "known_at": "time", "record": "bytes"},
    nullable=frozenset(),
)


@dataclass(frozen=True, slots=True)
class Schema:
    """A dataset as declared: what it holds, in which unit, from whom and under which licence.

    ``unit`` is a UCUM code, or one per series; ``crs`` names the coordinate system of its places (such as
    ``EPSG:4326``). A dataset of cases has ``features`` and ``labels``: column name -> type (``str``, ``int``,
    ``float``, ``bool``). A survival label is the two columns ``time`` and ``event``. Cases that are
    ``personal`` are kept encrypted, each under its own key (`foreseal.store.personal`).
    """

    name: str
    kind: Literal["series", "cases"] = "series"
    title: str = ""
    unit: str | Mapping[str, str] = "1"
    origin: str = ""
    licence: str = ""
    crs: str = ""
    personal: bool = False
    quality: QualityRules = field(default_factory=QualityRules)
    features: Mapping[str, ColumnType] = field(default_factory=dict)
    labels: Mapping[str, ColumnType] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"dataset {self.name!r}"
        if not _NAME.fullmatch(self.name):
            raise SettingsError(
                f"{where} is not a usable name.", hint="Use letters, digits, _ and -, at most 64 of them."
            )
        if self.personal and self.kind != "cases":
            raise SettingsError(
                f"{where} of kind {self.kind!r} is marked personal; only cases have a key per person.",
                hint='Keep data about people as kind = "cases".',
            )
        units = self.unit if isinstance(self.unit, Mapping) else {"": self.unit}
        for series, unit in units.items():
            try:
                check_unit(unit)
            except SettingsError as error:
                key = f"unit.{series}" if series else "unit"
                raise SettingsError(
                    f"{key} in [datasets.{self.name}]: {error.message}", hint=error.hint
                ) from error
        if (self.kind == "cases") != bool(self.features) or (self.kind == "series" and self.labels):
            raise SettingsError(
                f"{where} of kind {self.kind!r} has {len(self.features)} features and "
                f"{len(self.labels)} labels.",
                hint="A dataset of cases needs features and labels; one of series has neither.",
            )
        if self.kind == "cases" and not self.labels:
            raise SettingsError(f"{where} has no labels.", hint="Name at least one label column.")
        for column, kind in (*self.features.items(), *self.labels.items()):
            if column in (*SYSTEM_COLUMNS, "case_id") or "\n" in column or not column:
                raise SettingsError(f"{where} cannot have a column called {column!r}.")
            if kind not in ("str", "int", "float", "bool"):
                raise SettingsError(
                    f"{where}: column {column!r} has the unknown type {kind!r}.",
                    hint="Known types: str, int, float, bool.",
                )

    def part(self, name: str | None = None) -> Part:
        """The part of that name; a dataset of series has only ``series``, which need not be named."""
        if self.kind == "series" and name in (None, "series"):
            return SERIES
        if self.kind == "cases" and name in ("features", "labels"):
            return _cases_part(name, self.features if name == "features" else self.labels)
        known = "series" if self.kind == "series" else "features and labels"
        raise DataError(
            f"Dataset {self.name!r} has no part {name!r}.", hint=f"It is a dataset of {self.kind}: {known}."
        )

    def stored(self, part: Part) -> Part:
        """The table in which the rows of a part lie: the part itself, or its encrypted form."""
        return replace(ENCRYPTED, name=part.name) if self.personal else part

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts."""
        names = ("series",) if self.kind == "series" else ("features", "labels")
        return tuple(self.part(name) for name in names)

    def to_json(self) -> str:
        """As kept in the catalogue."""
        table = dataclasses.asdict(self) | {"quality": self.quality.to_table()}
        return json.dumps(table, ensure_ascii=False, sort_keys=False)

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """Inverse of :meth:`to_json`."""
        table: dict[str, Any] = json.loads(text)
        table["quality"] = build(QualityRules, table["quality"], "quality")
        return cls(**table)


def _cases_part(name: str, values: Mapping[str, ColumnType]) -> Part:
    columns: dict[str, ColumnType] = {
        "case_id": "str",
        **values,
        "known_at": "time",
        "claimed_at": "time",
        "source": "str",
        "flags": "str",
    }
    return Part(
        name=name,
        keys=("case_id",),
        values=tuple(values),
        columns=columns,
        nullable=frozenset({*values, "claimed_at"}),
    )
