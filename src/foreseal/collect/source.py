"""Where observations come from: the `Source` protocol, what it yields, and how a source is found by name."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import polars as pl

from foreseal.errors import SettingsError
from foreseal.options import build
from foreseal.records import Rejected
from foreseal.settings import Dataset, KnownAt

ENTRY_POINTS = "foreseal.sources"
BUILT_IN: Mapping[str, str] = {
    "csv": "foreseal.collect.csv:CsvSource",
    "parquet": "foreseal.collect.parquet:ParquetSource",
    "vintages": "foreseal.collect.vintages:Vintages",
}


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows from one file (or message), ready for the store.

    ``rows`` has the key and value columns of ``part``, ``source``, ``known_at`` if that is claimed, and
    ``row``: the line of a CSV, or the row of a table, counted from 1. ``rejected`` are rows that mean
    nothing; ``known_at`` is the rule for the others.
    """

    rows: pl.DataFrame
    file: str
    part: Literal["series", "features", "labels"] = "series"
    known_at: KnownAt = field(default_factory=KnownAt)
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """What a source is told by the project: the folder that paths start from, the time zone (IANA) of
    stamps without one, and when values become known.

    ``private``: it is about people. Then no message, and no name of a file in a batch, may hold anything that
    lies in a file or was found beside it: neither cells and headers, nor names that a pattern has matched.
    """

    folder: Path = Path()
    timezone: str = "UTC"
    known_at: KnownAt = field(default_factory=KnownAt)
    private: bool = False


class Source(Protocol):
    """A frozen dataclass whose fields are its options in ``[datasets.X]`` of foreseal.toml.

    It is built from that table, so a wrong option is refused by name before anything is read.
    """

    def read(self, context: Context) -> Iterator[Batch]:
        """What there is, batch by batch. Raises `DataError` if nothing can be read as what it should be."""
        ...


def resolve(name: str) -> type[Source]:
    """The class of the source called ``name``: built in, or from the entry points ``foreseal.sources``."""
    if name in BUILT_IN:
        module, _, cls = BUILT_IN[name].partition(":")
        return cast(type[Source], getattr(importlib.import_module(module), cls))
    others = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in others:
        known = ", ".join(sorted({*BUILT_IN, *others}))
        raise SettingsError(f"There is no source {name!r}.", hint=f"Known sources: {known}.")
    return cast(type[Source], others[name].load())


def open_source(dataset: Dataset, name: str = "") -> Source:
    """The source of ``[datasets.NAME]``, with its options checked."""
    return build(resolve(dataset.source), dataset.options, f"[datasets.{name}]")


def read(dataset: Dataset, folder: Path, timezone: str = "UTC", name: str = "") -> Iterator[Batch]:
    """All batches of a dataset; ``timezone`` is the project's, for stamps without one."""
    context = Context(folder, dataset.timezone or timezone, dataset.known_at, dataset.personal)
    return open_source(dataset, name).read(context)


def case_columns(dataset: Dataset, name: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Features and labels that the source of a dataset of cases has: name -> type."""
    source = open_source(dataset, name)
    found = (getattr(source, part, None) for part in ("features", "labels"))
    features, labels = (dict(columns) if columns else {} for columns in found)
    return features, labels
