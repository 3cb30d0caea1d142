"""A payload has one spelling, and is found by the hash of its exact bytes."""

from __future__ import annotations

import csv
import io
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foreseal.errors import Malformed, Tampered
from foreseal.seal import payload
from foreseal.seal.payload import THROUGHOUT, Payloads

FORECAST = payload.forecast_series(("0.1", "0.5", "0.9"), 1)
T0, T1 = "2018-08-01T00:00:00Z", "2018-08-01T00:00:00.500000Z"
GOOD = f"unique_id,ds,q0.1,q0.5,q0.9\na,{T0},1.0,2.0,2.0\na,{T1},-1.5,0.0,3.0\nb,{T0},1.0,1.0,1.0\n".encode()


def test_rows_are_put_in_order_and_read_back() -> None:
    rows = [
        ("b", T0, "1.0", "1.0", "1.0"),
        ("a", T1, "-1.5", "0.0", "3.0"),
        ("a", T0, "1.0", "2.0", "2.0"),
    ]
    assert FORECAST.encode(rows) == GOOD
    assert [row[2:] for row in FORECAST.decode(GOOD)] == [(10, 20, 20), (-15, 0, 30), (10, 10, 10)]


def test_text_is_ordered_by_its_utf_8_bytes() -> None:
    names = ["\U0001f600", "\uff5e", "é", "a", "B"]
    data = payload.forecast_cases(1).encode([(name, "0.5") for name in names])
    read = [row[0] for row in payload.forecast_cases(1).decode(data)]
    assert read == sorted(name.encode() for name in names)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n", "\r\n"),
        ("q0.5", "q0.50"),
        ("unique_id", "id"),
        ("a,2018", '"a",2018'),
        ("a,2018", '"a"x,2018'),
        ("a,2018", '"a,2018'),
        ("a,2018", "a ,2018"),
        ("a,2018", ",2018"),
        ("a,2018", "c,2018"),
        ("a,2018", "e\u0301,2018"),
        ("a,2018", "a\x00,2018"),
        ("a,2018", "a\x85,2018"),
        ("b,2018", "a,2018"),
        ("T00:00:00Z", "T00:00:00+00:00"),
        ("T00:00:00Z", "T00:00:00.000000Z"),
        ("2.0,2.0", "2.0,1.9"),
        ("2.0,2.0", "2.0,2"),
        ("2.0,2.0", "2.0,2.00"),
        ("2.0,2.0", "2.0,+2.0"),
        ("2.0,2.0", "2.0"),
        ("2.0,2.0", "2.0,2.0,2.0"),
        ("0.0", "-0.0"),
        ("1.0,1.0,1.0\n", "1.0,1.0,1.0"),
        ("1.0,1.0,1.0\n", "1.0,1.0,1.0\n\n"),
        ("1.0,1.0,1.0", "1.0,1.0,inf"),
        ("unique_id", "\ufeffunique_id"),
    ],
)
def test_any_other_spelling_is_malformed(old: str, new: str) -> None:
    text = GOOD.decode()
    assert old in text
    with pytest.raises(Malformed):
        FORECAST.decode(text.replace(old, new, 1).encode())


@pytest.mark.parametrize("data", [b"", b"\n", b"\xff\n", GOOD[:-1], b"unique_id,ds,q0.1,q0.5,q0.9"])
def test_what_is_not_a_table_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        FORECAST.decode(data)


def test_what_is_wrong_is_named_with_its_row() -> None:
    with pytest.raises(Malformed, match="row 2 of a forecast payload: its quantiles cross"):
        FORECAST.encode([("a", T0, "1.0", "2.0", "3.0"), ("b", T0, "1.0", "0.0", "3.0")])
    with pytest.raises(Malformed, match="row 2 of a forecast payload appears twice"):
        FORECAST.encode([("a", T0, "1.0", "2.0", "3.0")] * 2)
    with pytest.raises(Malformed, match="row 1 of a forecast payload has 2 cells, not 5"):
        FORECAST.encode([("a", T0)])


CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)


# The first draw makes the table of characters, which takes a second on a busy machine.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5))
def test_any_text_survives_as_another_csv_reader_sees_it(rows: list[tuple[str, str]]) -> None:
    data = payload.write_csv([("left", "right"), *rows])
    assert payload.read_csv(data, 2) == [("left", "right"), *rows]
    assert [tuple(row) for row in csv.reader(io.StringIO(data.decode()))][1:] == rows


@given(st.binary(max_size=60))
def test_whatever_is_accepted_prints_back_the_same(data: bytes) -> None:
    try:
        table = payload.read_csv(data, 2)
    except Malformed:
        return
    if all(len(row) == 2 for row in table):
        assert payload.write_csv(table) == data


@pytest.mark.parametrize("cell", ["a\nb", "a\rb", "a\tb", "\x7f", "\ud800"])
def test_cells_with_control_characters_are_refused(cell: str) -> None:
    with pytest.raises(Malformed):
        payload.write_csv([("a", "b"), (cell, "x")])


def test_a_probability_lies_between_0_and_1() -> None:
    layout = payload.forecast_cases(3)
    assert layout.encode([("c", "1.000"), ("d", "0.000")])
    for p in ("1.001", "-0.001", "1"):
        with pytest.raises(Malformed):
            layout.encode([("c", p)])


def test_a_label_is_0_or_1() -> None:
    assert payload.outcome_cases().encode([("c", "1", T0)])
    with pytest.raises(Malformed, match="a label is 0 or 1"):
        payload.outcome_cases().encode([("c", "2", T0)])


def test_a_decision_value_without_an_instant_holds_throughout() -> None:
    rows = [("plan", T0, "green", "30", "s"), ("plan", "", "expected_cost", "1.5", "s")]
    data = payload.decision().encode(rows)
    assert data.decode().splitlines()[1] == "plan,,expected_cost,1.5,s"
    assert payload.decision().decode(data)[0][1] == THROUGHOUT


def test_a_schedule_is_ordered_by_number() -> None:
    rows = [(str(i), f"2018-08-{i + 1:02d}T00:00:00Z") for i in range(12)]
    data = payload.schedule().encode(reversed(rows))
    assert [row[0] for row in payload.schedule().decode(data)] == list(range(12))


def test_a_payload_is_kept_under_its_hash(tmp_path: Path) -> None:
    payloads = Payloads(tmp_path)
    reference = payloads.put(GOOD)
    assert reference == {"sha256": sha256(GOOD).hexdigest(), "size": len(GOOD)}
    assert payloads.path(str(reference["sha256"])).read_bytes() == GOOD
    assert payloads.get(str(reference["sha256"]), len(GOOD)) == GOOD
    assert payloads.put(GOOD) == reference


def test_a_payload_that_is_missing_or_changed_is_named_by_its_path(tmp_path: Path) -> None:
    payloads = Payloads(tmp_path)
    digest = str(payloads.put(GOOD)["sha256"])
    with pytest.raises(Tampered, match="missing"):
        payloads.get("00" * 32, 3)
    with pytest.raises(Tampered, match=digest):
        payloads.get(digest, len(GOOD) - 1)
    payloads.path(digest).write_bytes(GOOD[:-1] + b" ")
    with pytest.raises(Tampered, match=digest):
        payloads.get(digest, len(GOOD))
    payloads.put(GOOD)
    assert payloads.get(digest, len(GOOD)) == GOOD
