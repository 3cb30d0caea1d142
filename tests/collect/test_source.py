"""Sources are found by name and built from their table."""

from __future__ import annotations

import pytest

from foreseal.collect import case_columns, read
from foreseal.errors import SettingsError
from foreseal.settings import Dataset


def test_a_dataset_is_read_with_the_time_zone_of_the_project_unless_it_has_its_own(tmp_path):
    (tmp_path / "x.csv").write_text("t,v\n2024-01-01,1\n")
    options = {"path": "x.csv", "ds": "t", "y": "v"}
    (batch,) = read(Dataset(source="csv", options=options), tmp_path, "Asia/Kolkata")
    assert batch.rows["ds"].item().isoformat() == "2023-12-31T18:30:00+00:00"
    (batch,) = read(Dataset(source="csv", timezone="UTC", options=options), tmp_path, "Asia/Kolkata")
    assert batch.rows["ds"].item().isoformat() == "2024-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("cvs", {}, r"no source 'cvs'[\s\S]*csv"),
        ("csv", {"path": "x", "ds": "t", "yy": "v"}, r"unknown key 'yy'[\s\S]*'y'"),
        ("csv", {"path": "x", "y": "v"}, "'y' but no 'ds'"),
        ("csv", {"path": "x"}, "either 'ds' and 'y'"),
        ("csv", {"path": "x", "case_id": "c"}, "neither 'features' nor 'labels'"),
        ("csv", {"path": "x", "case_id": "c", "features": {"a": "date"}}, "unknown type 'date'"),
        ("csv", {"path": "x", "ds": "t", "y": "v", "ambiguous": "both"}, "earliest"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_read(tmp_path, source, options, message):
    with pytest.raises(SettingsError, match=message):
        read(Dataset(source=source, options=options), tmp_path, name="d")


def test_case_columns_have_types_and_are_numbers_by_default():
    options = {"path": "x", "case_id": "c", "features": ["a", "b"], "labels": {"ill": "bool"}}
    found = case_columns(Dataset(source="csv", kind="cases", options=options))
    assert found == ({"a": "float", "b": "float"}, {"ill": "bool"})
