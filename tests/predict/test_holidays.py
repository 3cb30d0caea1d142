"""The holidays of the United States agree with those of pandas, an independent list of rules."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from foreseal.errors import ModelError
from foreseal.predict.holidays import indicators, united_states
from tests.conftest import require


def test_federal_holidays_are_those_of_pandas():
    require("pandas")
    from pandas.tseries.holiday import USFederalHolidayCalendar

    observed = {d.date() for d in USFederalHolidayCalendar().holidays("2010-01-01", "2035-12-31")}
    ours = {day for year in range(2009, 2037) for day in united_states(year) if 2010 <= day.year <= 2035}
    assert observed <= ours
    # What pandas leaves out is the day itself where a weekday is observed instead.
    assert all(day.weekday() >= 5 for day in ours - observed)


def test_a_holiday_has_an_eve_and_a_day_after():
    days = np.arange("2018-09-01", "2018-09-06", dtype="datetime64[D]")[None].astype("datetime64[us]")
    found = indicators("US", days)
    assert found["holiday"].tolist() == [[0, 0, 1, 0, 0]]
    assert found["holiday_eve"].tolist() == [[0, 1, 0, 0, 0]]
    assert found["holiday_after"].tolist() == [[0, 0, 0, 1, 0]]


def test_new_year_observed_in_the_old_year_is_found():
    assert date(2021, 12, 31) in united_states(2022)
    day = np.array([["2021-12-31"]], "datetime64[us]")
    assert indicators("US", day)["holiday"].tolist() == [[1.0]]


def test_an_unknown_country_is_refused():
    with pytest.raises(ModelError, match="'Atlantis'"):
        indicators("Atlantis", np.array([["2021-12-31"]], "datetime64[us]"))
