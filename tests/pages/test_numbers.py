from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from foreseal.pages.numbers import apart, local_time, number, option_text, percent


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (1234.56, 1, "1,234.6"),
        (-3.0, 0, "−3"),
        (-0.04, 1, "0.0"),
        (None, 1, "–"),
        (math.nan, 1, "–"),
        (math.inf, 1, "–"),
    ],
)
def test_numbers_read_well(value: float | None, decimals: int, text: str) -> None:
    assert number(value, decimals) == text


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ((0.335, 0.374), ("0.335", "0.374")),
        ((0.2841, 0.2843), ("0.2841", "0.2843")),
        ((496.24, 701.2), ("496.2", "701.2")),
        ((1234.51, 1234.52), ("1,234.51", "1,234.52")),
        ((0.5, 0.5), ("0.500", "0.500")),
        ((0.0, 12.0), ("0.0", "12.0")),
        ((math.nan, 0.25), ("–", "0.250")),
        ((0.0312,), ("0.0312",)),
        ((1e-30, 2e-30), ("0.000000000", "0.000000000")),
    ],
)
def test_numbers_that_are_compared_have_the_decimals_that_tell_them_apart(
    values: tuple[float, ...], texts: tuple[str, ...]
) -> None:
    assert apart(*values) == texts


def test_shares_are_percentages() -> None:
    assert percent(0.2351) == "23.5\u00a0%"
    assert percent(math.nan) == percent(None) == "–"


def test_instants_are_local_and_naive_times_are_left_alone() -> None:
    assert local_time(datetime(2018, 8, 1, 5, tzinfo=UTC), "America/Chicago") == "2018-08-01 00:00"
    assert local_time(datetime(2018, 8, 1, 5, 0, 7), "America/Chicago") == "2018-08-01 05:00:07"  # noqa: DTZ001
    assert local_time(None, "UTC") == "–"


def test_options_read_as_they_would_be_said() -> None:
    assert option_text({"north": 0.30, "south": 1}) == "north 0.3, south 1"
    assert option_text([["north", "south"], "x"]) == "north, south, x"
