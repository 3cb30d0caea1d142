"""The rules of EPCIS 2.0 against its official JSON schema, on the official examples and spoilt copies."""

from __future__ import annotations

import copy
import gzip
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from foreseal.collect import epcis
from foreseal.errors import DataError
from tests.conftest import require

EVENT = {
    "type": "ObjectEvent",
    "eventTime": "2026-01-01T00:00:00Z",
    "eventTimeZoneOffset": "+00:00",
    "action": "OBSERVE",
    "epcList": ["urn:epc:id:sgtin:9521141.000003.a"],
}


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path] if path else []
    for step, each in inner:
        found += paths(each, (*path, step)) if step != "@context" else []
    return found


def spoilt(event: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(event)
    inside: Any = made
    for step in path[:-1]:
        inside = inside[step]
    if value is None:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return made


def test_official_examples_and_spoilt_copies_get_the_verdict_of_the_official_schema(shared: Path) -> None:
    require("jsonschema")
    import jsonschema

    formats = jsonschema.FormatChecker(formats=())
    formats.checks("uri")(lambda v: not isinstance(v, str) or bool(re.fullmatch(r"[A-Za-z][\w+.-]*:\S+", v)))
    formats.checks("date-time", raises=ValueError)(
        lambda v: not isinstance(v, str) or datetime.fromisoformat(v).tzinfo is not None
    )
    folder = shared / "supply" / "epcis"
    schema = json.loads((folder / "EPCIS-JSON-Schema.json").read_text())
    official = jsonschema.Draft7Validator(schema, format_checker=formats)
    for path in sorted((folder / "JSON").rglob("*.jsonld")):
        document = epcis.read_document(path.read_bytes(), path.name)
        for event in document.events:
            assert epcis.problem(event) == ("", "")
            whole = {"@context": document.context, **event}
            for number, place in enumerate(paths(whole)[::6]):
                value = (None, 7, "bogus", [], {})[number % 5]
                made = spoilt(whole, place, value)
                ours = epcis.problem(made)
                assert (ours == ("", "")) == official.is_valid(made), (place, value, ours)


@pytest.mark.parametrize(
    ("change", "member", "why"),
    [
        ({"type": "MovementEvent"}, "type", "unknown type"),
        ({"eventTime": "2026-01-01T00:00:00"}, "eventTime", "no time with a zone"),
        ({"eventTime": "2026-02-30T00:00:00Z"}, "eventTime", "no such time"),
        ({"eventTimeZoneOffset": "+15:00"}, "eventTimeZoneOffset", "not written"),
        ({"action": "SHIP"}, "action", "not one of OBSERVE, ADD, DELETE"),
        ({"bizStep": "dispatching"}, "bizStep", "not in the vocabulary"),
        ({"parentID": "urn:epc:id:sscc:9521141.0000000012"}, "parentID", "without a namespace"),
        ({"ilmd": {"ex:lot": "1"}}, "ilmd", "ADD"),
        ({"quantityList": [{"epcClass": "urn:x:1", "quantity": "3"}]}, "quantityList", "no number"),
    ],
)
def test_an_event_that_breaks_a_rule_is_told_by_member_and_rule(
    change: dict[str, Any], member: str, why: str
) -> None:
    found = epcis.problem({**EVENT, **change})
    assert found[0] == member
    assert why in found[1]
    assert epcis.problem(EVENT) == ("", "")


def test_a_document_is_read_plain_or_gzipped_and_its_time_is_utc() -> None:
    body = {
        "type": "EPCISDocument",
        "creationDate": "2026-01-02T01:00:00+01:00",
        "epcisBody": {"eventList": [EVENT]},
    }
    data = json.dumps(body).encode()
    for each in (data, gzip.compress(data)):
        document = epcis.read_document(each, "x")
        assert document.events == (EVENT,)
        assert document.created == datetime(2026, 1, 2, tzinfo=UTC)
    assert epcis.read_document(json.dumps(EVENT).encode(), "x").created is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<epcis/>", "no JSON"),
        (b"[]", "no EPCIS document"),
        (b'{"type": "EPCISDocument"}', "no events"),
        (b'{"type": "EPCISDocument", "epcisBody": {"queryResults": 1}}', "no events"),
        (b'{"type": "A", "type": "B"}', "twice"),
        (b"\x1f\x8bbroken", "damaged"),
    ],
)
def test_what_is_no_document_is_refused_by_name(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        epcis.read_document(data, "x.jsonld")
