"""Submissions to a forecast hub: read, checked as the hub does, and written.

A file has one row per quantile: ``reference_date, target, horizon, location, target_end_date, output_type,
output_type_id, value``. Rows of other targets and output types are left alone. A hub refuses a file for one
bad row; here each task of it that is whole is still read, so that what was said is not lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foreseal.collect.hub import Hub, Task, round_of
from foreseal.errors import DataError

COLUMNS = (
    "reference_date",
    "target",
    "horizon",
    "location",
    "target_end_date",
    "output_type",
    "output_type_id",
    "value",
)
DERIVED = "target_end_date"
ROUNDING = 6
SHOWN = 3

_KEY = ("file", "location", "horizon")


@dataclass(frozen=True, slots=True)
class Submission:
    """One file. ``keys`` has ``location, horizon`` of the tasks that are whole, ``values`` (tasks, levels)
    their quantiles; ``problems`` says why the hub would refuse the file, if it would."""

    model: str
    round: date | None
    path: Path
    keys: pl.DataFrame
    values: NDArray[np.float64]
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
    for k, path in enumerate(paths):
        name = named[k]
        if name is None or name[1] != path.parent.name:
            problems[k].append(
                f"the name is not DATE-{path.parent.name}.csv or .parquet, after the folder that it lies in"
            )
        elif hub.task(name[0]) is None:
            problems[k].append(f"{name[0]} is no reference date of the hub")
        else:
            try:
                frames.append(_load(path, hub.target).with_columns(file=pl.lit(k, pl.Int64)))
            except DataError as error:
                problems[k].append(error.message)
    kept = pl.concat(frames) if frames else pl.DataFrame(schema={"file": pl.Int64})
    parts: dict[int, tuple[pl.DataFrame, NDArray[np.float64]]] = {}
    by_task: dict[int, list[int]] = {}
    for k, name in enumerate(named):
        task = hub.task(name[0]) if name else None
        if task is not None:
            by_task.setdefault(hub.tasks.index(task), []).append(k)
    for number, files in by_task.items():
        rows = kept.filter(pl.col("file").is_in(files))
        if rows.is_empty():
            continue
        rounds = pl.DataFrame({"file": files, "round": [named[k][0] for k in files]})  # type: ignore[index]
        parts |= _check(rows.join(rounds, on="file"), hub.tasks[number], problems)
    none = pl.DataFrame(schema={"location": pl.String, "horizon": pl.Int64})
    width = len(hub.tasks[0].levels)
    found = []
    for k, path in enumerate(paths):
        keys, values = parts.get(k, (none, np.zeros((0, width))))
        name = named[k]
        found.append(
            Submission(path.parent.name, name[0] if name else None, path, keys, values, tuple(problems[k]))
        )
    return found


def write_submission(
    folder: Path, model: str, round_: date, keys: pl.DataFrame, values: NDArray[np.float64], hub: Hub
) -> Path:
    """Write ``folder/MODEL/DATE-MODEL.csv``: quantiles (tasks, levels) of ``location, horizon``.

    Raises `DataError` if the hub would refuse it; then nothing is left behind.
    """
    task = hub.task(round_)
    if task is None:
        raise DataError(f"{round_} is no reference date of the hub.", hint="tasks.json lists them.")
    count = len(task.levels)
    rows = keys.select("location", "horizon")[np.repeat(np.arange(keys.height), count).tolist()]
    table = rows.select(
        pl.lit(round_).alias("reference_date"),
        pl.lit(task.target).alias("target"),
        "horizon",
        "location",
        (pl.lit(round_) + pl.duration(weeks=pl.col("horizon"))).alias("target_end_date"),
        pl.lit("quantile").alias("output_type"),
        pl.Series("output_type_id", np.tile(task.levels, keys.height)),
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


def _load(path: Path, target: str) -> pl.DataFrame:
    """The rows of a target's quantiles as text and numbers; null where a cell is not what it should be."""
    try:
        if path.suffix == ".parquet":
            table = pl.read_parquet(path, glob=False)
        else:
            table = pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"it cannot be read: {str(error).splitlines()[0]}") from error
    absent = [name for name in COLUMNS if name not in table.columns and name != DERIVED]
    if absent:
        raise DataError(f"it has no column {', '.join(map(repr, absent))}")
    if DERIVED not in table.columns:
        table = table.with_columns(pl.lit(None, pl.String).alias(DERIVED))
    day = [
        (pl.col(name).str.to_date(strict=False) if table.schema[name] == pl.String else pl.col(name)).cast(
            pl.Date
        )
        for name in ("reference_date", DERIVED)
    ]
    chosen = (pl.col("target") == target) & (pl.col("output_type") == "quantile")
    return table.filter(chosen).select(
        *day,
        pl.col("horizon").cast(pl.Float64, strict=False),
        pl.col("location").cast(pl.String),
        pl.col("output_type_id").cast(pl.Float64, strict=False).round(ROUNDING).alias("level"),
        pl.col("value").cast(pl.Float64, strict=False),
    )


def _check(
    rows: pl.DataFrame, task: Task, problems: dict[int, list[str]]
) -> dict[int, tuple[pl.DataFrame, NDArray[np.float64]]]:
    """Whole tasks by file; the first reasons why others are not are added to ``problems``."""
    horizon, value = pl.col("horizon"), pl.col("value")
    levels = [round(level, ROUNDING) for level in task.levels]
    end = pl.col("round") + pl.duration(weeks=horizon.fill_null(0).fill_nan(0).cast(pl.Int64, strict=False))
    known = pl.col("location").is_in(list(task.locations)) if task.locations else pl.lit(True)
    tests: list[tuple[pl.Expr, pl.Expr]] = [
        (pl.col("reference_date").eq_missing(pl.col("round")), pl.lit("reference_date is not the file's")),
        (
            known.fill_null(False),
            pl.format("{} is no location of the hub", pl.col("location").fill_null("''")),
        ),
        (
            horizon.is_in(list(map(float, task.horizons))).fill_null(False),
            pl.format("{} is no horizon of the hub", horizon.cast(pl.String).fill_null("''")),
        ),
        (
            pl.col(DERIVED).is_null() | (pl.col(DERIVED) == end),
            pl.format("{} is not the end of horizon {}", DERIVED, horizon),
        ),
        (
            pl.col("level").is_in(levels).fill_null(False),
            pl.format("{} is no quantile level of the hub", pl.col("level").cast(pl.String).fill_null("''")),
        ),
        (value.is_finite().fill_null(False), pl.lit("a value is missing or no number")),
        (value >= task.least, pl.format(f"the value {{}} is below {task.least:g}", value)),
    ]
    why = pl.coalesce(pl.when(~test).then(reason) for test, reason in tests)
    seen = rows.with_columns(why=why)
    bad = seen.filter(pl.col("why").is_not_null())
    if bad.height:
        for k, reason, count in (
            bad.group_by("file", "why", maintain_order=True).len().iter_rows()
        ):  # one line a kind of mistake
            problems[k].append(f"{reason} ({count} rows)")
    spoilt = bad.select(*_KEY).unique()
    rows = seen.join(spoilt, on=_KEY, how="anti", nulls_equal=True) if bad.height else seen
    rows = rows.sort(*_KEY, "level")
    tasks = rows.group_by(*_KEY, maintain_order=True).agg(
        count=pl.len(),
        different=pl.col("level").n_unique(),
        falls=(pl.col("value").diff() < 0).any(),
        at=pl.col("level"),
    )
    wanted = len(levels)
    twice = pl.col("count") > pl.col("different")
    short = pl.col("different") < wanted
    for test, say in ((twice, _twice), (short & ~twice, _short(levels)), (pl.col("falls") & ~short, _falls)):
        for k, group in tasks.filter(test).group_by("file", maintain_order=True):
            more = f" (and {group.height - 1} other tasks)" if group.height > 1 else ""
            problems[int(k[0])].append(say(group.row(0, named=True)) + more)
    whole = tasks.filter(~(twice | short | pl.col("falls").fill_null(False)))
    rows = rows.join(whole.select(_KEY), on=_KEY, how="semi", maintain_order="left")
    flat = rows["value"].to_numpy().reshape(-1, wanted)
    keys = rows.select("file", "location", pl.col("horizon").cast(pl.Int64)).gather_every(wanted)
    starts = keys["file"].rle().struct.unnest()
    out: dict[int, tuple[pl.DataFrame, NDArray[np.float64]]] = {}
    at = 0
    for length, k in starts.iter_rows():
        out[int(k)] = keys[at : at + length].select("location", "horizon"), flat[at : at + length]
        at += length
    return out


def _where(task: dict[str, Any]) -> str:
    return f"location {task['location']}, horizon {int(task['horizon'])}"


def _twice(task: dict[str, Any]) -> str:
    return f"{_where(task)} has a quantile level twice"


def _falls(task: dict[str, Any]) -> str:
    return f"{_where(task)}: quantiles fall as their level rises"


def _short(levels: list[float]) -> Callable[[dict[str, Any]], str]:
    def say(task: dict[str, Any]) -> str:
        there = set(task["at"])
        lacking = [f"{level:g}" for level in levels if level not in there]
        more = ", …" if len(lacking) > SHOWN else ""
        return (
            f"{_where(task)} has {len(levels) - len(lacking)} of {len(levels)} quantiles: "
            f"{', '.join(lacking[:SHOWN])}{more} missing"
        )

    return say
