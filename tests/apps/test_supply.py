"""Hand-overs of the supply example: an event that both sides sign, in both logs."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from foreseal.apps.supply import CONTEXT, DEPOTS, PARTS, check, main, shipment
from foreseal.collect import epcis
from foreseal.collect.events import Events
from foreseal.decide.reorder import Reorder
from foreseal.decide.round import Round
from foreseal.errors import DataError, Refused, Tampered, UsageError
from foreseal.run import Project
from foreseal.run.agreeing import propose, seal, sign
from foreseal.run.create import create
from foreseal.seal.verify import verify_log
from tests.conftest import ROOT

AT = datetime(2024, 7, 1, 6, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))


def test_a_hand_over_is_a_sound_event_named_by_its_hash() -> None:
    data = shipment({"filter": 1, "seal": 2}, "harbour", AT)
    document = epcis.read_document(data, "x")
    (event,) = document.events
    assert epcis.problem(event) == ("", "")
    assert check(data, "x") == [event["eventID"]] == [epcis.event_id(event, CONTEXT)]
    assert {each["quantity"] for each in event["quantityList"]} == {1, 2}
    assert event["destinationList"][0]["destination"] in DEPOTS


@pytest.mark.parametrize(
    ("pieces", "depot", "message"),
    [
        ({"filter": 1}, "atlantis", "no depot 'atlantis'"),
        ({"anvil": 1}, "harbour", "'anvil' is no part"),
        ({"filter": 0}, "harbour", "At least one piece"),
        ({}, "harbour", "At least one piece"),
    ],
)
def test_what_cannot_be_handed_over_is_refused(pieces: dict[str, int], depot: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        shipment(pieces, depot, AT)


def test_a_changed_event_is_refused_by_whoever_checks_it() -> None:
    data = shipment({"filter": 1}, "harbour", AT)
    with pytest.raises(Refused, match="x, event 1: its eventID is not its hash"):
        check(data.replace(b'"quantity": 1', b'"quantity": 10'), "x")
    with pytest.raises(Refused, match="x, event 1, action: not one of"):
        check(data.replace(b'"OBSERVE"', b'"SEND"'), "x")
    with pytest.raises(DataError, match="no JSON"):
        check(b"<xml/>", "x")


def test_both_sides_sign_a_hand_over_and_seal_it_in_their_own_logs(tmp_path: Path) -> None:
    carrier, depot = (tmp_path / name for name in ("carrier", "depot"))
    for folder in (carrier, depot):
        create(folder)
    ours, theirs = Project.open(carrier), Project.open(depot)
    terms = shipment({"filter": 1, "seal": 2}, "harbour", AT)
    name = check(terms, "hand-over")[0]
    agreement = propose(ours, "hand-over at harbour", terms, {"depot": theirs.settings.seal.author}, AT)
    assert agreement.lacks == ["depot"]
    with pytest.raises(Tampered, match="not the terms"):
        sign(theirs, agreement, terms.replace(b'"quantity": 2', b'"quantity": 3'))
    agreement = sign(theirs, agreement, terms)
    for project in (ours, theirs):
        said, _ = seal(project, agreement, terms)
        sealed = project.payloads.get(said.body["terms"]["sha256"], said.body["terms"]["size"])
        assert check(sealed, "sealed") == [name]
        assert verify_log(project.log_folder, [project.trusted()]).ok


def test_the_commands_write_and_check_an_event(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ship", "harbour", "2024-07-01T06:30:00Z", "filter=1", "seal=2"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "h.jsonld").write_text(text)
    assert main(["check", str(tmp_path / "h.jsonld")]) == 0
    (event,) = json.loads(text)["epcisBody"]["eventList"]
    assert capsys.readouterr().out == event["eventID"] + "\n"
    assert main(["ship", "harbour", "2024-07-01T06:30:00Z", "filter=one"]) == 2
    assert "whole numbers" in capsys.readouterr().err
    assert main([]) == 2


def test_the_example_brings_the_events_that_its_generator_writes() -> None:
    import gzip

    from bench.network import PATH, document

    assert gzip.decompress(PATH.read_bytes()) == document()
    assert len(PARTS) * len(DEPOTS) == 72


@pytest.mark.parametrize("cls", [Events, Round, Reorder], ids=lambda cls: cls.__name__)
def test_the_page_lists_every_option(cls: type) -> None:
    page = (ROOT / "docs" / "apps" / "supply.md").read_text("utf-8")
    assert all(f"`{each.name}`" in page for each in dataclasses.fields(cls))
