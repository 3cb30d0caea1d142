"""Rows of submissions held to the model tasks that they belong to: what is whole, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foreseal.collect.hub import END, REFERENCE, Hub, Task

ROUNDING = 6
SHOWN = 3

_KEY = ("file", "location", "horizon")

Part = tuple[pl.DataFrame, NDArray[np.float64], NDArray[np.float64]]
"""``location, horizon, end`` of the whole tasks of a file, their values and what is judged of them."""


def check(
    rows: pl.DataFrame,
    files: Sequence[int],
    tasks: tuple[Task, ...],
    hub: Hub,
    problems: dict[int, list[str]],
) -> dict[int, Part]:
    """Whole tasks by file, all of rounds with the same model tasks; the first reasons why others are not are
    added to ``problems``."""
    horizon, value, level = pl.col("horizon"), pl.col("value"), pl.col("level")
    step = pl.duration(weeks=horizon.fill_null(0).fill_nan(0).cast(pl.Int64, strict=False))
    belongs = [_place(task) & horizon.is_in(list(map(float, task.horizons))) for task in tasks]

    def by_task(each: Callable[[Task], pl.Expr]) -> pl.Expr:
        """What a row's own model task says of it; null where it has none."""
        return pl.coalesce(pl.when(pl.col("number") == i).then(each(task)) for i, task in enumerate(tasks))

    rows = rows.with_columns(
        number=pl.coalesce(pl.when(mine).then(pl.lit(i)) for i, mine in enumerate(belongs)),
        start=(pl.col(END) - step).mode().sort().first().over("file"),
        end=pl.coalesce(END, pl.col("round") + step),
    )
    tests: list[tuple[pl.Expr, pl.Expr]] = [
        (pl.col("day").eq_missing(pl.col("round")), pl.lit(f"{hub.column} is not the file's")),
        (
            pl.any_horizontal(_place(task) for task in tasks).fill_null(False),
            pl.format("{} is no location of the hub", pl.col("location").fill_null("''")),
        ),
        (
            horizon.is_in([float(each) for task in tasks for each in task.horizons]).fill_null(False),
            pl.format("{} is no horizon of the hub", horizon.cast(pl.String).fill_null("''")),
        ),
        (
            pl.col("number").is_not_null(),
            pl.format(
                "no model task of the round asks for horizon {} of {}", horizon.cast(pl.Int64), "location"
            ),
        ),
        *_ends(hub, step, by_task),
        (
            by_task(lambda task: level.is_in(_rounded(task.levels))).fill_null(False),
            pl.format("{} is no quantile level of the hub", level.cast(pl.String).fill_null("''")),
        ),
        (value.is_finite().fill_null(False), pl.lit("a value is missing or no number")),
        (
            value >= by_task(lambda task: pl.lit(task.least)),
            pl.format("the value {} is below {}", value, by_task(lambda task: pl.lit(f"{task.least:g}"))),
        ),
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
    found = rows.group_by(*_KEY, maintain_order=True).agg(
        pl.col("number", "end").first(),
        count=pl.len(),
        different=level.n_unique(),
        needed=by_task(lambda task: level.is_in(_rounded(task.needed_levels))).sum(),
        falls=(value.diff() < 0).any(),
        at=level,
    )
    twice = pl.col("count") > pl.col("different")
    short = pl.col("needed") < by_task(lambda task: pl.lit(len(task.needed_levels)))
    for test, say in (
        (twice, _twice),
        (short & ~twice, _short(tasks)),
        (pl.col("falls") & ~(twice | short), _falls),
    ):
        for k, group in found.filter(test).group_by("file", maintain_order=True):
            problems[int(k[0])].append(say(group.row(0, named=True)) + _more(group.height))
    for i, task in enumerate(tasks):
        if task.needed_horizons or task.needed_locations:
            mine = seen.filter(pl.col("number") == i).select("file", "location", horizon.cast(pl.Int64))
            for k in files:
                said = set(mine.filter(pl.col("file") == k).select("location", "horizon").iter_rows())
                if lacks := _absent(task, said):
                    where = f"location {lacks[0][0]}, horizon {lacks[0][1]}"
                    problems[k].append(f"{where} is required and missing" + _more(len(lacks)))
    whole = found.filter(~(twice | short | pl.col("falls").fill_null(False)))
    rows = rows.join(whole.select(_KEY), on=_KEY, how="semi", maintain_order="left")
    return _parts(whole, rows, tasks, hub)


def _parts(whole: pl.DataFrame, rows: pl.DataFrame, tasks: Sequence[Task], hub: Hub) -> dict[int, Part]:
    """Whole tasks and their rows, both sorted, as keys and arrays by file."""
    levels = np.array(_rounded(hub.levels))
    values = np.full((whole.height, len(levels)), np.nan)
    at = np.repeat(np.arange(whole.height), whole["count"].to_numpy())
    values[at, np.searchsorted(levels, rows["level"].to_numpy())] = rows["value"].to_numpy()
    own = np.array([np.isin(levels, _rounded(task.judged)) for task in tasks])[whole["number"].to_numpy()]
    judged = values
    if not own.all() or np.isnan(values).any():
        judged = np.where(own & ~(own & np.isnan(values)).any(axis=1, keepdims=True), values, np.nan)
    keys = whole.select("file", "location", pl.col("horizon").cast(pl.Int64), "end")
    out: dict[int, Part] = {}
    first = 0
    for length, k in keys["file"].rle().struct.unnest().iter_rows():
        part = slice(first, first + length)
        out[int(k)] = keys[part].drop("file"), values[part], judged[part]
        first += length
    return out


def _place(task: Task) -> pl.Expr:
    return pl.col("location").is_in(list(task.locations)) if task.locations else pl.lit(True)


def _ends(
    hub: Hub, step: pl.Expr, by_task: Callable[[Callable[[Task], pl.Expr]], pl.Expr]
) -> list[tuple[pl.Expr, pl.Expr]]:
    """What the last day of a week has to be."""
    wrong = pl.format("{} is not the end of horizon {}", END, pl.col("horizon").cast(pl.Int64))
    if hub.column == REFERENCE:
        return [(pl.col(END).is_null() | (pl.col(END) == pl.col("round") + step), wrong)]
    near = (pl.col("start") - pl.col("round")).dt.total_days().abs() < 7
    return [
        (
            by_task(lambda task: pl.col(END).is_in(list(task.ends)) if task.ends else pl.lit(True)).fill_null(
                False
            ),
            pl.format(f"{{}} is no {END} of the hub", pl.col(END).cast(pl.String).fill_null("''")),
        ),
        (pl.col(END).is_null() | ((pl.col(END) - step == pl.col("start")) & near), wrong),
    ]


def _absent(task: Task, said: set[tuple[str, int]]) -> list[tuple[str, int]]:
    """Locations and horizons that are required beside what a file says, and not among it."""
    places, steps = task.needed_locations, task.needed_horizons
    wanted = set(product(places, steps)) if task.must or said else set()
    for place, step in said:
        if place not in places:
            wanted |= {(place, each) for each in steps}
        if step not in steps:
            wanted |= {(each, step) for each in places}
    return sorted(wanted - said)


def _rounded(levels: Sequence[float]) -> list[float]:
    return [round(level, ROUNDING) for level in levels]


def _more(count: int) -> str:
    return f" (and {count - 1} other tasks)" if count > 1 else ""


def _where(task: dict[str, Any]) -> str:
    return f"location {task['location']}, horizon {int(task['horizon'])}"


def _twice(task: dict[str, Any]) -> str:
    return f"{_where(task)} has a quantile level twice"


def _falls(task: dict[str, Any]) -> str:
    return f"{_where(task)}: quantiles fall as their level rises"


def _short(tasks: Sequence[Task]) -> Callable[[dict[str, Any]], str]:
    def say(task: dict[str, Any]) -> str:
        there, levels = set(task["at"]), _rounded(tasks[task["number"]].needed_levels)
        lacking = [f"{level:g}" for level in levels if level not in there]
        more = ", …" if len(lacking) > SHOWN else ""
        return (
            f"{_where(task)} has {len(levels) - len(lacking)} of {len(levels)} quantiles: "
            f"{', '.join(lacking[:SHOWN])}{more} missing"
        )

    return say
