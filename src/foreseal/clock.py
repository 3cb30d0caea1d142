"""UTC instants, durations, frequencies and the clock that says what *now* is.

Inside Foreseal an instant is a timezone-aware ``datetime`` in UTC with microsecond resolution. On the wire
it is RFC 3339 with a ``Z``: ``2018-08-01T05:00:00Z``, with exactly six decimals when it has a fraction.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from foreseal.errors import UsageError

YEARS = (1000, 9000)  # what times lie between, so that no calculation with them leaves the calendar
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# What matches and names a day and a time is what `format_instant` prints: a fraction of zero is left out.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT(?!24)\d\d:\d\d:\d\d(?:\.(?!000000)\d{6})?Z", re.ASCII)
_DURATION = re.compile(r"(\d{1,6})(us|ms|s|min|h|d|w)", re.ASCII)
_FREQUENCY = re.compile(r"(\d{1,6})?(us|ms|s|min|h|d|w|mo|q|y)", re.ASCII)
_UNIT = {
    "us": timedelta(microseconds=1),
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_MONTHS = {"mo": 1, "q": 3, "y": 12}


def to_us(instant: datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z of an aware datetime."""
    if instant.tzinfo is None:
        raise UsageError(f"{instant.isoformat()} has no time zone; an instant needs one.")
    return (instant - EPOCH) // MICROSECOND


def from_us(us: int) -> datetime:
    """The UTC datetime of a number of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=us)


def format_instant(instant: datetime) -> str:
    """RFC 3339 with ``Z``; six decimals if there is a fraction of a second, none otherwise."""
    return f"{instant.astimezone(UTC).isoformat()[:-6]}Z"


def parse_instant(text: str) -> datetime:
    """Strict inverse of :func:`format_instant`: anything that would not print back the same is refused."""
    try:
        if _INSTANT.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass  # there is no such day or time
    raise UsageError(
        f"{text!r} is not an instant of the form 2018-08-01T05:00:00Z.",
        hint="Write UTC with a Z, and six decimals or none.",
    )


def parse_duration(text: str) -> timedelta:
    """A fixed span such as ``1h``, ``30min``, ``2d`` (units us, ms, s, min, h, d, w; a day is 24 hours)."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise UsageError(
            f"{text!r} is not a duration.", hint="Write a number and a unit (s, min, h, d, w): '1h', '2d'."
        )
    return int(match[1]) * _UNIT[match[2]]


def format_span(span: timedelta) -> str:
    """A span for a person: ``7d``, ``23h50m50s``, ``1.5s``; zero is ``0s``."""
    us = abs(span) // MICROSECOND
    text = "-" if span < timedelta(0) else ""
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000)):
        whole, us = divmod(us, size)
        text += f"{whole}{unit}" if whole else ""
    return f"{text}{us / 1e6:.6f}".rstrip("0").rstrip(".") + "s" if us or text in ("", "-") else text


@dataclass(frozen=True, slots=True)
class Frequency:
    """The regular step of a series: ``count`` times a unit (us, ms, s, min, h, d, w, mo, q, y).

    Fixed units step by exact spans; ``mo``, ``q`` and ``y`` step by calendar months, and a series that
    starts on the last day of a month stays on the last day of the month.
    """

    count: int
    unit: str

    def __post_init__(self) -> None:
        if self.count < 1 or (self.unit not in _UNIT and self.unit not in _MONTHS):
            raise UsageError(f"{self.count}{self.unit} is not a frequency.")

    @classmethod
    def parse(cls, text: str) -> Frequency:
        """Parse ``1h``, ``15min``, ``1d``, ``1w``, ``1mo``, ``1q``, ``1y``; the number may be left out."""
        match = _FREQUENCY.fullmatch(text)
        if not match or match[1] == "0":
            raise UsageError(
                f"{text!r} is not a frequency.",
                hint="Write a number and a unit (s, min, h, d, w, mo, q, y): '1h', '15min', '1mo'.",
            )
        return cls(int(match[1] or 1), match[2])

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"

    @property
    def step(self) -> timedelta | None:
        """The span of one step, or ``None`` where it depends on the calendar."""
        unit = _UNIT.get(self.unit)
        return None if unit is None else self.count * unit

    @property
    def months(self) -> int:
        """Calendar months of one step, or 0 for a fixed span."""
        return self.count * _MONTHS.get(self.unit, 0)

    def shift(self, instant: datetime, steps: int) -> datetime:
        """``instant`` moved by a number of steps, forwards or backwards."""
        if self.step is not None:
            return instant + steps * self.step
        month = instant.year * 12 + instant.month - 1 + steps * self.months
        year, month = divmod(month, 12)
        last = calendar.monthrange(year, month + 1)[1]
        was_last = instant.day == calendar.monthrange(instant.year, instant.month)[1]
        return instant.replace(year=year, month=month + 1, day=last if was_last else min(instant.day, last))

    @property
    def seasons(self) -> tuple[int, ...]:
        """The season lengths, in steps, that data at this frequency usually has, shortest first."""
        if self.step is not None:
            spans = (timedelta(days=1), timedelta(weeks=1))
            lengths = [span // self.step for span in spans if span % self.step == timedelta(0)]
            if self.step == timedelta(weeks=1):
                lengths = [52]
            return tuple(n for n in lengths if n > 1)
        return tuple(n for n in (12 // self.months,) if n > 1)


class Clock(Protocol):
    """Says what *now* is."""

    @property
    def mode(self) -> str:
        """``live`` or ``replay``."""
        ...

    def now(self) -> datetime:
        """The present instant, in UTC."""
        ...


class LiveClock:
    """The machine's clock."""

    mode = "live"

    def now(self) -> datetime:
        return datetime.now(UTC)


class ReplayClock:
    """A clock that stands where it was last set; it only moves forward."""

    mode = "replay"

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, to: datetime) -> None:
        """Move to ``to``; moving back is an error, because what was known cannot be unlearnt."""
        if to < self._now:
            raise UsageError(
                f"The replay clock stands at {format_instant(self._now)}; it cannot go back to "
                f"{format_instant(to)}."
            )
        self._now = to
