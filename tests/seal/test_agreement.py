"""Agreements: signed by each party over the same words, wherever they are sealed."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal.errors import Malformed, ProofError, Tampered, UsageError
from foreseal.seal import jcs
from foreseal.seal.agreement import Agreement
from foreseal.seal.entry import parse_entry, sign_entry
from foreseal.seal.keys import author_id, public_bytes

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3)]
IDS = [author_id(public_bytes(key)) for key in KEYS]
PARTIES = dict(zip(("carrier", "shop", "mill"), IDS, strict=True))


def agreed(*, by: int = 3) -> Agreement:
    found = Agreement.of("hand-over", b"120 crates", AT, PARTIES)
    for key in KEYS[:by]:
        found = found.signed(key)
    return found


def test_the_order_in_which_parties_sign_changes_nothing() -> None:
    files = set()
    for keys in itertools.permutations(KEYS):
        found = Agreement.of("hand-over", b"120 crates", AT, dict(reversed(PARTIES.items())))
        for key in keys:
            found = Agreement.parse(bytes(found)).signed(key)
        files.add(bytes(found))
    assert files == {bytes(agreed())}


def test_who_has_not_signed_is_named_and_signing_twice_is_signing_once() -> None:
    assert [*agreed(by=0).lacks] == [name for name, key in sorted(PARTIES.items(), key=lambda p: p[1])]
    assert set(agreed(by=2).lacks) == {"mill"}
    assert agreed().lacks == []
    assert bytes(agreed().signed(KEYS[0])) == bytes(agreed())


def test_threat_19_the_same_agreement_is_an_entry_in_the_log_of_each_party() -> None:
    for key in KEYS:
        entry = parse_entry(sign_entry("agreement", agreed().fields, key=key, at=AT))
        assert {each["key"]: each["signature"] for each in entry["parties"]} == agreed().signatures


def test_an_agreement_that_lacks_a_signature_is_no_entry() -> None:
    with pytest.raises(Malformed, match="signature"):
        sign_entry("agreement", agreed(by=2).fields, key=KEYS[0], at=AT)


def test_who_is_no_party_cannot_sign() -> None:
    with pytest.raises(UsageError, match="is no party to the agreement hand-over"):
        agreed(by=0).signed(Ed25519PrivateKey.generate())


def test_whatever_is_changed_after_a_signature_breaks_it() -> None:
    fields = agreed(by=1).fields
    changes = [
        {"name": "hand-back"},
        {"made": "2026-11-22T12:00:01Z"},
        {"terms": {**fields["terms"], "size": 11}},
        {"terms": {**fields["terms"], "sha256": "00" * 32}},
        {"parties": [{**each, "name": f"{each['name']}s"} for each in fields["parties"]]},
        {"parties": [each for each in fields["parties"] if each["name"] != "mill"]},
    ]
    assert Agreement.parse(jcs.encode(fields)) == agreed(by=1)
    for change in changes:
        with pytest.raises(Tampered, match="not signed by its party carrier"):
            Agreement.parse(jcs.encode({**fields, **change}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        bytes(agreed()) + b"\n",
        bytes(agreed()).replace(b"ed25519", b"ed25518", 1),
        b" " * 9000,
    ],
)
def test_what_is_no_agreement_is_refused(data: bytes) -> None:
    with pytest.raises(ProofError):
        Agreement.parse(data)


def test_one_party_alone_or_one_name_for_two_agrees_on_nothing() -> None:
    for parties in ({"us": IDS[0]}, {}):
        found = Agreement.of("alone", b"", AT, parties)
        with pytest.raises(Malformed, match="at least two"):
            Agreement.parse(bytes(found))
    twice = agreed().fields
    twice["parties"] = [{**each, "name": "same"} for each in twice["parties"]]
    with pytest.raises(Malformed, match="at least two, each once"):
        Agreement.parse(jcs.encode(twice))
