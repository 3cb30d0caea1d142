"""What a dataset may be declared as."""

from __future__ import annotations

from datetime import timedelta

import pytest

from foreseal.errors import DataError, SettingsError
from foreseal.store import QualityRules, Schema

CASES = {"kind": "cases", "features": {"age": "int"}, "labels": {"died": "bool"}}


def test_a_schema_survives_the_catalogue():
    rules = QualityRules(range=(0, 10), rate=2.5, flat=3, gap=timedelta(minutes=90), duplicate=True)
    for schema in (
        Schema("v", unit={"a": "K"}, licence="CC0-1.0", crs="EPSG:4326", quality=rules),
        Schema("t", **CASES),
    ):
        assert Schema.from_json(schema.to_json()) == schema


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a/b", {}, "not a usable name"),
        ("..", {}, "not a usable name"),
        ("v", {"unit": "vehicles"}, "not a UCUM unit"),
        ("v", {"labels": {"died": "bool"}}, "series has neither"),
        ("t", {"kind": "cases"}, "needs features and labels"),
        ("t", CASES | {"labels": {}}, "has no labels"),
        ("t", CASES | {"features": {"age": "date"}}, "unknown type 'date'"),
        ("t", CASES | {"features": {"known_at": "int"}}, "called 'known_at'"),
        ("v", {"personal": True}, "only cases have a key per person"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence(name, options, message):
    with pytest.raises(SettingsError, match=message):
        Schema(name, **options)


def test_parts_are_named_by_kind():
    with pytest.raises(DataError, match="features and labels"):
        Schema("t", **CASES).part("series")
    with pytest.raises(DataError, match="no part 'labels'"):
        Schema("v").part("labels")


@pytest.mark.parametrize("options", [{"range": (2, 1)}, {"rate": 0.0}, {"flat": 1}, {"gap": timedelta(0)}])
def test_rules_that_could_never_or_always_fire_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        QualityRules(**options)
