"""Numbers, times and units as a reader sees them."""

from __future__ import annotations

import math
from datetime import datetime
from zoneinfo import ZoneInfo

ABSENT = "–"


def number(value: float | None, decimals: int = 1) -> str:
    """``1,234.5``; a dash for None, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return ABSENT
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if float(f"{value:.{decimals}f}") == 0 else text.replace("-", "−")


def percent(share: float | None, decimals: int = 1) -> str:
    """``23.5 %`` of the share 0.235."""
    return ABSENT if share is None or not math.isfinite(share) else f"{number(100 * share, decimals)} %"


def local_time(instant: datetime | None, timezone: str) -> str:
    """``2018-08-01 05:00``, with seconds only if there are any. Naive times are taken as they are."""
    if instant is None:
        return ABSENT
    local = instant.astimezone(ZoneInfo(timezone)) if instant.tzinfo else instant
    return local.strftime("%Y-%m-%d %H:%M:%S" if local.second else "%Y-%m-%d %H:%M")
