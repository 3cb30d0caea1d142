"""An entry has one spelling, says who made it, and holds nothing that its kind does not define."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from foreseal.errors import ForesealError, Malformed, ProofError, Tampered
from foreseal.seal import jcs
from foreseal.seal.entry import MAX_ENTRY, commitment, parse_entries, parse_entry, sign_entry
from foreseal.seal.keys import author_id, public_bytes
from foreseal.seal.schema import KINDS

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

TEXT = (
    st.text(max_size=12)
    .map(lambda text: unicodedata.normalize("NFC", text))
    .filter(lambda text: not any("\ud800" <= char <= "\udfff" for char in text))
)
VALUES = st.recursive(
    st.booleans() | st.integers(-jcs.MAX_INTEGER, jcs.MAX_INTEGER) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def approval(**changes: Any) -> dict[str, Any]:
    return {"decision": "ab" * 32, "verdict": "approved", "by": "desk", "reason": "", **changes}


def signed(key: Ed25519PrivateKey, **changes: Any) -> bytes:
    return sign_entry("approval", approval(**changes), key=key, at=AT)


@given(VALUES)
def test_canonical_json_is_that_of_an_independent_implementation(value: object) -> None:
    try:
        data = jcs.encode(value)
    except Malformed:
        assert _depth(value) > jcs.MAX_DEPTH
        return
    assert data == rfc8785.dumps(value)  # type: ignore[arg-type]
    assert jcs.decode(data) == value


def _depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=-1)


def test_keys_are_ordered_by_utf_16() -> None:
    value = {"\U0001f600": 1, "\uff5e": 2, "é": 3, "a": 4}
    assert jcs.encode(value) == rfc8785.dumps(value)
    assert list(json.loads(jcs.encode(value))) == ["a", "é", "\U0001f600", "\uff5e"]


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":-0}',
        b'{"a":null}',
        b'{"a":NaN}',
        b'{"a":9007199254740992}',
        b'{"b":1,"a":1}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b' {"a":1}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        b"",
        b"[" * 4000,
        b"[" * 100 + b"]" * 100,
        b"1" * 8000,
    ],
)
def test_json_in_any_other_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        jcs.decode(data)


@pytest.mark.parametrize(
    "value",
    [1.5, None, {"a": 0.1}, {1: 2}, [b"x"], 2**53, "\ud800", {"\ud800": 1}],
)
def test_values_without_a_canonical_form_are_refused(value: object) -> None:
    with pytest.raises(Malformed):
        jcs.encode(value)


def test_an_entry_is_read_back_with_its_author(author: Ed25519PrivateKey) -> None:
    entry = parse_entry(signed(author))
    assert entry.kind == "approval"
    assert entry.author == author_id(public_bytes(author))
    assert entry.at == AT
    assert entry["by"] == "desk"
    assert entry.leaf == sha256(b"\x00" + entry.raw).hexdigest()


def test_the_same_fields_give_the_same_bytes(author: Ed25519PrivateKey) -> None:
    assert signed(author) == signed(author)


def test_flipping_any_byte_of_an_entry_is_found(author: Ed25519PrivateKey) -> None:
    raw = signed(author, reason="because it is so")
    for at in range(len(raw)):
        with pytest.raises(ForesealError):
            parse_entry(raw[:at] + bytes([raw[at] ^ (1 << at % 7)]) + raw[at + 1 :])


def test_many_entries_are_read_as_each_of_them(author: Ed25519PrivateKey) -> None:
    good = [signed(author, reason=f"reason {k}") for k in range(3)]
    forged = good[0].replace(b"reason 0", b"reason 9")
    raws = [good[0], b"{}", good[1], forged, b" " + good[1], good[2][:-1], good[2]]

    def alone(raw: bytes) -> object:
        try:
            return parse_entry(raw)
        except ProofError as error:
            return repr(error), error.code

    found = [
        (repr(each), each.code) if isinstance(each, ProofError) else each for each in parse_entries(raws)
    ]
    assert found == list(map(alone, raws))
    assert sum(isinstance(each, tuple) for each in found) == 4


@pytest.mark.parametrize("value", [None, 2**53, -(2**53), [[[[[[[[["deep"]]]]]]]]], {"a": None}])
def test_what_json_may_not_hold_is_no_matter_of_fields(author: Ed25519PrivateKey, value: object) -> None:
    raw = json.dumps({**json.loads(signed(author)), "reason": value}, sort_keys=True, separators=(",", ":"))
    with pytest.raises(Malformed) as error:
        parse_entry(raw.encode())
    assert error.value.code == ""
    with pytest.raises(Malformed) as error:
        parse_entry(raw.replace(json.dumps(value, separators=(",", ":")), "1").encode())
    assert error.value.code == "fields"


def test_an_entry_signed_by_another_is_refused(author: Ed25519PrivateKey, signer: Any) -> None:
    fields = json.loads(signed(author))
    fields["author"] = author_id(signer.verifier.public)
    with pytest.raises(Tampered, match="is not by its author"):
        parse_entry(jcs.encode(fields))


def test_a_signature_over_the_fields_alone_is_not_enough(author: Ed25519PrivateKey) -> None:
    fields = json.loads(signed(author))
    del fields["sig"]
    fields["sig"] = author.sign(jcs.encode(fields)).hex()
    with pytest.raises(Tampered):
        parse_entry(jcs.encode(fields))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, "unknown field 'extra'"),
        ({"verdict": "maybe"}, "not one of 'approved', 'rejected'"),
        ({"by": ""}, "approval.by"),
        ({"by": "a\nb"}, "control character"),
        ({"by": 7}, "approval.by"),
        ({"decision": "AB" * 32}, "lower-case hexadecimal"),
        ({"decision": "ab" * 31}, "32 bytes"),
        ({"reason": "x" * 513}, "512"),
        ({"sig": "00"}, "set by signing"),
    ],
)
def test_a_field_that_is_wrong_is_named(
    author: Ed25519PrivateKey, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(Malformed, match=message):
        signed(author, **change)


def test_a_field_that_is_missing_is_named(author: Ed25519PrivateKey) -> None:
    fields = approval()
    del fields["by"]
    with pytest.raises(Malformed, match="lacks the field 'by'"):
        sign_entry("approval", fields, key=author, at=AT)


def test_an_unknown_kind_is_refused_with_the_known_ones(author: Ed25519PrivateKey) -> None:
    with pytest.raises(Malformed, match=r"'promise' is not a kind of entry; .*forecast.*approval"):
        sign_entry("promise", {}, key=author, at=AT)


def test_an_entry_is_at_most_eight_kibibytes(author: Ed25519PrivateKey) -> None:
    versions = {f"package-{i}": "x" * 200 for i in range(60)}
    fields = {"name": "m", "spec": "m()", "code": "ab" * 32, "versions": versions, "parameters": {}}
    with pytest.raises(Malformed, match=str(MAX_ENTRY)):
        sign_entry("model", fields, key=author, at=AT)


def test_a_key_is_introduced_by_itself(author: Ed25519PrivateKey) -> None:
    fields = {"name": "us", "key": author_id(bytes(32)), "action": "add", "role": "author"}
    with pytest.raises(Malformed, match="added by itself"):
        sign_entry("identity", fields, key=author, at=AT)


TARGET: dict[str, Any] = {
    "name": "t",
    "dataset": "d",
    "form": "series",
    "unit": "1",
    "horizon": 24,
    "freq": "1h",
    "schedule": {"sha256": "ab" * 32, "size": 10},
    "cutoffs": 1,
    "deadline": 60,
    "quantiles": ["0.1", "0.5"],
    "decimals": 1,
    "rule": "wis",
    "also": [],
    "baseline": "seasonal_naive(24)",
    "missing": "baseline",
    "score_bound": "",
    "outcome": {"vintage": "latest_at_deadline", "deadline": 60},
    "forecasters": [{"name": "baseline", "author": author_id(bytes(32))}],
    "covariates": [],
    "commit": False,
    "mode": "replay",
}


def test_a_target_in_good_order_is_accepted(author: Ed25519PrivateKey) -> None:
    assert set(TARGET) == set(KINDS["target"])
    sign_entry("target", TARGET, key=author, at=AT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": "brier"}, "series need quantiles"),
        ({"quantiles": []}, "series need quantiles"),
        ({"freq": ""}, "series need quantiles"),
        ({"freq": "01h"}, "not a frequency"),
        ({"freq": "hourly"}, "not a frequency"),
        ({"quantiles": ["0.5", "0.1"]}, "ascend"),
        ({"quantiles": ["0.10", "0.5"]}, "trailing zero"),
        ({"quantiles": ["1", "2"]}, "must lie in"),
        ({"also": ["brier"]}, "of the same form"),
        ({"missing": "bound"}, "score_bound is needed"),
        ({"score_bound": "-1"}, "not above zero"),
        ({"score_bound": "0.0"}, "not above zero"),
        ({"score_bound": "1,0"}, "not a decimal number"),
        ({"forecasters": []}, "'baseline' is one of them"),
        ({"forecasters": TARGET["forecasters"] * 2}, "names are unique"),
        ({"horizon": 0}, "from 1 to"),
        ({"horizon": True}, "from 1 to"),
        ({"commit": 1}, "neither true nor false"),
        ({"mode": "past"}, "'live', 'replay'"),
        ({"outcome": {"vintage": "first", "deadline": 1}}, "latest_at_deadline"),
        ({"schedule": {"sha256": "ab" * 32}}, "lacks the field 'size'"),
    ],
)
def test_a_target_that_contradicts_itself_is_refused(
    author: Ed25519PrivateKey, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(Malformed, match=message):
        sign_entry("target", {**TARGET, **change}, key=author, at=AT)


def test_a_commitment_is_the_stated_hash_and_binds_its_author() -> None:
    author, salt, digest = author_id(bytes(32)), b"s" * 32, sha256(b"payload").digest()
    stated = sha256(b"foreseal/commit/v1\0" + bytes(32) + salt + digest).hexdigest()
    assert commitment(author, salt, digest) == stated
    assert commitment(author_id(b"\1" * 32), salt, digest) != stated
    with pytest.raises(Malformed):
        commitment(author, b"short", digest)
