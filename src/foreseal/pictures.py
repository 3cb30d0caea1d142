"""What a policy shows of its decisions: plain frames, which the report draws without knowing the policy.

A policy for series that has a method ``pictures(acts) -> tuple[Picture, ...]`` is asked for them. Names in
frames are those of the data; words of a language are left to the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias, runtime_checkable

import polars as pl

from foreseal.records import Setting

LEVEL = 0.8
"""Intervals shown are the central ones nearest to this level."""


@dataclass(frozen=True, slots=True)
class Acted:
    """One decision as sealed: its ``options`` by name, the ``chosen`` one, the ``forecast`` it rests on
    (``unique_id, ds`` and quantiles) and the ``outcome`` (``unique_id, ds, y``), without rows until known."""

    cutoff: datetime
    chosen: str
    options: Mapping[str, tuple[Setting, ...]]
    forecast: pl.DataFrame
    outcome: pl.DataFrame

    @property
    def action(self) -> tuple[Setting, ...]:
        """The settings of the chosen option."""
        return self.options[self.chosen]

    @property
    def levels(self) -> tuple[float, ...]:
        """The forecast's quantile levels."""
        return tuple(float(name[1:]) for name in self.forecast.columns if name.startswith("q"))

    def wanted(self) -> pl.DataFrame:
        """``unique_id, ds, low, middle, high, y``: the forecast's interval nearest to `LEVEL` and its level
        nearest to one half, with the outcome, null where there is none."""
        low, middle, high = (f"q{p:g}" for p in spread(self.levels))
        return self.forecast.join(
            self.outcome.select("unique_id", "ds", "y"), on=["unique_id", "ds"], how="left"
        ).select("unique_id", "ds", low=low, middle=middle, high=high, y=pl.col("y").cast(pl.Float64))


def spread(levels: Sequence[float]) -> tuple[float, float, float]:
    """Lower bound, middle and upper bound: levels nearest to 0.1, 0.5 and 0.9."""
    low, middle, high = (
        min(levels, key=lambda p, at=at: abs(p - at))  # type: ignore[misc]
        for at in ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2)
    )
    return low, middle, high


def latest(acts: Sequence[Acted]) -> Acted:
    """The latest decision with an outcome, or the latest one. ``acts`` are in the order of time."""
    return next((act for act in reversed(acts) if not act.outcome.is_empty()), acts[-1])


@dataclass(frozen=True, slots=True)
class Chart:
    """A map. ``places`` has ``name, x, y, kind, group, amount``; kind is ``site`` (a facility, where a tour
    starts) or ``place``; ``amount`` in ``unit``. ``lines`` are a group and the names it connects, in order,
    the site first. ``geographic``: x is the longitude, y the latitude, in degrees; otherwise both are km."""

    cutoff: datetime
    places: pl.DataFrame
    lines: tuple[tuple[str, tuple[str, ...]], ...]
    unit: str
    geographic: bool


@dataclass(frozen=True, slots=True)
class Provision:
    """What is provided against what is asked. ``frame`` has ``name, ds, provided, low, middle, high, asked``
    and may have ``moved_in, moved_out``, what was taken over from and handed to others; ``asked`` and these
    are null until known."""

    cutoff: datetime
    frame: pl.DataFrame
    unit: str


@dataclass(frozen=True, slots=True)
class Exceedances:
    """Limits and what came, step by step over all decisions. ``frame`` has ``name, level, ds, y, limit``:
    ``y`` falls below ``limit`` with probability ``level``."""

    frame: pl.DataFrame
    unit: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """Stock at the end of each step under the demand that came, or was expected. ``frame`` has ``name, ds,
    stock, ordered, reorder, upto, low, middle, high, asked``; ``known`` says which of the two it was."""

    cutoff: datetime
    frame: pl.DataFrame
    unit: str
    known: bool


@dataclass(frozen=True, slots=True)
class Phases:
    """A plan of a signal. ``frame`` has ``start, end, phase, seconds`` in the order of the cycle."""

    cutoff: datetime
    frame: pl.DataFrame
    timezone: str


@dataclass(frozen=True, slots=True)
class Alerts:
    """Alerts and events: ``frame`` has ``option, hits, misses, false_alarms, quiet``, the chosen option
    first; ``days`` has ``name, ds, chance, event`` with ``event`` null until known. The chosen option alerts
    above the probability ``threshold``."""

    frame: pl.DataFrame
    days: pl.DataFrame
    threshold: float


Picture: TypeAlias = Chart | Provision | Exceedances | Ledger | Phases | Alerts


@runtime_checkable
class Pictured(Protocol):
    """A policy that shows its decisions."""

    def pictures(self, acts: Sequence[Acted]) -> tuple[Picture, ...]:
        """Pictures of ``acts``, at least one, in the order of time; pure, from sealed values alone."""
        ...
