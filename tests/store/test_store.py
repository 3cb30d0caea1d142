"""The store as its callers see it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from foreseal.clock import MICROSECOND
from foreseal.errors import DataError, SettingsError, SetupError
from foreseal.records import Rejected
from foreseal.settings import KnownAt
from foreseal.store import Schema, Store

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
AFTER_AN_HOUR = KnownAt("delay", delay=HOUR)
LOAD = KnownAt("load")


def values(frame):
    return frame["y"].to_list()


def test_a_value_is_seen_from_the_instant_it_became_known(store, hours):
    store.append("v", hours(("a", 0, 1.0)), known_at=AFTER_AN_HOUR)
    assert values(store.as_of("v", START + HOUR - MICROSECOND)) == []
    assert values(store.as_of("v", START + HOUR)) == [1.0]


@pytest.mark.parametrize("rule", [AFTER_AN_HOUR, LOAD, None], ids=["delay", "load", "column"])
def test_loading_the_same_rows_twice_adds_nothing(store, clock, hours, rule):
    rows = hours(("a", 0, 1.0, 1), ("a", 1, 2.0, 2), ("a", 1, 3.0, 5), ("b", 0, 1.0, 1))
    if rule is not None:
        rows = rows.drop("known_at").unique(["unique_id", "ds"], keep="last")
    first = store.append("v", rows, known_at=rule)
    clock.move(days=1)
    again = store.append("v", rows, known_at=rule)
    assert (first.added, first.n) == (rows.height, 1)
    assert (again.added, again.repeated, again.n) == (0, rows.height, 1)


def test_a_corrected_value_becomes_known_when_it_is_loaded(store, clock, hours):
    store.append("v", hours(("a", 0, 1.0)), known_at=AFTER_AN_HOUR)
    before = clock.instant
    clock.move(days=1)
    correction = store.append("v", hours(("a", 0, 2.0)), known_at=AFTER_AN_HOUR)
    assert correction.recorded_at == clock.instant
    assert values(store.as_of("v", before)) == [1.0]
    assert values(store.as_of("v", clock.instant)) == [2.0]


def test_a_correction_leaves_the_digest_of_what_was_known_unchanged(store, clock, hours):
    store.append("v", hours(("a", 0, 1.0), ("a", 9, 1.0)), known_at=AFTER_AN_HOUR)
    cutoff = START + 5 * HOUR
    sealed = store.snapshot("v", cutoff)
    store.mark_sealed("v", cutoff, sealed.n, clock.instant)
    clock.move(days=1)
    store.append("v", hours(("a", 0, 2.0), ("a", 9, 2.0)), known_at=AFTER_AN_HOUR)
    assert store.snapshot("v", cutoff, sealed.n) == sealed
    assert values(store.as_of("v", cutoff)) == [1.0]


def test_a_claim_at_or_before_a_sealed_cutoff_is_late_and_changes_nothing_sealed(store, clock, hours):
    store.append("v", hours(("a", 0, 1.0, 1)))
    cutoff = START + 5 * HOUR
    sealed = store.snapshot("v", cutoff)
    store.mark_sealed("v", cutoff, 1, clock.instant)
    clock.move(days=1)
    late = hours(("a", 0, 9.0, 2), ("a", 1, 9.0, 5), ("a", 2, 9.0, 6))
    result = store.append("v", late)
    assert (result.added, result.late) == (3, 2)
    assert values(store.as_of("v", cutoff)) == [1.0]
    assert store.snapshot("v", cutoff, 1) == sealed
    now = store.as_of("v", clock.instant)
    assert now["flags"].to_list() == ["late", "late", ""]
    assert now["claimed_at"].to_list() == [START + 2 * HOUR, START + 5 * HOUR, None]
    assert now["known_at"].to_list() == [clock.instant, clock.instant, START + 6 * HOUR]
    clock.move(days=1)
    assert store.append("v", late).added == 0


@pytest.fixture
def late(store, clock, hours):
    """10 of hour 2 and 12 of hour 9; hour 6 is sealed; 11 of hour 4 arrives a day later."""
    store.append("v", hours(("a", 0, 10.0, 2)))
    store.append("v", hours(("a", 0, 12.0, 9)))
    store.mark_sealed("v", START + 6 * HOUR, 2, clock.instant)
    clock.move(days=1)
    assert store.append("v", hours(("a", 0, 11.0, 4))).late == 1
    return store


@pytest.mark.parametrize("settled", [False, True], ids=["hot", "settled"])
def test_a_late_row_never_displaces_a_newer_claim(late, clock, settled):
    if settled:
        late.compact("v")
    expected = {1: [], 4: [10], 8: [10], 9: [12]}
    assert {hour: values(late.as_of("v", START + hour * HOUR)) for hour in expected} == expected
    assert values(late.as_of("v", clock.instant)) == [12]
    assert values(late.as_of("v", clock.instant, n=1)) == [10]
    assert late.vintages("v")["y"].to_list() == [10, 12, 11]


def test_a_late_row_replaces_an_older_claim_from_when_it_was_recorded(store, clock, hours):
    store.append("v", hours(("a", 0, 10.0, 2)))
    store.mark_sealed("v", START + 6 * HOUR, 1, clock.instant)
    before = clock.instant
    clock.move(days=1)
    store.append("v", hours(("a", 0, 11.0, 4)))
    assert values(store.as_of("v", before)) == [10]
    assert values(store.as_of("v", clock.instant)) == [11]


def test_a_value_that_came_back_after_a_late_row_is_no_repeat(store, clock, hours):
    """A repeat of hour 9 was dropped while nothing stood between it and hour 2; the next load brings it."""
    history = hours(("a", 0, 10.0, 2), ("a", 0, 10.0, 9))
    assert store.append("v", history).added == 1
    store.mark_sealed("v", START + 6 * HOUR, 1, clock.instant)
    clock.move(days=1)
    whole = pl.concat([history, hours(("a", 0, 11.0, 4))])
    assert store.append("v", whole).added == 2
    assert values(store.as_of("v", clock.instant)) == [10]
    assert store.append("v", whole).added == 0


@pytest.mark.parametrize("rule", [AFTER_AN_HOUR, LOAD], ids=["delay", "load"])
def test_without_a_claim_of_its_own_a_row_is_compared_with_the_value_in_force(late, clock, hours, rule):
    clock.move(days=1)
    assert late.append("v", hours(("a", 0, 12.0)), known_at=rule).added == 0
    assert late.append("v", hours(("a", 0, 11.0)), known_at=rule).added == 1
    assert values(late.as_of("v", clock.instant)) == [11]


def test_a_log_that_has_sealed_more_than_the_store_holds_says_so(store, clock, hours):
    store.append("v", hours(("a", 0, 1.0, 1)))
    with pytest.raises(SetupError, match=r"(?s)sealed 3 appends of 'v'.*store holds 1.*backup"):
        store.mark_sealed("v", START + HOUR, 3, clock.instant)


def test_contradictory_rows_of_a_batch_are_both_rejected_and_listed(store, hours):
    rows = hours(("a", 0, 1.0, 1), ("a", 0, 2.0, 1), ("a", 1, 3.0, 2)).with_columns(row=pl.Series([2, 3, 4]))
    result = store.append("v", rows, file="x.csv")
    assert (result.added, len(result.rejected)) == (1, 2)
    listed = store.rejected("v")
    assert listed.select("file", "row", "column", "value").rows() == [
        ("x.csv", 2, "y", "1.0"),
        ("x.csv", 3, "y", "2.0"),
    ]


def test_across_appends_the_higher_number_wins(store, hours):
    store.append("v", hours(("a", 0, 1.0, 1)))
    store.append("v", hours(("a", 0, 2.0, 1)))
    assert values(store.as_of("v", START + HOUR)) == [2.0]
    assert values(store.as_of("v", START + HOUR, n=1)) == [1.0]
    assert store.append("v", hours(("a", 0, 1.0, 1))).added == 0


def test_a_row_known_before_the_value_in_force_fills_the_past_only(store, hours):
    store.append("v", hours(("a", 0, 2.0, 10)))
    assert store.append("v", hours(("a", 0, 2.0, 5))).added == 1
    assert store.append("v", hours(("a", 0, 1.0, 1))).added == 1
    assert [values(store.as_of("v", START + hour * HOUR)) for hour in (0, 1, 5, 10)] == [[], [1], [2], [2]]


def test_a_value_that_is_here_before_its_delay_has_passed_is_known_at_once(store, clock):
    soon = pl.DataFrame({"unique_id": ["a"], "ds": [clock.instant], "y": [1.0]})
    store.append("v", soon, known_at=AFTER_AN_HOUR)
    clock.move(minutes=10)
    store.append("v", soon.with_columns(y=2.0), known_at=AFTER_AN_HOUR)
    assert values(store.as_of("v", clock.instant)) == [2.0]
    assert values(store.as_of("v", clock.instant + HOUR)) == [2.0]


def test_a_row_known_in_the_future_is_rejected(store, clock, hours):
    rows = hours(("a", 0, 1.0, 1), ("a", 1, 1.0, 24 * 365))
    result = store.append("v", rows)
    assert (result.added, len(result.rejected)) == (1, 1)
    assert "after it was recorded" in store.rejected("v")["reason"].item()


@pytest.mark.parametrize("y", [None, float("nan"), float("inf"), float("-inf")])
def test_a_row_without_a_finite_value_is_rejected_and_the_others_are_kept(store, hours, y):
    result = store.append("v", hours(("a", 0, 1.0, 1), ("a", 1, y, 1)))
    assert (result.added, len(result.rejected)) == (1, 1)


def test_rejected_rows_of_a_file_that_is_loaded_twice_are_kept_once(store, hours):
    for _ in range(2):
        store.append("v", hours(("a", 0, 1.0, 1)), rejected=[Rejected("x.csv", 7, "y", "", "missing value")])
    assert store.rejected("v").height == 1


def test_rows_are_witnessed_once_their_append_was_sealed_before_the_cutoff(store, clock, hours):
    store.append("v", hours(("a", 0, 1.0, 1), ("a", 1, 1.0, 2)))
    store.mark_sealed("v", START + HOUR, 1, clock.instant)
    sealed_at = clock.instant
    clock.move(hours=1)
    store.append("v", hours(("a", 2, 1.0)), known_at=LOAD)
    assert store.snapshot("v", sealed_at - MICROSECOND).witnessed == 0
    assert store.snapshot("v", sealed_at).witnessed == 2
    assert (store.snapshot("v", clock.instant).rows, store.snapshot("v", clock.instant).witnessed) == (3, 2)


def test_recorded_times_ascend_even_if_the_clock_is_set_back(store, clock, hours):
    first = store.append("v", hours(("a", 0, 1.0)), known_at=LOAD)
    clock.move(hours=-1)
    second = store.append("v", hours(("a", 0, 2.0)), known_at=LOAD)
    assert second.recorded_at > first.recorded_at


def test_a_batch_in_another_unit_is_refused(store, hours):
    store.declare(Schema("speed", unit="km/h"))
    with pytest.raises(DataError, match="m/s"):
        store.append("speed", hours(("a", 0, 1.0, 1)), unit="m/s")


def test_naive_times_and_missing_columns_are_refused_with_what_to_do(store, hours):
    rows = hours(("a", 0, 1.0))
    with pytest.raises(DataError, match="no time zone"):
        store.append("v", rows.with_columns(pl.col("ds").dt.replace_time_zone(None)))
    with pytest.raises(DataError, match=r"(?s)no column 'y'.*Did you mean 'yy'"):
        store.append("v", rows.rename({"y": "yy"}))


def test_ids_and_span_narrow_what_is_read(store, hours):
    store.append("v", hours(*((name, hour, float(hour), 9) for name in "abc" for hour in range(5))))
    cutoff = START + 9 * HOUR
    found = store.as_of("v", cutoff, ids=["a", "c"], start=START + HOUR, end=START + 3 * HOUR)
    assert found.select("unique_id", "y").rows() == [("a", 1), ("a", 2), ("c", 1), ("c", 2)]
    assert store.as_of("v", cutoff, ids=[]).is_empty()


def test_what_a_dataset_holds_cannot_change_its_meaning(store):
    store.declare(Schema("v", licence="CC0-1.0"))
    assert store.schema("v").licence == "CC0-1.0"
    with pytest.raises(SettingsError, match="unit"):
        store.declare(Schema("v", unit="km/h"))


def test_an_unknown_dataset_and_a_missing_store_say_what_to_do(store, tmp_path):
    with pytest.raises(DataError, match=r"It has v\. `foreseal collect`"):
        store.latest_n("w")
    with pytest.raises(SetupError, match="foreseal init"):
        Store.open(tmp_path / "elsewhere")


def test_cases_have_vintages_of_features_and_labels_under_one_digest(store, clock):
    store.declare(
        Schema(
            "trial",
            kind="cases",
            features={"age": "int", "site": "str"},
            labels={"time": "float", "event": "bool"},
        )
    )
    features = pl.DataFrame({"case_id": ["p", "q"], "age": [40, None], "site": ["x", "y"]})
    assert store.append("trial", features, part="features").added == 2
    entry = clock.instant
    first = store.snapshot("trial", entry)
    clock.move(days=1)
    older = features.with_columns(age=pl.Series([41, 50]))
    assert store.append("trial", older, part="features").added == 2
    labels = pl.DataFrame({"case_id": ["p"], "time": [12.5], "event": [False]})
    assert store.append("trial", labels, part="labels").n == 3
    assert store.append("trial", labels, part="labels").added == 0
    assert store.as_of_features("trial", entry)["age"].to_list() == [40, None]
    assert store.as_of_features("trial", clock.instant + HOUR)["age"].to_list() == [41, 50]
    assert store.as_of_labels("trial", entry).is_empty()
    later = clock.instant + HOUR
    assert store.as_of_labels("trial", later).select("case_id", "time", "event").rows() == [
        ("p", 12.5, False)
    ]
    assert store.snapshot("trial", entry, 1) == first
    assert store.snapshot("trial", later).rows == 5
    assert store.check("trial") == 3
