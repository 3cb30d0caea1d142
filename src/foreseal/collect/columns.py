"""Which column of a table means what, and the rows that a table then gives."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from foreseal.collect.cells import MISSING_VALUE, read_cells, read_numbers
from foreseal.collect.source import Batch, Context
from foreseal.collect.times import MISSING, Ambiguous, read_times
from foreseal.errors import DataError
from foreseal.records import Rejected
from foreseal.settings import KnownAt


def _types(value: Any) -> Mapping[str, str]:
    """``["age", "dose"]`` or ``{ age = "int", site = "str" }`` -> name -> type."""
    table = dict(value) if isinstance(value, Mapping) else dict.fromkeys(value, "float")
    for name, kind in table.items():
        if kind not in ("float", "int", "bool", "str"):
            raise ValueError(f"{name!r} has the unknown type {kind!r}; known: float, int, bool, str")
    return table


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Options shared by sources of tables.

    ``path`` starts at the project's folder and may hold ``*``: then each file is a batch.

    Series: ``ds`` and ``y`` are columns; with a list of them, each column of ``y`` is a series of its name.
    ``id`` is a column, or a name in quotes (``"'i94'"``); with both, a series is called ``id/column``.
    ``ds_format`` is a strftime pattern where stamps are not ISO 8601; ``ambiguous`` says what a local time
    means that happened twice. Cases: ``case_id``, ``features`` and ``labels`` (names, or name -> type), and
    ``labels_known_at``, the column that says when the label became known.
    """

    path: str
    ds: str = ""
    y: str | tuple[str, ...] = ()
    id: str = ""
    ds_format: str = ""
    ambiguous: Ambiguous = "reject"
    source_column: str = ""
    quality_column: str = ""
    case_id: str = ""
    features: Mapping[str, str] = field(default_factory=dict, metadata={"convert": _types})
    labels: Mapping[str, str] = field(default_factory=dict, metadata={"convert": _types})
    labels_known_at: str = ""

    def __post_init__(self) -> None:
        if bool(self.case_id) == bool(self.y):
            raise ValueError("it needs either 'ds' and 'y' (series) or 'case_id' and 'features' (cases)")
        if self.y and not self.ds:
            raise ValueError("it has 'y' but no 'ds'")
        if self.case_id and not self.features and not self.labels:
            raise ValueError("it has 'case_id' but neither 'features' nor 'labels'")

    def files(self, context: Context) -> list[Path]:
        """The files that ``path`` means. Raises `DataError` if there are none."""
        path = context.folder / self.path
        found = sorted(path.parent.glob(path.name)) if "*" in path.name else [path] if path.is_file() else []
        if not found:
            raise DataError(
                f"There is no file {path}.", hint="Paths start at the folder that holds foreseal.toml."
            )
        return found

    def named(self, context: Context) -> Iterator[tuple[Path, str]]:
        """The files, and what messages call them: by the path from the project's folder, if they lie there.

        Where people are told of, files that a pattern has matched go by their number, in the order of names.
        """
        folder, hidden = context.folder, context.private and "*" in Path(self.path).name
        for number, path in enumerate(self.files(context), 1):
            shown = path.relative_to(folder) if path.is_relative_to(folder) else path
            yield path, f"{self.path}, file {number}" if hidden else shown.as_posix()

    def batches(
        self, table: pl.DataFrame, row: pl.Series, context: Context, file: str, decimal: str = "."
    ) -> Iterator[Batch]:
        """The batches of one table, whose rows are numbered ``row``."""
        reader = _Reader(self, table, row, context, file, decimal)
        if self.case_id:
            for part, columns in (("features", self.features), ("labels", self.labels)):
                if columns:
                    yield reader.cases("features" if part == "features" else "labels", columns)
        else:
            yield reader.series()


@dataclass(frozen=True, slots=True)
class _Reader:
    columns: Columns
    table: pl.DataFrame
    row: pl.Series
    context: Context
    file: str
    decimal: str

    def series(self) -> Batch:
        columns = self.columns
        names = (columns.y,) if isinstance(columns.y, str) else columns.y
        constant = columns.id[1:-1] if columns.id[:1] in ("'", '"') and columns.id[-1:] in ("'", '"') else ""
        ids = None if constant or not columns.id else self.column(columns.id, "id")
        self.check(*names, what="y")
        ds, ds_reason = self.times(columns.ds, "ds")
        stem = self.common(ds=ds)
        problems = [(columns.ds, self.table[columns.ds], ds_reason)]
        if ids is not None:
            ids = ids.cast(pl.String).str.strip_chars()
            empty = pl.select(pl.when(ids.fill_null("") == "").then(pl.lit(MISSING))).to_series()
            problems.append((columns.id, ids, empty))
        known, known_at = self.known(self.context.known_at, problems)
        rows, rejected = [], []
        for name in names:
            y, reason = read_numbers(self.table[name], self.decimal)
            if ids is not None:
                unique_id = ids if len(names) == 1 else ids + f"/{name}"
            elif constant:
                unique_id = pl.Series([constant if len(names) == 1 else f"{constant}/{name}"])
            else:
                unique_id = pl.Series([name])
            frame = stem.with_columns(**known).with_columns(
                pl.lit(unique_id.item()).alias("unique_id")
                if len(unique_id) == 1 and ids is None
                else unique_id.alias("unique_id"),
                y=y,
            )
            good, refused = self.split(frame, [*problems, (name, self.table[name], reason)])
            order = ("unique_id", "ds", "y", *known, "source", "quality", "row")
            rows.append(good.select(order))
            rejected += refused
        rejected.sort(key=lambda item: item.row)
        return Batch(pl.concat(rows), self.file, "series", known_at, tuple(rejected))

    def cases(self, part: Literal["features", "labels"], columns: Mapping[str, str]) -> Batch:
        ids = self.column(self.columns.case_id, "case_id").cast(pl.String).str.strip_chars()
        self.check(*columns, what=part)
        empty = pl.select(pl.when(ids.fill_null("") == "").then(pl.lit(MISSING))).to_series()
        problems = [(self.columns.case_id, ids, empty)]
        frame = self.common(case_id=ids)
        for name, kind in columns.items():
            values, reason = read_cells(self.table[name], kind, self.decimal)
            frame = frame.with_columns(values.alias(name))
            problems.append((name, self.table[name], reason))
        rule = self.context.known_at
        if part == "labels" and self.columns.labels_known_at:
            rule = KnownAt("column", column=self.columns.labels_known_at)
        given = pl.any_horizontal(pl.col(name).is_not_null() for name in columns)
        if part == "labels":
            # An empty label is not a bad row: it is not known yet.
            unknown = frame.select(~given).to_series() & _none_of(problems)
            known, known_at = self.known(rule, problems, unless=unknown)
            if rule != self.context.known_at and self.context.known_at.kind == "column":
                problems.append(self.early(known["known_at"], rule.column, unless=unknown))
            good, rejected = self.split(frame.with_columns(**known), problems)
            good = good.filter(given)
        else:
            known, known_at = self.known(rule, problems)
            blank = pl.when(~given).then(pl.lit(MISSING_VALUE))
            first = next(iter(columns))
            problems.append((first, self.table[first], frame.select(reason=blank)["reason"]))
            good, rejected = self.split(frame.with_columns(**known), problems)
        order = ("case_id", *columns, *known, "source", "row")
        return Batch(good.select(order), self.file, part, known_at, tuple(rejected))

    def early(self, labelled: pl.Series, column: str, unless: pl.Series) -> tuple[str, pl.Series, pl.Series]:
        """The rows whose label was known before the case itself: nobody could have forecast these."""
        seen = self.context.known_at.column
        instants, _ = self.times(seen, "known_at")
        before = (labelled < instants).fill_null(False) & ~unless
        reason = pl.select(pl.when(before).then(pl.lit(f"before the case was known ({seen})"))).to_series()
        return column, self.table[column], reason

    def common(self, **keys: pl.Series) -> pl.DataFrame:
        """Keys, row numbers, and what source and quality say."""
        columns = self.columns
        frame = pl.DataFrame({**keys, "row": self.row})
        for name, column, default in (
            ("source", columns.source_column, Path(self.file).name),
            ("quality", columns.quality_column, ""),
        ):
            if column:
                text = self.column(column, f"{name}_column").cast(pl.String).fill_null("")
                frame = frame.with_columns(text.alias(name))
            else:
                frame = frame.with_columns(pl.lit(default).alias(name))
        return frame

    def known(
        self,
        rule: KnownAt,
        problems: list[tuple[str, pl.Series, pl.Series]],
        unless: pl.Series | None = None,
    ) -> tuple[dict[str, pl.Series], KnownAt]:
        """The column ``known_at`` if it is claimed, and the rule that the store applies."""
        if rule.kind != "column":
            return {}, rule
        instants, reason = self.times(rule.column, "known_at")
        if unless is not None:
            reason = pl.select(pl.when(~unless).then(reason)).to_series()
        problems.append((rule.column, self.table[rule.column], reason))
        return {"known_at": instants}, KnownAt("column", column="known_at")

    def times(self, name: str, what: str) -> tuple[pl.Series, pl.Series]:
        column = self.column(name, what)
        return read_times(column, self.context.timezone, self.columns.ambiguous, self.columns.ds_format)

    def column(self, name: str, what: str) -> pl.Series:
        self.check(name, what=what)
        return self.table[name]

    def check(self, *names: str, what: str) -> None:
        for name in names:
            if name not in self.table.columns:
                near = difflib.get_close_matches(name, self.table.columns, n=3, cutoff=0.5)
                has = ", ".join(self.table.columns[:20])
                hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"It has: {has}."
                if self.context.private:  # a file without a header has a person there
                    hint = "Does its first line name the columns?"
                raise DataError(f"{self.file} has no column {name!r}, which is its {what!r}.", hint=hint)

    def split(
        self, frame: pl.DataFrame, problems: list[tuple[str, pl.Series, pl.Series]]
    ) -> tuple[pl.DataFrame, list[Rejected]]:
        """Rows without a problem, and the first problem of each of the others."""
        good = _none_of(problems)
        if good.all():
            return frame, []
        left, rejected = ~good, []
        for column, cells, reason in problems:
            mine = left & reason.is_not_null()
            shown = cells.filter(mine).cast(pl.String).fill_null("").to_list()
            reasons = reason.filter(mine).to_list()
            for row, value, why in zip(self.row.filter(mine).to_list(), shown, reasons, strict=True):
                rejected.append(Rejected(self.file, row, column, value, why))
            left &= reason.is_null()
        return frame.filter(good), sorted(rejected, key=lambda item: item.row)


def _none_of(problems: list[tuple[str, pl.Series, pl.Series]]) -> pl.Series:
    return pl.select(pl.all_horizontal(reason.is_null() for _, _, reason in problems)).to_series()
