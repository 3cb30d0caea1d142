"""Covariates given with a frame: which reach into the horizon, and what was known of the others when."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from foreseal.clock import format_instant
from foreseal.errors import DataError, DataWarning
from foreseal.frame import Panel, read
from foreseal.predict.grid import Grid


@dataclass(frozen=True, slots=True)
class Covariates:
    """A wide frame: ``ds``, optionally ``unique_id``, numeric columns.

    Columns in ``ahead`` have a value at every step to forecast, so they count as known in advance, in the
    past too. All others are known at the end of their step only.
    """

    wide: pl.DataFrame
    ahead: frozenset[str]

    @classmethod
    def of(cls, wide: pl.DataFrame, future: pl.DataFrame) -> Covariates:
        """Tell the columns apart by ``future``, the ``unique_id, ds`` that are to be forecast in the end."""
        keys = _keys(wide)
        there = future.select(keys).unique().join(wide, on=keys, how="left")
        names = [name for name in wide.columns if name not in keys]
        full = [name for name in names if there[name].cast(pl.Float64).fill_nan(None).null_count() == 0]
        return cls(wide, frozenset(full))

    def before(self, starts: pl.DataFrame) -> pl.DataFrame:
        """What was known where each series' first step to forecast was ``start`` (``unique_id, start``).

        A frame without ``unique_id`` serves all series, so it is cut at the earliest of them.
        """
        late = [name for name in self.wide.columns if name not in (*_keys(self.wide), *self.ahead)]
        if not late:
            return self.wide
        if "unique_id" in self.wide.columns:
            placed = self.wide.join(starts, on="unique_id", how="left", maintain_order="left")
            known = pl.col("ds") < pl.col("start")
        else:
            placed, known = self.wide, pl.col("ds") < pl.lit(starts["start"].min())
        cut = placed.with_columns(pl.when(known).then(pl.col(name)).alias(name) for name in late)
        return cut.select(self.wide.columns)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far one column goes in some series: ``full`` of ``series`` know all steps ahead, the worst knows
    ``least``; ``past`` have a value before, ``met`` any at all; in ``told`` it counts as known in advance."""

    series: int
    full: int
    least: int
    past: int
    met: int
    told: int

    def __add__(self, other: Reach) -> Reach:
        return Reach(
            self.series + other.series,
            self.full + other.full,
            min(self.least, other.least),
            self.past + other.past,
            self.met + other.met,
            self.told + other.told,
        )


def reaches(covariates: Covariates, panel: Panel, h: int) -> dict[str, Reach]:
    """The reach of every column in the series of a panel."""
    grid, wide = Grid.of(panel), covariates.wide
    keys = _keys(wide)
    names = [name for name in wide.columns if name not in keys]
    has = wide.select(*keys, *(pl.col(name).cast(pl.Float64).is_finite().alias(name) for name in names))
    counts = [pl.col(name).fill_null(False).sum() for name in names]

    def found(times: pl.DataFrame) -> pl.DataFrame:
        joined = times.select("unique_id", "ds").join(has, on=keys, how="left")
        return joined.group_by("unique_id").agg(counts).sort("unique_id")

    ahead, past = found(grid.future(h)[0]), found(panel.frame)
    # Months match by name on the grid, whatever their day.
    unmet = [name for name in names if not past[name].sum()]
    placed = _placed(grid, panel, wide.select(*keys, *unmet)) if unmet else {}
    out: dict[str, Reach] = {}
    for name in names:
        before = placed[name] if name in placed else past[name].to_numpy() > 0
        after = ahead[name].to_numpy()
        out[name] = Reach(
            series=len(grid.ids),
            full=int((after >= h).sum()),
            least=int(after.min()),
            past=int(before.sum()),
            met=int((before | (after > 0)).sum()),
            told=len(grid.ids) if name in covariates.ahead else 0,
        )
    return out


def account(found: Iterable[Mapping[str, Reach]], wide: pl.DataFrame, h: int) -> str:
    """Warn of columns that do less than they seem to, and say which count as known in advance.

    ``found`` holds the reach in each part of the frame, ``wide`` all covariates.
    """
    whole: dict[str, Reach] = {}
    for part in found:
        for name, reach in part.items():
            whole[name] = whole[name] + reach if name in whole else reach
    said: dict[str, list[str]] = {}
    roles: dict[str, list[str]] = {}
    for name, reach in whole.items():
        empty = wide[name].cast(pl.Float64).fill_nan(None).null_count() == wide.height
        role, text = _judged(reach, h, empty)
        roles.setdefault(role, []).append(name)
        if text:
            said.setdefault(text, []).append(name)
    for text, names in said.items():
        several = len(names) > 1
        words = {
            "be": "are",
            "it": "they",
            "have": "have",
            "count": "count",
            "match": "match",
            "of_it": "them",
        }
        alone = {"be": "is", "it": "it", "have": "has", "count": "counts", "match": "matches", "of_it": "it"}
        told = text.format(**(words if several else alone))
        warnings.warn(f"X_df: {', '.join(map(repr, names))} {told}.", DataWarning, stacklevel=4)
    return "; ".join(f"{role}: {', '.join(roles[role])}" for role in ROLES if role in roles)


ROLES = ("known in advance", "known in advance for some series", "past only", "no effect")


def _judged(reach: Reach, h: int, empty: bool) -> tuple[str, str]:
    """What a column counts as, and what to warn of, with the verbs left open."""
    if empty:
        return "no effect", "{have} no value at all, so {it} {count} for nothing"
    if not reach.met:
        return "no effect", (
            "{match} no series and instant of the frame, so {it} {count} for nothing: "
            "check the names of the series, the times and the time zone"
        )
    if reach.told == reach.series:
        if reach.past:
            return "known in advance", ""
        return "no effect", "{have} no value in the past, so nothing can be learnt of {of_it}"
    short = reach.series - reach.full
    where = f" in {short} of {reach.series} series" if reach.full else ""
    text = f"{{be}} known for {reach.least} of {h} steps ahead{where}"
    if not reach.past:
        return "no effect", f"{text} and {{have}} no value in the past, so {{it}} {{count}} for nothing"
    if reach.told:
        left = f" for {reach.series - reach.told} of {reach.series} series"
        return "known in advance for some series", f"{text}, so {{it}} {{count}} as past only{left}"
    return "past only", f"{text}, so {{it}} {{count}} as past only"


def warn_unused(who: str) -> None:
    """Warn that none of the members asked for looks at covariates."""
    warnings.warn(
        f"X_df: no member of {who} uses covariates, so they change nothing; ridge and lightgbm do.",
        DataWarning,
        stacklevel=3,
    )


def _placed(grid: Grid, panel: Panel, wide: pl.DataFrame) -> dict[str, Any]:
    """Whether each column has a value on the past grid of each series, shape (series,)."""
    cells = grid.covariates(replace(panel, covariates=wide), 0)
    return {
        name: np.broadcast_to(np.isfinite(values).any(axis=1), (len(grid.ids),))
        for name, values in cells.items()
    }


def read_covariates(X_df: Any, id_col: str, time_col: str) -> pl.DataFrame:
    """A user's covariates as a wide frame.

    Raises `DataError`, which says that it is about X_df, for what is no frame, repeated rows, columns of text
    and infinite values.
    """
    try:
        wide, _ = read(X_df, id_col=id_col, time_col=time_col, target_col=None)
    except DataError as error:
        raise DataError(f"X_df: {error.message}", hint=error.hint) from None
    keys = _keys(wide)
    repeats = wide.filter(wide.select(keys).is_duplicated())
    if not repeats.is_empty():
        raise DataError(
            f"X_df has more than one row {_place(repeats)} ({repeats.height} such rows in all).",
            hint=f"Keep one row per {'series and ' if 'unique_id' in keys else ''}instant.",
        )
    for name in wide.columns:
        kind = wide.schema[name]
        if name in keys:
            continue
        if not kind.is_numeric() and kind not in (pl.Boolean, pl.Null):
            raise DataError(
                f"X_df: covariate {name!r} holds {kind}, not numbers.", hint="Encode it, or drop it."
            )
        if kind.is_float():
            infinite = wide.filter(pl.col(name).is_infinite())
            if not infinite.is_empty():
                raise DataError(
                    f"Covariate {name!r} of X_df is infinite {_place(infinite)}.",
                    hint="Replace infinite values by missing ones, or drop the rows.",
                )
    return wide


def _place(rows: pl.DataFrame) -> str:
    """Where the first of some rows is."""
    row = rows.row(0, named=True)
    series = f"of series {row['unique_id']!r} " if "unique_id" in row else ""
    return f"{series}at {format_instant(row['ds'])}"


def _keys(wide: pl.DataFrame) -> list[str]:
    return [name for name in ("unique_id", "ds") if name in wide.columns]
