"""Suspicious values are flagged and kept."""

from __future__ import annotations

from datetime import timedelta

import pytest

from foreseal.store import QualityRules, Schema


@pytest.fixture
def flags(store, clock, hours):
    """Append batches to a dataset with these rules, and give the flags by series and hour."""

    def run(rules, *batches):
        store.declare(Schema("q", quality=rules))
        for batch in batches:
            clock.move(hours=1)
            rows = hours(*batch).sample(fraction=1, shuffle=True, seed=1)
            assert store.append("q", rows).added == len(batch)
        known = store.vintages("q").sort("unique_id", "ds", "n")
        return known["flags"].to_list()

    return run


def test_a_value_outside_the_range_is_flagged_and_the_bounds_are_not(flags):
    rows = [("a", hour, y) for hour, y in enumerate([-0.1, 0.0, 5.0, 10.0, 10.1])]
    assert flags(QualityRules(range=(0, 10)), rows) == ["range", "", "", "", "range"]


def test_a_change_faster_than_the_rate_is_flagged_also_across_batches(flags):
    rules = QualityRules(rate=2.0)
    found = flags(rules, [("a", 0, 0.0), ("b", 0, 50.0)], [("a", 1, 2.0), ("a", 2, 4.1)], [("a", 4, 0.0)])
    assert found == ["", "", "rate", "rate", ""]


def test_the_value_that_completes_a_flat_line_is_flagged_and_those_after_it(flags):
    rules = QualityRules(flat=3)
    found = flags(
        rules, [("a", 0, 1.0), ("a", 1, 1.0)], [("a", 2, 1.0), ("a", 3, 1.0)], [("a", 4, 2.0), ("b", 5, 2.0)]
    )
    assert found == ["", "", "flat", "flat", "", ""]


def test_a_value_after_a_gap_is_flagged(flags):
    rules = QualityRules(gap=timedelta(hours=2))
    assert flags(rules, [("a", 0, 1.0)], [("a", 2, 1.0)], [("a", 5, 1.0), ("a", 6, 1.0)]) == [
        "",
        "",
        "gap",
        "",
    ]


def test_a_value_that_replaces_another_is_flagged_where_that_should_not_happen(flags):
    rules = QualityRules(duplicate=True, range=(0, 1))
    assert flags(rules, [("a", 0, 1.0), ("a", 1, 1.0)], [("a", 0, 3.0)]) == ["", "range duplicate", ""]


def test_a_late_row_keeps_both_reasons(store, clock, hours):
    store.declare(Schema("q", quality=QualityRules(range=(0, 1))))
    store.append("q", hours(("a", 0, 0.5, 1)))
    store.mark_sealed("q", hours(("a", 5, 1.0))["ds"].item(), 1, clock.instant)
    store.append("q", hours(("a", 1, 7.0, 2)))
    assert store.vintages("q")["flags"].to_list() == ["", "late range"]
