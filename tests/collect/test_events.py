from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from foreseal.collect import epcis
from foreseal.collect.events import Events
from foreseal.collect.source import Batch, Context
from foreseal.errors import DataError, DataWarning, SettingsError
from foreseal.options import build
from foreseal.settings import KnownAt
from foreseal.store import Schema, Store

BELT, PUMP = "urn:epc:idpat:sgtin:9521141.000003.*", "urn:epc:idpat:sgtin:9521141.000006.*"
NORTH, SOUTH = "urn:epc:id:sgln:9521141.00001.0", "urn:epc:id:sgln:9521141.00002.0"
OPTIONS = {
    "path": "events.jsonld",
    "goods": {BELT: "belt", PUMP: "pump"},
    "places": {NORTH: "north", SOUTH: "south"},
}


def event(day: str, place: str = NORTH, pieces: float = 1, goods: str = BELT, **more: Any) -> dict[str, Any]:
    return {
        "type": "ObjectEvent",
        "eventTime": f"{day}T10:00:00Z",
        "eventTimeZoneOffset": "+00:00",
        "action": "OBSERVE",
        "bizStep": "dispensing",
        "bizLocation": {"id": place},
        "quantityList": [{"epcClass": goods, "quantity": pieces}],
        **more,
    }


def read(folder: Path, *events: Any, made: str = "2026-01-26T00:00:00Z") -> Batch:
    body = {"type": "EPCISDocument", "creationDate": made, "epcisBody": {"eventList": list(events)}}
    (folder / "events.jsonld").write_text(json.dumps(body))
    (batch,) = build(Events, OPTIONS, "[datasets.x]").read(Context(folder))
    return batch


def pieces(batch: Batch, uid: str) -> list[float]:
    return batch.rows.filter(pl.col("unique_id") == uid).sort("ds")["y"].to_list()


def test_pieces_are_counted_by_week_with_zeros_where_nothing_happened(tmp_path: Path) -> None:
    batch = read(
        tmp_path,
        event("2026-01-20", pieces=2),
        event("2026-01-05"),
        event("2026-01-11", pieces=3),
        event("2026-01-12", SOUTH, goods=PUMP),
        event("2026-01-13", bizStep="receiving", pieces=50),
    )
    assert pieces(batch, "belt@north") == [4, 0, 2]
    assert pieces(batch, "pump@south") == [0, 1, 0]
    assert pieces(batch, "belt@south") == [0, 0, 0]
    assert batch.rows["ds"].min() == datetime(2026, 1, 5, tzinfo=UTC)
    assert batch.rejected == ()


def test_a_week_that_was_not_over_when_the_document_was_made_is_not_counted(tmp_path: Path) -> None:
    batch = read(tmp_path, event("2026-01-05"), event("2026-01-12"), made="2026-01-18T23:00:00Z")
    assert pieces(batch, "belt@north") == [1]


def test_serial_numbers_and_lots_count_as_pieces_of_their_class(tmp_path: Path) -> None:
    single = event("2026-01-05", epcList=[f"urn:epc:id:sgtin:9521141.000003.{k}" for k in "ab"])
    del single["quantityList"]
    lot = event("2026-01-06", goods="urn:epc:class:lgtin:9521141.000003.L7", pieces=3)
    assert pieces(read(tmp_path, single, lot), "belt@north") == [5, 0, 0]


def test_bad_events_are_refused_by_number_and_the_rest_goes_on(tmp_path: Path) -> None:
    batch = read(
        tmp_path,
        event("2026-01-05"),
        event("2026-01-05", "urn:epc:id:sgln:9521141.00009.0"),
        event("2026-01-05", pieces=-2),
        {**event("2026-01-05"), "type": "MovementEvent"},
        event("2026-01-27"),
        event("2026-01-05", goods="urn:epc:idpat:sgtin:9521141.000009.*"),
        "no event",
        event("2026-01-06"),
    )
    assert pieces(batch, "belt@north") == [2, 0, 0]
    found = {each.row: (each.column, each.reason) for each in batch.rejected}
    assert found == {
        2: ("bizLocation", "unknown place"),
        3: ("quantityList", "negative quantity"),
        4: ("type", "unknown type of event"),
        5: ("eventTime", "after the document was made"),
        6: ("quantityList", "unknown goods"),
        7: ("", "no object"),
    }


def test_events_out_of_order_count_the_same(tmp_path: Path) -> None:
    events = [event(f"2026-01-{day:02d}", pieces=day) for day in (5, 8, 14, 20)]
    forward, backward = read(tmp_path, *events), read(tmp_path, *reversed(events))
    assert forward.rows.drop("row").equals(backward.rows.drop("row"))


def test_an_event_counts_once_and_not_at_all_if_declared_erroneous(tmp_path: Path) -> None:
    good, wrong = event("2026-01-05"), event("2026-01-06", pieces=9)
    declared = {"declarationTime": "2026-01-07T00:00:00Z", "reason": "did_not_occur"}
    batch = read(
        tmp_path, good, wrong, {**good, "eventID": "urn:uuid:1"}, {**wrong, "errorDeclaration": declared}
    )
    assert pieces(batch, "belt@north") == [1, 0, 0]


WEEK = KnownAt("delay", delay=timedelta(days=7))


def told(folder: Path, *events: Any, made: str = "2026-02-23T00:00:00Z") -> list[tuple[str, str, float]]:
    """What a store holds of the belts of the north, weeks without any left out: week, known at, pieces."""
    body = {"type": "EPCISDocument", "creationDate": made, "epcisBody": {"eventList": list(events)}}
    (folder / "events.jsonld").write_text(json.dumps(body))
    with Store.open(folder / "store", create=True) as store:
        store.declare(Schema("parts"))
        for batch in build(Events, OPTIONS, "[datasets.x]").read(Context(folder, known_at=WEEK)):
            store.append("parts", batch.rows, known_at=batch.known_at, file=batch.file)
        found = store.vintages("parts").filter(pl.col("unique_id") == "belt@north").sort("ds", "known_at")
    busy = found.filter((pl.col("y") != 0).any().over("ds"))
    return [
        (f"{ds:%m-%d}", f"{known:%m-%d}", y)
        for ds, known, y in busy.select("ds", "known_at", "y").iter_rows()
    ]


def other(folder: Path) -> Path:
    (folder / "other").mkdir()
    return folder / "other"


def test_an_event_recorded_late_is_a_later_vintage(tmp_path: Path) -> None:
    """Its week was known to have fewer pieces when it was over."""
    late = event("2026-01-06", pieces=5, recordTime="2026-02-02T08:00:00Z")
    soon = event("2026-01-07", pieces=2, recordTime="2026-01-07T10:01:00Z")
    rows = [("01-05", "01-12", 2.0), ("01-05", "02-02", 7.0)]
    assert told(tmp_path, soon, late) == rows
    assert told(tmp_path, late, soon) == rows  # read again, nothing is added
    assert told(other(tmp_path), event("2026-01-05")) == [("01-05", "01-12", 1.0)]


def test_an_event_counts_until_it_is_declared_erroneous(tmp_path: Path) -> None:
    wrong, right = event("2026-01-06", pieces=9), event("2026-01-06", pieces=4, eventID="urn:uuid:2")
    declared = {
        "declarationTime": "2026-02-04T00:00:00Z",
        "reason": "incorrect_data",
        "correctiveEventIDs": ["urn:uuid:2"],
    }
    rows = [("01-05", "01-12", 9.0), ("01-05", "02-04", 4.0)]
    assert told(tmp_path, wrong, right, {**wrong, "errorDeclaration": declared}) == rows
    first = told(other(tmp_path), wrong, made="2026-01-14T00:00:00Z")
    assert first == [("01-05", "01-12", 9.0)]


def test_a_declaration_in_time_leaves_nothing_and_one_recorded_later_counts_from_then(tmp_path: Path) -> None:
    wrong, good = event("2026-01-06", pieces=9), event("2026-01-08")
    declared = {"declarationTime": "2026-01-09T00:00:00Z", "reason": "did_not_occur"}
    assert told(tmp_path, good, wrong, {**wrong, "errorDeclaration": declared}) == [("01-05", "01-12", 1.0)]
    later = {**wrong, "errorDeclaration": declared, "recordTime": "2026-01-20T00:00:00Z"}
    assert told(other(tmp_path), good, wrong, later) == [("01-05", "01-12", 10.0), ("01-05", "01-20", 1.0)]


def test_a_document_that_grew_adds_what_is_new_as_known_when_it_was_recorded(tmp_path: Path) -> None:
    first, late = event("2026-01-06"), event("2026-01-07", pieces=3, recordTime="2026-02-02T08:00:00Z")
    assert told(tmp_path, first, made="2026-01-14T00:00:00Z") == [("01-05", "01-12", 1.0)]
    assert told(tmp_path, first, late) == [("01-05", "01-12", 1.0), ("01-05", "02-02", 4.0)]


def test_a_row_names_the_hash_of_its_event(tmp_path: Path) -> None:
    one = event("2026-01-05")
    batch = read(tmp_path, one, event("2026-01-12"), event("2026-01-13"))
    sources = batch.rows.filter(pl.col("unique_id") == "belt@north").sort("ds")["source"].to_list()
    assert sources[0] == epcis.event_id(one)
    assert sources[1].startswith("sha-256;")
    assert sources[2] == "events.jsonld"


def test_an_event_named_by_another_hash_is_counted_with_a_warning(tmp_path: Path) -> None:
    other = epcis.event_id(event("2026-01-05", pieces=7))
    with pytest.warns(DataWarning, match="1 events bear the hash of another event"):
        batch = read(tmp_path, event("2026-01-05", eventID=other))
    assert pieces(batch, "belt@north") == [1, 0, 0]


def test_of_refused_events_what_is_counted_is_kept_and_no_party(tmp_path: Path) -> None:
    party = {"type": "possessing_party", "source": "Anna Berg"}
    word = {"type": "Anna Berg", "source": "https://id.example/1"}
    batch = read(
        tmp_path,
        event("2026-01-05"),
        event("2026-01-06", eventTime="at noon"),
        *(event("2026-01-07", sourceList=[each]) for each in (party, word)),
    )
    kept = [(each.column, each.value) for each in batch.rejected]
    assert kept == [("eventTime", "at noon"), ("sourceList", ""), ("sourceList", "")]
    assert "Anna" not in repr(batch.rejected)


def test_a_document_without_a_sound_event_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sound event") as caught:
        read(tmp_path, {"type": "?"})
    assert caught.value.hint == "1 were refused."
    with pytest.raises(DataError, match="There is no file"):
        list(build(Events, {**OPTIONS, "path": "none.jsonld"}, "x").read(Context(tmp_path)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"goods": {}}, "goods must map"),
        ({"places": {"depot 1": "north"}}, "places must map"),
        ({"freq": "1mo"}, "must be a fixed span"),
    ],
)
def test_impossible_options_are_refused_at_the_door(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build(Events, {**OPTIONS, **change}, "[datasets.x]")
