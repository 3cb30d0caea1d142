"""Numbers, times and units as a reader sees them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

ABSENT = "–"
NO_BREAK = "\u00a0"


def number(value: float | None, decimals: int = 1) -> str:
    """``1,234.5``; a dash for None, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return ABSENT
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if float(f"{value:.{decimals}f}") == 0 else text.replace("-", "−")


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
