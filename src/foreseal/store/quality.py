"""Rules that flag suspicious values of a series and never drop them. Pure functions over frames.

range      the value lies outside what is possible
rate       it changed faster than is possible
flat       it has not changed for so many values in a row
gap        values are missing before it
duplicate  it replaces a different value for the same instant
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import polars as pl

from foreseal.clock import parse_duration


def _span(value: Any) -> timedelta:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration; write it as text: '1h'")
    return parse_duration(value)


def format_span(span: timedelta) -> str:
    """A duration as `foreseal.clock.parse_duration` reads it, in the largest unit that fits."""
    units = {"d": 86_400_000_000, "h": 3_600_000_000, "min": 60_000_000, "s": 1_000_000, "ms": 1000, "us": 1}
    us = span // timedelta(microseconds=1)
    return next(f"{us // size}{unit}" for unit, size in units.items() if us % size == 0)


@dataclass(frozen=True, slots=True)
class QualityRules:
    """What is suspicious, in the dataset's unit. A rule that is left out is not applied.

    ``range`` is the closed interval of possible values, ``rate`` the largest possible change per hour,
    ``flat`` the number of equal values in a row that is suspicious, ``gap`` the longest usual distance
    between neighbours. A new value's neighbours are looked for in the batch and as far as ``lookback``
    before it.
    """

    range: tuple[float, float] | None = None
    rate: float | None = None
    flat: int | None = None
    gap: timedelta | None = field(default=None, metadata={"convert": _span})
    duplicate: bool = False
    lookback: timedelta = field(default=timedelta(days=7), metadata={"convert": _span})

    def __post_init__(self) -> None:
        if self.range is not None and not self.range[0] <= self.range[1]:
            raise ValueError(f"range {list(self.range)} is empty")
        if self.rate is not None and not self.rate > 0:
            raise ValueError("rate must be above 0")
        if self.flat is not None and self.flat < 2:
            raise ValueError("flat must be at least 2 values")
        if self.gap is not None and self.gap <= timedelta(0):
            raise ValueError("gap must be longer than nothing")

    @property
    def active(self) -> bool:
        """Whether there is any rule."""
        return self.range is not None or self.duplicate or self.need_neighbours

    @property
    def need_neighbours(self) -> bool:
        """Whether a rule looks at the values before."""
        return self.rate is not None or self.flat is not None or self.gap is not None

    def to_table(self) -> dict[str, Any]:
        """The rules as a table of plain values, as in foreseal.toml."""
        table = {name: getattr(self, name) for name in ("range", "rate", "flat", "duplicate")}
        table |= {
            name: format_span(getattr(self, name))
            for name in ("gap", "lookback")
            if getattr(self, name) is not None
        }
        if self.range is not None:
            table["range"] = list(self.range)
        return {name: value for name, value in table.items() if value is not None}


def flag(rules: QualityRules, rows: pl.DataFrame, before: pl.DataFrame, revises: pl.Series) -> pl.Series:
    """Flags of ``rows``, one string each: names of the rules that fired, separated by spaces, or empty.

    ``rows`` (``unique_id, ds, y``) are sorted by ``unique_id, ds``; ``before`` holds the latest values of the
    same series before them; ``revises`` says which rows replace a different value.
    """
    y = pl.col("y")
    fired: dict[str, pl.Expr] = {}
    if rules.range is not None:
        fired["range"] = ~y.is_between(*rules.range)
    if rules.need_neighbours:
        frame = pl.concat(
            [before.select("unique_id", "ds", "y", new=-1), rows.select("unique_id", "ds", "y", new=0)]
        ).with_columns(new=pl.when(pl.col("new") == 0).then(pl.int_range(pl.len())).otherwise(None))
        frame = frame.sort("unique_id", "ds", maintain_order=True)
        own = pl.col("unique_id") == pl.col("unique_id").shift(1)
        step = pl.when(own).then(pl.col("ds") - pl.col("ds").shift(1))
        change = pl.when(own).then(y - y.shift(1))
        if rules.rate is not None:
            hours = step.dt.total_microseconds() / 3.6e9
            fired["rate"] = change.abs() > rules.rate * hours
        if rules.flat is not None:
            run = (change != 0).fill_null(True).cum_sum()
            fired["flat"] = pl.int_range(pl.len()).over(run) >= rules.flat - 1
        if rules.gap is not None:
            fired["gap"] = step > rules.gap
    else:
        frame = rows.select("unique_id", "ds", "y", new=pl.int_range(pl.len()))
    named = [pl.when(test.fill_null(False)).then(pl.lit(name)) for name, test in fired.items()]
    flags = pl.concat_str(named, separator=" ", ignore_nulls=True) if named else pl.lit("")
    found = frame.select("new", flags=flags).drop_nulls("new").sort("new")["flags"]
    if rules.duplicate:
        return add_flag(found, "duplicate", revises)
    return found


def add_flag(flags: pl.Series, name: str, where: pl.Series) -> pl.Series:
    """``flags`` with ``name`` added in the rows in which ``where`` is true."""
    both = pl.when(flags == "").then(pl.lit(name)).otherwise(flags + f" {name}")
    return pl.select(pl.when(where).then(both).otherwise(flags).alias("flags"))["flags"]
