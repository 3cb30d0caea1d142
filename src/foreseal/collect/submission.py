"""Submissions to a forecast hub: read, held to the hub's tasks, and written.

A file has one row per quantile: ``reference_date, target, horizon, location, target_end_date, output_type,
output_type_id, value``. Rows of other targets and output types of the hub are left alone; rows that it does
not know are told, and torn lines. A hub refuses a file for one bad row; here each task of it that is whole
is still read, so that what was said is not lost.

Weeks of a hub of ``reference_date`` end with the round's date and every seven days before and after. Where
rounds go by another date the file says when its weeks end: all of it alike, within a week of the round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foreseal.collect.hub import END, REFERENCE, Hub, Task, round_of
from foreseal.collect.rows import read_rows, unrecognised
from foreseal.collect.tasks import ROUNDING, Part, check
from foreseal.errors import DataError

COLUMNS = ("target", "horizon", "location", "output_type", "output_type_id", "value")


@dataclass(frozen=True, slots=True)
class Submission:
    """One file. ``keys`` has ``location, horizon, end`` (the last day of its week) of the tasks that are
    whole, ``values`` (tasks, levels of the hub) their quantiles, NaN where an optional level is not stated.
    ``judged`` are those that all forecasts of a task have, NaN elsewhere. ``problems`` says why the hub would
    refuse the file, if it would."""

    model: str
    round: date | None
    path: Path
    keys: pl.DataFrame
    values: NDArray[np.float64]
    judged: NDArray[np.float64]
    problems: tuple[str, ...] = ()


def read_submission(path: Path, hub: Hub) -> Submission:
    """One file; what is wrong with it is told in its ``problems``."""
    [found] = read_submissions([path], hub)
    return found


def read_submissions(paths: Sequence[Path], hub: Hub) -> list[Submission]:
    """Files of one model or several, checked together. What is wrong with one does not touch the others."""
    frames: list[pl.DataFrame] = []
    problems: dict[int, list[str]] = {k: [] for k in range(len(paths))}
    named = [round_of(path) for path in paths]
    by_task: dict[tuple[Task, ...], list[int]] = {}
    for k, path in enumerate(paths):
        name = named[k]
        if name is None or name[1] != path.parent.name:
            problems[k].append(
                f"the name is not DATE-{path.parent.name}.csv or .parquet, after the folder that it lies in"
            )
        elif not hub.asked(name[0]):
            problems[k].append(f"{name[0]} is no {hub.column.replace('_', ' ')} of the hub")
        else:
            try:
                frames.append(_load(path, hub, problems[k]).with_columns(file=pl.lit(k, pl.Int64)))
                by_task.setdefault(hub.asked(name[0]), []).append(k)
            except DataError as error:
                problems[k].append(error.message)
    parts: dict[int, Part] = {}
    if frames:
        kept = pl.concat(frames)
        for tasks, files in by_task.items():
            rounds = pl.DataFrame({"file": files, "round": [named[k][0] for k in files]})  # type: ignore[index]
            parts |= check(kept.join(rounds, on="file"), files, tasks, hub, problems)
    none = pl.DataFrame(schema={"location": pl.String, "horizon": pl.Int64, "end": pl.Date})
    empty = np.zeros((0, len(hub.levels)))
    found = []
    for k, path in enumerate(paths):
        keys, values, judged = parts.get(k, (none, empty, empty))
        name = named[k]
        told = tuple(problems[k])
        found.append(
            Submission(path.parent.name, name[0] if name else None, path, keys, values, judged, told)
        )
    return found


def write_submission(
    folder: Path, model: str, round_: date, keys: pl.DataFrame, values: NDArray[np.float64], hub: Hub
) -> Path:
    """Write ``folder/MODEL/DATE-MODEL.csv``: quantiles (tasks, levels of the hub) of ``location, horizon``.

    Raises `DataError` if the hub would refuse it, and then nothing is left behind, or if its rounds do not go
    by `REFERENCE`: its configuration does not say which weeks they mean.
    """
    if hub.column != REFERENCE:
        raise DataError(
            f"Submissions by {hub.column} are not written, only read.",
            hint="The hub's configuration does not say when the week of a horizon ends.",
        )
    if not hub.asked(round_):
        raise DataError(f"{round_} is no reference date of the hub.", hint="tasks.json lists them.")
    count = len(hub.levels)
    rows = keys.select("location", "horizon")[np.repeat(np.arange(keys.height), count).tolist()]
    table = rows.select(
        pl.lit(round_).alias(REFERENCE),
        pl.lit(hub.target).alias("target"),
        "horizon",
        "location",
        (pl.lit(round_) + pl.duration(weeks=pl.col("horizon"))).alias(END),
        pl.lit("quantile").alias("output_type"),
        pl.Series("output_type_id", np.tile(hub.levels, keys.height)),
        pl.Series("value", values.ravel()),
    )
    path = folder / model / f"{round_}-{model}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write_csv(path)
    made = read_submission(path, hub)
    if made.problems:
        path.unlink()
        raise DataError(f"The hub would refuse {path.name}: {made.problems[0]}.")
    return path


def _load(path: Path, hub: Hub, problems: list[str]) -> pl.DataFrame:
    """The rows of a target's quantiles as text and numbers; null where a cell is not what it should be. What
    the hub does not know is added to ``problems``."""
    table, torn = read_rows(path)
    problems += torn
    told = hub.column != REFERENCE and any(task.ends for task in hub.tasks)
    absent = [name for name in (hub.column, *COLUMNS, *([END] if told else ())) if name not in table.columns]
    if absent:
        raise DataError(f"it has no column {', '.join(map(repr, absent))}")
    table = table.filter(~pl.all_horizontal(pl.all().is_null()))
    if table.is_empty():
        raise DataError("it has no whole row" if torn else "it has no rows")
    table = table.with_columns(pl.col("target", "output_type", "location").cast(pl.String))
    problems += unrecognised(table, hub)
    if END not in table.columns:
        table = table.with_columns(pl.lit(None, pl.String).alias(END))
    day = [
        (pl.col(name).str.to_date(strict=False) if table.schema[name] == pl.String else pl.col(name)).cast(
            pl.Date
        )
        for name in (hub.column, END)
    ]
    chosen = (pl.col("target") == hub.target) & (pl.col("output_type") == "quantile")
    return table.filter(chosen).select(
        day[0].alias("day"),
        day[1],
        pl.col("horizon").cast(pl.Float64, strict=False),
        pl.col("location").cast(pl.String),
        pl.col("output_type_id").cast(pl.Float64, strict=False).round(ROUNDING).alias("level"),
        pl.col("value").cast(pl.Float64, strict=False),
    )
