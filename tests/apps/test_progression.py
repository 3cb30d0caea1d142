"""Progression: what happened to a patient is known at the next visit, and not before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from foreseal.apps.progression import VISIT, follow_up

SEEN = datetime(1984, 7, 1, tzinfo=UTC)
DAYS = timedelta(days=1)


def told(time: float, event: int) -> list[tuple[int, float, int]]:
    """Day known, days watched, event: what is known of one patient, visit after visit."""
    cases = pl.DataFrame(
        {"case_id": ["p"], "known_at": [SEEN], "row": [1], "source": ["x"], "time": [time], "event": [event]}
    )
    rows = follow_up(cases).select("known_at", "time", "event").iter_rows()
    return [((known - SEEN) // DAYS, watched, happened) for known, watched, happened in rows]


def test_an_event_between_two_visits_is_known_at_the_later() -> None:
    assert told(200.0, 1) == [(182, VISIT, 0), (364, 200.0, 1)]
    assert told(2 * VISIT, 1) == [(182, VISIT, 0), (364, 364.0, 1)]


def test_an_event_or_a_loss_soon_after_the_first_day_is_known_at_the_first_visit() -> None:
    assert told(3.0, 1) == [(182, 3.0, 1)]
    assert told(0.0, 0) == [(182, 0.0, 0)]


def test_nothing_is_known_of_a_patient_before_it_has_happened() -> None:
    for time in (1.0, 181.0, 183.0, 700.0, 1200.5):
        for event in (0, 1):
            rows = told(time, event)
            assert all(known >= watched for known, watched, _ in rows)
            assert rows[-1][1:] == (time, event)
            assert [happened for _, _, happened in rows[:-1]] == [0] * (len(rows) - 1)
