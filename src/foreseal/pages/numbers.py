"""Numbers, times and units as a reader sees them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

ABSENT = "–"
NO_BREAK = "\u00a0"
SIGNIFICANT, MOST_DECIMALS = 3, 9


def number(value: float | None, decimals: int = 1) -> str:
    """``1,234.5``; a dash for None, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return ABSENT
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if float(f"{value:.{decimals}f}") == 0 else text.replace("-", "−")


def apart(*values: float | None, decimals: int = 1) -> tuple[str, ...]:
    """Numbers that are read beside each other: at least ``decimals``, and as many more (nine at most) as give
    the smallest of them three significant digits and tell those that differ apart."""
    known = {value for value in values if value is not None and math.isfinite(value)}
    sizes = [abs(value) for value in known if value]
    if sizes:
        decimals = max(decimals, min(SIGNIFICANT - 1 - math.floor(math.log10(min(sizes))), MOST_DECIMALS))
    while decimals < MOST_DECIMALS and len({number(value, decimals) for value in known}) < len(known):
        decimals += 1
    return tuple(number(value, decimals) for value in values)


def percent(share: float | None, decimals: int = 1) -> str:
    """``23.5 %`` of the share 0.235."""
    return (
        ABSENT if share is None or not math.isfinite(share) else f"{number(100 * share, decimals)}{NO_BREAK}%"
    )


def local_time(instant: datetime | None, timezone: str) -> str:
    """``2018-08-01 05:00``, with seconds only if there are any. Naive times are taken as they are."""
    if instant is None:
        return ABSENT
    local = instant.astimezone(ZoneInfo(timezone)) if instant.tzinfo else instant
    return local.strftime("%Y-%m-%d %H:%M:%S" if local.second else "%Y-%m-%d %H:%M")


def option_text(value: Any) -> str:
    """An option as it would be said: tables and lists without their brackets."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {option_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(option_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
