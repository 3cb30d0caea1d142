"""Public holidays that follow from the date alone, so that every forecast may know them in advance.

``US`` are the federal holidays of 5 U.S.C. 6103 from 2021 on, each on its date and, if that is a weekend,
also on the weekday on which it is observed (Friday or Monday). Juneteenth counts from 2021.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np

from foreseal.errors import ModelError
from foreseal.predict.grid import FloatArray, TimeArray

MONDAY, THURSDAY = 0, 3


def indicators(country: str, times: TimeArray) -> dict[str, FloatArray]:
    """Whether the local day of each time is a holiday, the day before one, or the day after one.

    Raises `ModelError` for a country whose rules are not here.
    """
    if country not in COUNTRIES:
        raise ModelError(
            f"The holidays of {country!r} are not known.",
            hint=f"Known are {', '.join(COUNTRIES)}; others can be given as a covariate.",
        )
    days = times.astype("datetime64[D]")
    years = range(days.min().astype(date).year - 1, days.max().astype(date).year + 2)
    off = np.array(sorted({day for year in years for day in COUNTRIES[country](year)}), "datetime64[D]")
    return {
        "holiday": np.isin(days, off).astype(np.float64),
        "holiday_eve": np.isin(days + 1, off).astype(np.float64),
        "holiday_after": np.isin(days - 1, off).astype(np.float64),
    }


def united_states(year: int) -> set[date]:
    """Federal holidays of a year with their observed days, which may fall on the eve of the year."""
    fixed = [date(year, 1, 1), date(year, 7, 4), date(year, 11, 11), date(year, 12, 25)]
    if year >= 2021:
        fixed.append(date(year, 6, 19))
    moving = {
        _nth(year, 1, MONDAY, 3),
        _nth(year, 2, MONDAY, 3),
        _nth(year, 6, MONDAY, 1) - timedelta(weeks=1),
        _nth(year, 9, MONDAY, 1),
        _nth(year, 10, MONDAY, 2),
        _nth(year, 11, THURSDAY, 4),
    }
    return {*fixed, *moving, *(_observed(day) for day in fixed)}


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    """The n-th of a weekday in a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7, weeks=n - 1)


def _observed(day: date) -> date:
    return day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0))


COUNTRIES: dict[str, Callable[[int], set[date]]] = {"US": united_states}
