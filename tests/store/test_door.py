"""What never enters, because nothing that is sealed could hold it."""

from __future__ import annotations

import unicodedata

import polars as pl
import pytest

from foreseal.errors import Malformed
from foreseal.seal.payload import write_csv
from foreseal.store import Schema

UNFIT = {
    "decomposed": ("Zu\u0308rich", "normal form C"),
    "compatible only": ("\u212b", "normal form C"),
    "newline": ("a\nb", "control character"),
    "null": ("a\x00", "control character"),
    "delete": ("a\x7f", "control character"),
    "C1": ("a\x85b", "control character"),
}


@pytest.mark.parametrize(("name", "reason"), UNFIT.values(), ids=UNFIT)
def test_an_id_that_no_payload_can_hold_is_refused_with_file_row_and_reason(store, hours, name, reason):
    rows = hours(("a", 0, 1.0, 1), (name, 0, 1.0, 1), ("Zürich, Łódź \u65e5\u672c", 0, 1.0, 1))
    result = store.append("v", rows.with_columns(row=pl.Series([2, 3, 4])), file="x.csv")
    (bad,) = result.rejected
    assert (result.added, bad.file, bad.row, bad.column, bad.value) == (2, "x.csv", 3, "unique_id", name)
    assert reason in bad.reason


def test_a_case_that_no_payload_can_name_is_refused_too(store):
    store.declare(Schema("trial", kind="cases", features={"age": "int"}, labels={"ill": "int"}))
    cases = pl.DataFrame({"case_id": ["p", "q\t", "o\u0308"], "age": [1, 2, 3], "row": [1, 2, 3]})
    result = store.append("trial", cases, part="features")
    assert (result.added, [bad.row for bad in result.rejected]) == (1, [2, 3])


@pytest.mark.parametrize("kind", ["int", "float"])
def test_a_label_that_no_outcome_can_hold_is_refused_with_row_and_reason(store, kind):
    store.declare(
        Schema("trial", kind="cases", features={"age": "int"}, labels={"ill": kind, "stage": "int"})
    )
    labels = pl.DataFrame({"case_id": list("pqrst"), "ill": [0, 7, 1, None, -1], "stage": [4] * 5})
    labels = labels.with_columns(row=pl.Series([2, 3, 4, 5, 6])).cast(
        {"ill": pl.Float64 if kind == "float" else pl.Int64}
    )
    result = store.append("trial", labels, part="labels", file="x.csv")
    assert [(bad.row, bad.column, bad.reason) for bad in result.rejected] == [
        (3, "ill", "neither 0 nor 1"),
        (6, "ill", "neither 0 nor 1"),
    ]
    assert result.added == 3, "further labels, and one not known yet, are as they are"


def test_labels_of_other_types_are_left_alone(store):
    store.declare(Schema("a", kind="cases", features={"age": "int"}, labels={"ill": "bool"}))
    assert store.append("a", pl.DataFrame({"case_id": ["p"], "ill": [True]}), part="labels").added == 1
    store.declare(
        Schema("b", kind="cases", features={"age": "int"}, labels={"time": "float", "event": "int"})
    )
    lived = pl.DataFrame({"case_id": ["p"], "time": [12.5], "event": [0]})
    assert store.append("b", lived, part="labels").added == 1


def test_every_character_enters_as_an_id_exactly_if_a_payload_can_hold_it(store):
    """Every code point of the Basic Multilingual Plane but surrogates, against the writer of payloads."""

    def holds(name):
        try:
            write_csv([(name,)])
        except Malformed:
            return False
        # Payloads refuse what is not in normal form when they are put, as their readers need not know it.
        return "\n" not in name and unicodedata.is_normalized("NFC", name)

    names = [f"x{chr(k)}" for k in range(0x10000) if not 0xD800 <= k < 0xE000]
    rows = pl.DataFrame({"unique_id": names, "y": 1.0}).with_columns(
        ds=pl.datetime(2024, 1, 1, time_zone="UTC")
    )
    result = store.append("v", rows)
    refused = {bad.value for bad in result.rejected}
    assert refused == {name for name in names if not holds(name)}
    assert result.added == len(names) - len(refused)
    assert all(unicodedata.is_normalized("NFC", name) for name in store.vintages("v")["unique_id"])
