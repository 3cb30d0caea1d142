"""The table ``[targets.X]`` of foreseal.toml: a question declared in advance, and when it is asked."""

from __future__ import annotations

import itertools
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from foreseal.clock import YEARS, Frequency, format_instant
from foreseal.errors import SettingsError
from foreseal.exact import MAX_DECIMALS, MAX_LEVEL_DECIMALS, MAX_WHOLE
from foreseal.options import build, span

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
"""A name that can be that of a file."""
MAX_CUTOFFS = 100_000
MAX_HORIZON = 100_000
RULES = ("wis", "brier", "log")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _freq(value: Any) -> Frequency:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a frequency; write it as text: '1h'")
    return Frequency.parse(value)


def _day(value: Any) -> date:
    if isinstance(value, datetime) or not isinstance(value, date):
        raise ValueError(f"{value} is not a date; write 2018-08-01, without quotes and time of day")
    if not YEARS[0] <= value.year < YEARS[1]:
        raise ValueError(f"{value} does not lie between the years {YEARS[0]} and {YEARS[1]}")
    return value


def _weekdays(value: Any) -> tuple[str, ...]:
    names = tuple(value) if isinstance(value, list | tuple) else ()
    if not names or len({*names}) < len(names) or not {*names} <= {*WEEKDAYS}:
        raise ValueError(f"{value!r} is no list of {', '.join(WEEKDAYS)}, each at most once")
    return names


def _clock_time(value: Any) -> time:
    return time.fromisoformat(value) if isinstance(value, str) else typing.cast(time, value)


def _rule(value: Any) -> str:
    if value not in RULES:
        raise ValueError(f"{value!r} is not a scoring rule; known: {', '.join(RULES)}")
    return str(value)


def _levels(value: Any) -> tuple[float, ...]:
    levels = tuple(float(v) for v in value)
    if not levels or any(not 0 < v < 1 for v in levels) or any(a >= b for a, b in itertools.pairwise(levels)):
        raise ValueError("quantiles must lie in (0, 1) and ascend")
    if any(float(f"{v:g}") != v for v in levels):
        raise ValueError("quantiles have more than six significant digits")
    if any(round(v, MAX_LEVEL_DECIMALS) != v for v in levels):
        raise ValueError(f"quantiles have more than {MAX_LEVEL_DECIMALS} decimals")
    return levels


def _groups(value: Any) -> dict[str, tuple[float, ...]]:
    if not isinstance(value, Mapping):
        raise ValueError("write groups = { age = [25, 60], housing = [] }")
    cuts = {str(name): tuple(float(each) for each in given) for name, given in value.items()}
    if any(a >= b for each in cuts.values() for a, b in itertools.pairwise(each)):
        raise ValueError("the cuts of groups ascend")
    return cuts


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """``cutoffs = { start, end, every, at, weekdays, holidays }``, in the project's time zone.

    Local dates and time of day. ``weekdays`` are the days on which there are any (every day if empty), and
    ``holidays`` are dates on which there are none.
    """

    start: date = field(metadata={"convert": _day})
    end: date = field(metadata={"convert": _day})
    every: timedelta = field(default=timedelta(days=1), metadata={"convert": span})
    at: time = field(default=time(0), metadata={"convert": _clock_time})
    weekdays: tuple[str, ...] = field(default=(), metadata={"convert": _weekdays})
    holidays: tuple[date, ...] = field(default=(), metadata={"convert": lambda v: tuple(map(_day, v))})

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"end {self.end} lies before start {self.start}")
        if self.every <= timedelta(0):
            raise ValueError("every must be longer than nothing")
        if (self.end - self.start) / self.every > MAX_CUTOFFS:
            raise ValueError(f"more than {MAX_CUTOFFS} cutoffs")

    def instants(self, timezone: str) -> tuple[datetime, ...]:
        """All cutoffs in UTC. Steps of whole days keep the local time of day across clock changes."""
        zone = ZoneInfo(timezone)
        first = datetime.combine(self.start, self.at, zone)
        last = datetime.combine(self.end, time.max, zone)
        daily = self.every % timedelta(days=1) == timedelta(0)
        found: list[datetime] = []
        for k in range(MAX_CUTOFFS + 1):
            local = first + k * self.every if daily else first.astimezone(UTC) + k * self.every
            if local.astimezone(UTC) > last.astimezone(UTC):
                break
            if self._asks(local.astimezone(zone).date()):
                found.append(local.astimezone(UTC))
        return tuple(found)

    def _asks(self, day: date) -> bool:
        """Whether a day may have cutoffs."""
        if self.weekdays and WEEKDAYS[day.weekday()] not in self.weekdays:
            return False
        return day not in self.holidays

    def refuse_none(self, timezone: str, where: str) -> None:
        """Raise `SettingsError` if weekdays and holidays leave no cutoff."""
        if (self.weekdays or self.holidays) and not self.instants(timezone):
            raise SettingsError(
                f"{where} has no cutoff: none of those from {self.start} to {self.end} falls on a day that "
                "weekdays and holidays allow.",
                hint='With weekdays, let the schedule look at every day: every = "1d".',
            )


@dataclass(frozen=True, slots=True)
class OutcomeTable:
    """``outcome = { vintage, deadline }``: which vintage a target settles on, and when."""

    deadline: timedelta = field(metadata={"convert": span})
    vintage: Literal["latest_at_deadline"] = "latest_at_deadline"


@dataclass(frozen=True, slots=True)
class TargetTable:
    """``[targets.X]``: a question declared in advance."""

    dataset: str
    cutoffs: Cutoffs = field(metadata={"convert": lambda v: build(Cutoffs, v, "cutoffs")})
    deadline: timedelta = field(metadata={"convert": span})
    rule: str = field(metadata={"convert": _rule})
    baseline: str
    score_bound: float
    outcome: OutcomeTable = field(metadata={"convert": lambda v: build(OutcomeTable, v, "outcome")})
    forecasters: tuple[str, ...] = ("us",)
    horizon: int = 1
    freq: Frequency | None = field(default=None, metadata={"convert": _freq})
    quantiles: tuple[float, ...] = field(default=(), metadata={"convert": _levels})
    decimals: int = 2
    missing: Literal["baseline", "bound"] = "baseline"
    models: tuple[str, ...] = ()
    also: tuple[str, ...] = field(default=(), metadata={"convert": lambda v: tuple(map(_rule, v))})
    covariates: tuple[str, ...] = ()
    commit: bool = False
    groups: Mapping[str, tuple[float, ...]] = field(default_factory=dict, metadata={"convert": _groups})

    def __post_init__(self) -> None:
        if self.rule == "wis" and not (self.quantiles and self.freq):
            raise ValueError("rule 'wis' needs quantiles and freq")
        step = self.freq.step if self.freq else None
        if self.rule != "wis" and self.freq and step is None:
            raise ValueError(
                f"steps of a survival curve have a fixed length; write freq = '182d', not '{self.freq}'"
            )
        if self.rule != "wis" and step and step * self.horizon > self.outcome.deadline:
            raise ValueError(
                "a survival target settles before its last step ends: outcome.deadline is too short"
            )
        if not 1 <= self.horizon <= MAX_HORIZON:
            raise ValueError(f"horizon must lie between 1 and {MAX_HORIZON}")
        if not 0 <= self.decimals <= MAX_DECIMALS:
            raise ValueError(f"decimals must lie between 0 and {MAX_DECIMALS}")
        if len(self.forecasters) != 1 or "baseline" in self.forecasters:
            raise ValueError("forecasters names one forecaster, and not 'baseline'")
        if not PLAIN.fullmatch(self.forecasters[0]):
            raise ValueError("a forecaster's name has letters, digits, _ and - only")
        if not 0 < self.score_bound < 10.0**MAX_WHOLE:
            raise ValueError(
                f"score_bound must be above 0, with at most {MAX_WHOLE} digits before the point: "
                "it is what a missing forecast scores at worst"
            )
        if self.commit and self.missing != "bound":
            raise ValueError(
                'commit = true needs missing = "bound": who may stay silent about a bad forecast at the '
                "baseline's price chooses between the two when the outcome is known"
            )
        if self.rule in self.also or "wis" in self.also or (self.also and self.rule == "wis"):
            raise ValueError(
                "also lists other rules of the same kind: 'brier' beside 'log', or 'log' beside 'brier'"
            )


def refuse_hindsight(target: TargetTable, timezone: str, where: str, *, cases: bool) -> None:
    """Live forecasts are due before outcomes are: series within the horizon, cases before they settle."""
    for cutoff in target.cutoffs.instants(timezone):
        end = cutoff + target.outcome.deadline
        if not cases and target.freq:
            end = target.freq.shift(cutoff, target.horizon)
        if cutoff + target.deadline > end:
            raise SettingsError(
                f"{where} has a deadline after the end of its horizon: a forecast at the cutoff "
                f"{cutoff:%Y-%m-%d} could be sealed until {format_instant(cutoff + target.deadline)}, when "
                "its outcome is known.",
                hint=f"The deadline may lie at {format_instant(end)} at the latest.",
            )
