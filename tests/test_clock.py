"""Instants have one spelling; frequencies step as calendars do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreseal.clock import (
    Frequency,
    LiveClock,
    ReplayClock,
    format_instant,
    format_span,
    from_us,
    parse_duration,
    parse_instant,
    to_us,
)
from foreseal.errors import UsageError

instants = st.datetimes(
    min_value=datetime(1, 1, 2),  # noqa: DTZ001
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(instants)
def test_an_instant_survives_its_text_and_its_microseconds(instant: datetime) -> None:
    assert parse_instant(format_instant(instant)) == instant
    assert from_us(to_us(instant)) == instant


@given(instants)
def test_the_text_of_an_instant_agrees_with_the_standard_library(instant: datetime) -> None:
    assert datetime.fromisoformat(format_instant(instant)) == instant


@pytest.mark.parametrize(
    "text",
    [
        "2018-08-01T05:00:00",
        "2018-08-01T05:00:00+00:00",
        "2018-08-01 05:00:00Z",
        "2018-08-01T05:00:00.000000Z",
        "2018-08-01T05:00:00.5Z",
        "2018-02-30T05:00:00Z",
        "2018-08-01T24:00:00Z",
        "２０18-08-01T05:00:00Z",
        "2018-08-01T05:00:00Z\n",
    ],
)
def test_any_other_spelling_of_an_instant_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not an instant"):
        parse_instant(text)


def test_an_instant_in_another_zone_prints_in_utc() -> None:
    chicago = timezone(timedelta(hours=-5))
    assert format_instant(datetime(2018, 8, 1, tzinfo=chicago)) == "2018-08-01T05:00:00Z"


def test_a_naive_datetime_is_no_instant() -> None:
    with pytest.raises(UsageError, match="no time zone"):
        to_us(datetime(2018, 8, 1))  # noqa: DTZ001


def test_durations_are_a_number_and_a_unit() -> None:
    assert parse_duration("90min") == timedelta(minutes=90)
    assert parse_duration("2w") == timedelta(days=14)
    with pytest.raises(UsageError, match="not a duration"):
        parse_duration("1 month")


@given(instants.filter(lambda d: 100 < d.year < 9000), st.integers(-5000, 5000))
def test_a_fixed_step_is_exact_and_reversible(instant: datetime, steps: int) -> None:
    hourly = Frequency.parse("1h")
    assert hourly.shift(instant, steps) - instant == timedelta(hours=steps)
    assert hourly.shift(hourly.shift(instant, steps), -steps) == instant


def test_month_ends_stay_month_ends_across_short_months() -> None:
    monthly = Frequency.parse("mo")
    january = datetime(2024, 1, 31, tzinfo=UTC)
    assert [monthly.shift(january, k).day for k in range(5)] == [31, 29, 31, 30, 31]
    assert monthly.shift(datetime(2024, 1, 15, tzinfo=UTC), 13) == datetime(2025, 2, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("freq", "seasons"),
    [
        ("1h", (24, 168)),
        ("30min", (48, 336)),
        ("1d", (7,)),
        ("1w", (52,)),
        ("1mo", (12,)),
        ("1q", (4,)),
        ("1y", ()),
    ],
)
def test_usual_seasons_of_a_frequency(freq: str, seasons: tuple[int, ...]) -> None:
    assert Frequency.parse(freq).seasons == seasons


@pytest.mark.parametrize("text", ["", "h1", "0h", "1fortnight", "-1h", "1.5h"])
def test_an_impossible_frequency_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a frequency"):
        Frequency.parse(text)


def test_the_replay_clock_never_goes_back() -> None:
    start = datetime(2018, 8, 1, tzinfo=UTC)
    clock = ReplayClock(start)
    clock.advance(start + timedelta(days=1))
    with pytest.raises(UsageError, match="cannot go back"):
        clock.advance(start)
    assert clock.now() == start + timedelta(days=1)


def test_the_live_clock_tells_utc() -> None:
    before = datetime.now(UTC)
    assert before <= LiveClock().now() <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(days=1), "1d"),
        (timedelta(weeks=1), "7d"),
        (timedelta(hours=23, minutes=50, seconds=50), "23h50m50s"),
        (timedelta(days=2, seconds=1.5), "2d1.5s"),
        (timedelta(minutes=-15), "-15m"),
        (timedelta(seconds=20), "20s"),
        (timedelta(0), "0s"),
    ],
)
def test_a_span_is_told_in_days_hours_minutes_and_seconds(span, text):
    assert format_span(span) == text
